import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Console } from '@app/client'
import { encodePem } from '@app/der'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openKey } from '../../apps/cli/src/client/open-key.js'
import { criteriaOf } from '../../apps/cli/src/client/recovery-actions.js'
import { handOverShare } from '../../apps/cli/src/client/recovery-approval.js'
import { fetchPackage } from '../../apps/cli/src/client/recovery-fetch.js'
import { askForKey } from '../../apps/cli/src/client/recovery-request.js'
import { fingerprintOf } from '../../apps/cli/src/client/recipient-keys.js'
import { submitAs } from '../helpers/endorsed-requests.js'
import type { AgentHolder } from '../helpers/recoveries.js'
import { addRecoveryParties, type RecoveryParties } from '../helpers/recovery-parties.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-recovery-'))
const at = (name: string): string => join(directory, name)
const silent = { say: () => undefined, progress: () => undefined }
const because = { reason: 'The laptop is lost.', ticket: 'T-1' }
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

let server: TestServer
let parties: RecoveryParties
let alice: TestPrincipal
let officer: Console
let certificate: Uint8Array
let request: number

beforeAll(async () => {
  vi.stubEnv('CERTKEEP_PROFILE', at('profile.json'))
  server = await startTestServer()
  parties = await addRecoveryParties(server)
  officer = server.operate(parties.officer)
  alice = await server.addPrincipal({ accountName: 'alice', displayName: 'Alice Liddell' })
  await using client = server.connect(alice)
  const privateKeyArchiveCertificate = await client.getCACertificate({ exchange: true })
  const settings = { privateKeyArchiveCertificate, key: { privateKey } }
  const outcome = await submitAs(server, alice, { template: { name: 'UserEncryption' } }, settings)
  request = outcome.request.requestId
  await client.retrievePending(request)
  certificate = await client.getCertificate()
})

afterAll(async () => {
  vi.unstubAllEnvs()
  await officer[Symbol.asyncDispose]()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

function written(name: string, content: string): string {
  writeFileSync(at(name), content, { mode: 0o600 })
  return at(name)
}

async function approve(
  { person, privateKey: ownKey, certificate: own }: AgentHolder,
  id: number,
  options: Partial<Parameters<typeof handOverShare>[2]>
): Promise<string> {
  await using console = server.operate(person)
  const agentKey = written('agent.key', ownKey.export({ type: 'pkcs8', format: 'pem' }) as string)
  const agentCert = written('agent.pem', encodePem('CERTIFICATE', own.raw))
  return (await handOverShare(console, id, { agentKey, agentCert, ...options }, silent)).state
}

describe('asking for an archived key', () => {
  it('finds it by certificate, names, account and request', async () => {
    const serial = (await officer.archivedKeys.get(request)).serialNumber
    const digests = ['sha1', 'sha256'].map(name => createHash(name).update(certificate).digest('hex'))
    const criteria = [
      { serial },
      { subject: 'alice lid' },
      { upn: 'alice@example.org' },
      { account: 'EXAMPLE\\alice' },
      ...digests.map(digest => ({ digest })),
      { request }
    ]
    for (const each of criteria) {
      const { items } = await officer.archivedKeys.list(criteriaOf(each))
      expect([each, items.map(({ requestId }) => requestId)]).toEqual([each, [request]])
    }
    const nobody = askForKey(officer, { upn: 'nobody@example.org', ...because }, silent)
    await expect(nobody).rejects.toMatchObject({ code: 'not_found' })
    await expect(askForKey(officer, because, silent)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('leaves no key behind when it is refused', async () => {
    await using auditor = server.operate(await server.addOperator('auditor'))
    await expect(askForKey(auditor, { request, ...because }, silent)).rejects.toMatchObject({ code: 'access_denied' })
    expect(readdirSync(at('recoveries'))).toEqual([])
  })
})

describe('a recovery, step by step', () => {
  it('goes from the request over two agents to the key, and hands nothing to anybody else', async () => {
    const [first, second, third] = parties.holders as readonly [AgentHolder, AgentHolder, AgentHolder]
    // 1. The officer: a one-time key that nobody else may read.
    const { recovery, recipient = new Uint8Array() } = await askForKey(officer, { request, ...because }, silent)
    const { id } = recovery
    const key = readdirSync(at('recoveries')).find(name => name.endsWith('.key')) ?? ''
    expect(statSync(join(at('recoveries'), key)).mode & 0o777).toBe(0o600)
    const recipientSha256 = fingerprintOf(recipient)

    // 2. The agents: not for a recipient that the officer did not tell of, not with another's key, not unasked.
    const wrong = approve(first, id, { recipientSha256: '00'.repeat(32) })
    await expect(wrong).rejects.toMatchObject({ code: 'chain_invalid' })
    await expect(approve(first, id, { yes: true })).rejects.toMatchObject({ code: 'invalid_argument' })
    const mixed = approve({ ...second, person: first.person }, id, { recipientSha256 })
    await expect(mixed).rejects.toMatchObject({ code: 'invalid_argument' })
    expect((await officer.recoveries.get(id)).approvals).toEqual({ given: 0, needed: 2 })
    expect(await approve(first, id, { recipientSha256 })).toBe('requested')
    const out = at('recovery.pem')
    expect(await fetchPackage(officer, id, { trust: server.root, out }, silent)).toBeUndefined()
    expect(await approve(third, id, { recipientSha256: recipientSha256.toUpperCase() })).toBe('approved')

    // 3. The officer again: not over an existing file, then once, and the same bytes again.
    const taken = fetchPackage(officer, id, { trust: server.root, out: written('taken', '') }, silent)
    await expect(taken).rejects.toMatchObject({ code: 'file_exists' })
    expect((await officer.recoveries.get(id)).state).toBe('approved')
    expect(await fetchPackage(officer, id, { trust: server.root, out }, silent)).toBe(out)
    const again = at('again.pem')
    expect(await fetchPackage(officer, id, { trust: server.root, out: again }, silent)).toBe(again)
    expect(readFileSync(again)).toEqual(readFileSync(out))
    await using other = server.operate(await server.addOperator('officer'))
    const stolen = fetchPackage(other, id, { trust: server.root, out: at('stolen') }, silent)
    await expect(stolen).rejects.toMatchObject({ code: 'access_denied' })

    // 4. The key, with the one-time key that is found by itself.
    await openKey(out, { out: at('alice.pem') }, silent)
    expect(createPrivateKey(readFileSync(at('alice.pem'), 'utf8')).equals(privateKey)).toBe(true)
  })
})
