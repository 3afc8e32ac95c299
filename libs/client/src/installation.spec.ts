import { createPrivateKey } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { issueCertificate, makeCa, pemOf } from '../../../test/helpers/enrollment-ca.js'
import { sampleKey } from '../../../test/helpers/x509-samples.js'
import { Enrollment } from './enrollment.js'
import { installPem, installPkcs12 } from './installation.js'

const ca = makeCa('CN=Sample CA')
const certificate = issueCertificate(ca, sampleKey('P-256'))
const { privateKey } = sampleKey('P-256')
const installable = { certificate: certificate.raw, chain: [ca.certificate.raw], privateKey }

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'certkeep-installation-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

describe('an installation as PEM', () => {
  it('has the key for its owner alone, and the certificate and chain for all', async () => {
    const paths = await installPem(installable, join(directory, 'new'))
    expect(readFileSync(paths.certificate, 'utf8')).toBe(pemOf(certificate))
    expect(readFileSync(paths.chain ?? '', 'utf8')).toBe(pemOf(ca.certificate))
    expect(createPrivateKey(readFileSync(paths.key, 'utf8')).equals(privateKey)).toBe(true)
    expect(statSync(paths.key).mode & 0o777).toBe(0o600)
    expect(statSync(paths.certificate).mode & 0o777).toBe(0o644)
    expect(statSync(paths.chain ?? '').mode & 0o777).toBe(0o644)
  })

  it('puts the chain behind the certificate when it has no file of its own', async () => {
    const paths = { key: join(directory, 'k'), certificate: join(directory, 'c') }
    await installPem(installable, paths)
    expect(readFileSync(paths.certificate, 'utf8')).toBe(pemOf(certificate, ca.certificate))
  })

  it('encrypts the key under a passphrase', async () => {
    const { key } = await installPem(installable, directory, 'secret')
    expect(readFileSync(key, 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
  })

  it.each(['key.pem', 'certificate.pem', 'chain.pem'])('writes nothing where %s exists', async name => {
    writeFileSync(join(directory, name), 'mine')
    await expect(installPem(installable, directory)).rejects.toMatchObject({ code: 'file_exists' })
    expect(readdirSync(directory)).toEqual([name])
    expect(readFileSync(join(directory, name), 'utf8')).toBe('mine')
  })

  it('leaves no key behind when the certificate cannot be written', async () => {
    const paths = { key: join(directory, 'k'), certificate: join(directory, 'none', 'c') }
    await expect(installPem(installable, paths)).rejects.toMatchObject({ code: 'unavailable' })
    expect(existsSync(paths.key)).toBe(false)
  })
})

describe('an installation as PKCS#12', () => {
  it('takes the place of no file', async () => {
    const path = join(directory, 'identity.p12')
    writeFileSync(path, 'mine')
    await expect(installPkcs12(installable, path, 'secret')).rejects.toMatchObject({ code: 'file_exists' })
    expect(readFileSync(path, 'utf8')).toBe('mine')
  })
})

describe('an enrollment without an accepted response', () => {
  it('installs nothing', async () => {
    const enrollment = new Enrollment({ trust: pemOf(ca.certificate) })
    await expect(enrollment.installAsPem(directory)).rejects.toMatchObject({ code: 'conflict' })
    const path = join(directory, 'identity.p12')
    await expect(enrollment.installAsPkcs12(path, 'secret')).rejects.toMatchObject({ code: 'conflict' })
    expect(readdirSync(directory)).toEqual([])
  })
})
