import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { buildPkcs12, readPkcs12 } from '@app/client'
import { buildCertificateBundle } from '@app/cms'
import { encodePem } from '@app/der'
import { encodeCapiPrivateKeyBlob, encodeCngEccBlob, sealToAgents, sealToThreshold, transferShare } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { OID } from '@app/oid'
import { realEntropy } from '../../../../test/helpers/cms-messages.js'
import { issueCertificate, makeCa, pemOf } from '../../../../test/helpers/enrollment-ca.js'
import { sampleKey, toSampleKey } from '../../../../test/helpers/x509-samples.js'
import { openKey, type OpenKeyCommand } from './open-key.js'
import { keepRecipient } from './recipient-keys.js'
import { encodeRecoveryFile } from './recovery-file.js'

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

  it('takes the password of a PKCS#12 file from a file or the environment, and writes none without', async () => {
    const out = join(directory, 'opened.p12')
    const certificate = written('owner.pem', pemOf(owner))
    const file = written('sealed.der', sealed())
    await expect(opened(file, { out, certificate })).rejects.toMatchObject({ code: 'invalid_argument' })
    vi.stubEnv('CERTKEEP_OUT_PASSWORD', 'from outside')
    try {
      await opened(file, { out, certificate })
    } finally {
      vi.unstubAllEnvs()
    }
    const { privateKey } = await readPkcs12(readFileSync(out), 'from outside')
    expect(privateKey.equals(sampleKey('P-256').privateKey)).toBe(true)
  })

  it('writes no key that is not that of a certificate beside it', async () => {
    const certificate = written('other.pem', pemOf(issueCertificate(ca, sampleKey('rsa'))))
    const file = written('sealed.der', sealed('P-256'))
    await expect(opened(file, { certificate })).rejects.toMatchObject({ code: 'archived_key_mismatch' })
    expect(existsSync(join(directory, 'opened.pem'))).toBe(false)
  })
})

describe('opening a key that several agents open together', () => {
  const recipient = toSampleKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
  const recipientCertificate = issueCertificate(ca, recipient)
  const agents = [
    { certificate: agent, key: agentKey },
    { certificate: otherAgent, key: sampleKey('rsa') }
  ]
  let key: Uint8Array
  let shares: Uint8Array[]

  beforeAll(async () => {
    const { privateKey, publicKey } = sampleKey('P-256')
    const plaintext = encodeCngEccBlob(privateKey)
    const certificates = agents.map(({ certificate }) => certificate)
    key = await sealToThreshold({ plaintext, publicKey, agents: certificates, threshold: 2, entropy: realEntropy })
    shares = await Promise.all(agents.map(holder => transferred(key, holder)))
  })

  function transferred(from: Uint8Array, holder: (typeof agents)[number]): Promise<Uint8Array> {
    const decrypter = decrypterOf(holder.key.privateKey)
    const parties = { decrypter, agent: holder.certificate, recipient: recipientCertificate }
    return transferShare({ sealed: from, ...parties, entropy: realEntropy })
  }

  function recovery(from: readonly Uint8Array[]): string {
    const certificates = [owner.raw, ca.certificate.raw]
    return written('recovery.pem', encodeRecoveryFile({ sealed: key, transferred: from, certificates }))
  }

  const recipientPem = recipient.privateKey.export({ type: 'pkcs8', format: 'pem' })

  it('takes the shares out of the file of the recovery, or from files of their own', async () => {
    const out = await opened(recovery(shares), { key: written('recipient.key', recipientPem) })
    expect(createPrivateKey(readFileSync(out, 'utf8')).equals(sampleKey('P-256').privateKey)).toBe(true)
    expect(said).toEqual([expect.stringContaining(`serial number ${owner.serialHex} is in ${out}`) as string])
    const share = shares.map((bytes, index) => written(`share${index}.der`, bytes))
    const again = join(directory, 'again.pem')
    await opened(written('sealed.der', key), { key: written('recipient.key', recipientPem), share, out: again })
    expect(readFileSync(again)).toEqual(readFileSync(out))
  })

  it('finds the one-time key that was made for the recovery', async () => {
    vi.stubEnv('CERTKEEP_PROFILE', join(directory, 'profile.json'))
    try {
      await keepRecipient({ privateKey: recipient.privateKey, certificate: recipientCertificate.raw })
      const out = join(directory, 'alone.pem')
      const talk = { say: () => undefined, progress: () => undefined }
      await openKey(recovery(shares), { out }, talk)
      expect(statSync(out).mode & 0o777).toBe(0o600)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('says so and gives nothing with fewer shares, one share twice, and the share of another key', async () => {
    const { privateKey, publicKey } = sampleKey('P-384')
    const plaintext = encodeCngEccBlob(privateKey)
    const certificates = agents.map(({ certificate }) => certificate)
    const plan = { plaintext, publicKey, agents: certificates, threshold: 2, entropy: realEntropy }
    const foreign = await transferred(await sealToThreshold(plan), agents[1] as (typeof agents)[number])
    const [first = new Uint8Array()] = shares
    for (const [given, code] of [
      [[first], 'recovery_shares_missing'],
      [[first, first], 'recovery_shares_missing'],
      [[first, foreign], 'recovery_share_invalid']
    ] as const) {
      const file = recovery(given)
      await expect(opened(file, { key: written('recipient.key', recipientPem) })).rejects.toMatchObject({ code })
    }
    await expect(opened(recovery(shares))).rejects.toMatchObject({ code: 'cms_decrypt_failed' })
    expect(existsSync(join(directory, 'opened.pem'))).toBe(false)
  })
})
