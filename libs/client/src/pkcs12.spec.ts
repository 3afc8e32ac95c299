import { createPrivateKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { issueCertificate, makeCa } from '../../../test/helpers/enrollment-ca.js'
import { sampleKey } from '../../../test/helpers/x509-samples.js'
import { buildPkcs12 } from './pkcs12.js'
import { readPkcs12 } from './pkcs12-reader.js'

const root = makeCa('CN=Sample Root')
const password = 'pass-Wörter ✓'

function buildFor(kind: 'rsa' | 'P-256', secret = password): Promise<Uint8Array> {
  const { privateKey } = sampleKey(kind)
  return buildPkcs12({
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
    certificate: issueCertificate(root, sampleKey(kind)).raw,
    chain: [root.certificate.raw],
    friendlyName: 'CN=Sample',
    password: secret,
    iterations: 1000
  })
}

describe('a PKCS#12 file', () => {
  it.each(['rsa', 'P-256'] as const)('gives back the %s key, its certificate and the chain', async kind => {
    const identity = await readPkcs12(await buildFor(kind), password)
    expect(
      identity.privateKey.equals(createPrivateKey(sampleKey(kind).privateKey.export({ type: 'pkcs8', format: 'pem' })))
    ).toBe(true)
    expect(identity.certificate).toBeDefined()
    expect(identity.otherCertificates).toEqual([new Uint8Array(root.certificate.raw)])
  })

  it('is refused with another password, when damaged and when it is something else', async () => {
    const file = await buildFor('P-256')
    await expect(readPkcs12(file, 'other')).rejects.toMatchObject({ code: 'key_store_locked' })
    const damaged = Buffer.from(file)
    damaged[200] = (damaged[200] ?? 0) ^ 1
    await expect(readPkcs12(damaged, password)).rejects.toMatchObject({
      code: expect.stringMatching(/^key_store_/) as string
    })
    await expect(readPkcs12(root.certificate.raw, password)).rejects.toMatchObject({ code: 'key_store_invalid' })
  })
})
