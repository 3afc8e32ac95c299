import { createPrivateKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildPkcs12 } from '@app/client'
import { buildCertificateBundle } from '@app/cms'
import { encodePem } from '@app/der'
import { encodeCapiPrivateKeyBlob, encodeCngEccBlob, sealToAgents, sealToThreshold } from '@app/escrow'
import { OID } from '@app/oid'
import { realEntropy } from '../../../../test/helpers/cms-messages.js'
import { issueCertificate, makeCa, pemOf } from '../../../../test/helpers/enrollment-ca.js'
import { sampleKey, toSampleKey } from '../../../../test/helpers/x509-samples.js'
import { openKey, type OpenKeyCommand } from './open-key.js'
import { generateKeyPairSync } from 'node:crypto'

const ca = makeCa('CN=Sample CA')
const agentKey = toSampleKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
const agent = issueCertificate(ca, agentKey)
const otherAgent = issueCertificate(ca, sampleKey('rsa'))
const owner = issueCertificate(ca, sampleKey('P-256'))

let directory: string
let said: string[]

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'certkeep-key-'))
  said = []
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

function written(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}

function sealed(kind: 'rsa' | 'P-256' = 'P-256', agents = [otherAgent, agent]): Uint8Array {
  const { privateKey } = sampleKey(kind)
  const plaintext = kind === 'rsa' ? encodeCapiPrivateKeyBlob(privateKey) : encodeCngEccBlob(privateKey)
  return sealToAgents({ plaintext, agents, entropy: realEntropy })
}

const keyPem = agentKey.privateKey.export({ type: 'pkcs8', format: 'pem' })

async function opened(file: string, options: Partial<OpenKeyCommand> = {}): Promise<string> {
  const out = join(directory, 'opened.pem')
  const agentOptions = options.agent === undefined ? { key: written('agent.key', keyPem) } : {}
  await openKey(file, { ...agentOptions, out, ...options }, { say: text => said.push(text), progress: () => undefined })
  return out
}

describe('opening a sealed key', () => {
  it.each(['rsa', 'P-256'] as const)('writes the %s key for its owner alone', async kind => {
    const out = await opened(written('sealed.der', sealed(kind)))
    expect(createPrivateKey(readFileSync(out, 'utf8')).equals(sampleKey(kind).privateKey)).toBe(true)
    expect(statSync(out).mode & 0o777).toBe(0o600)
  })

  it('takes the key out of the package that a CA hands out and says whose it is', async () => {
    const certificates = [owner.raw, ca.certificate.raw]
    const bundle = buildCertificateBundle({ certificates, content: sealed(), contentType: OID.id_data })
    const out = await opened(written('sealed.pem', encodePem('PKCS7', bundle)))
    expect(createPrivateKey(readFileSync(out, 'utf8')).equals(sampleKey('P-256').privateKey)).toBe(true)
    expect(said).toEqual([
      expect.stringContaining(`of CN=Sample, serial number ${owner.serialHex} is in ${out}`) as string
    ])
  })

  it('works with the PKCS#12 file of the agent', async () => {
    const p12 = await buildPkcs12({
      privateKey: agentKey.privateKey.export({ type: 'pkcs8', format: 'der' }),
      certificate: agent.raw,
      chain: [ca.certificate.raw],
      friendlyName: 'Agent',
      password: 'secret',
      iterations: 1000
    })
    const options = { agent: written('agent.p12', p12), passwordFile: written('password', 'secret\n') }
    await expect(opened(written('sealed.der', sealed()), options)).resolves.toBeDefined()
  })

  it.each([
    ['was sealed to other agents', { cert: pemOf(agent) }, [otherAgent], 'not_found'],
    ['was sealed to others and no certificate says so', {}, [otherAgent], 'cms_decrypt_failed']
  ] as const)('fails when it %s', async (_what, { cert }: { cert?: string }, agents, code) => {
    const options = cert === undefined ? {} : { cert: written('agent.pem', cert) }
    const file = written('sealed.der', sealed('P-256', [...agents]))
    await expect(opened(file, options)).rejects.toMatchObject({ code })
  })

  it('overwrites nothing', async () => {
    const out = written('opened.pem', 'mine')
    await expect(opened(written('sealed.der', sealed()))).rejects.toMatchObject({ code: 'file_exists' })
    expect(readFileSync(out, 'utf8')).toBe('mine')
  })

  it('writes no PKCS#12 file without a password', async () => {
    const out = join(directory, 'opened.p12')
    await expect(opened(written('sealed.der', sealed()), { out })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('says of a key that several agents open together that it takes them', async () => {
    const plaintext = sampleKey('P-256').privateKey.export({ type: 'pkcs8', format: 'der' })
    const publicKey = sampleKey('P-256').publicKey
    const plan = { plaintext, publicKey, agents: [agent, otherAgent], threshold: 2, entropy: realEntropy }
    const file = written('sealed.der', await sealToThreshold(plan))
    await expect(opened(file)).rejects.toMatchObject({ code: 'form_not_supported' })
  })
})
