import { createHash } from 'node:crypto'
import { CR_DISP_ISSUED, CR_IN_CMC, Enrollment, FR_PROP_FULLRESPONSE, type AcceptedCertificate } from '@app/client'
import { toHex } from '@app/core'
import { keyBlobToPkcs8, openWithShares, transferPart } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { decodeCertificate } from '@app/x509'
import { expect } from 'vitest'
import { freshEntropy } from './escrow-samples.js'
import type { RecoveryAgent } from './recovery-agent.js'
import type { TestPrincipal, TestServer } from './server.js'

/** Somebody who holds the key of a recovery agent. */
export interface AgentHolder extends RecoveryAgent {
  readonly agentId: number
  readonly person: TestPrincipal
}

/** Gives each agent of a server to a person of its own, who holds the role. */
export function holdAgents(server: TestServer): Promise<readonly AgentHolder[]> {
  return Promise.all(
    server.agents.map(async agent => {
      const person = await server.addOperator('recovery_agent')
      const sha256 = createHash('sha256').update(agent.certificate.raw).digest()
      await server.sql('UPDATE certkeep.recovery_agent SET principal_id = $1 WHERE sha256 = $2', [
        person.row.id,
        sha256
      ])
      const find = 'SELECT id FROM certkeep.recovery_agent WHERE sha256 = $1'
      const [row] = await server.sql<{ readonly id: number }>(find, [sha256])
      return { ...agent, agentId: row?.id ?? 0, person }
    })
  )
}

/** A key that somebody has archived, with the certificate. */
export interface ArchivedTestKey {
  readonly requestId: number
  readonly owner: TestPrincipal
  readonly accepted: AcceptedCertificate
}

/** Enrolls with `UserEncryption`, whose keys are archived. */
export async function archiveKey(server: TestServer, owner?: TestPrincipal): Promise<ArchivedTestKey> {
  const who = owner ?? (await server.addPrincipal())
  await using request = server.connect(who)
  const exchange = await request.getCACertificate({ exchange: true })
  const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust: server.root })
  const cmc = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
  expect(await request.submit(cmc, { flags: CR_IN_CMC })).toBe(CR_DISP_ISSUED)
  const accepted = await enrollment.acceptResponse(await request.getFullResponseProperty(FR_PROP_FULLRESPONSE))
  return { requestId: request.requestId, owner: who, accepted }
}

/** Hands an agent's share over, as `key approve` does; of a key that agents open alone nothing but the word. */
export async function approveAs(server: Pick<TestServer, 'operate'>, id: number, holder: AgentHolder) {
  await using console = server.operate(holder.person)
  const { held, recipient } = await console.recoveries.share(id)
  if (held === undefined || recipient === undefined) return await console.recoveries.approve(id)
  const share = await transferPart({
    held,
    decrypter: decrypterOf(holder.privateKey),
    successor: decodeCertificate(recipient),
    entropy: freshEntropy
  })
  return await console.recoveries.approve(id, { share })
}

/** The private key that a package opens to, PKCS#8 in hexadecimal. */
export function openPackage(
  {
    package: sealed,
    shares
  }: { readonly package: Uint8Array; readonly shares: readonly { readonly share: Uint8Array }[] },
  { privateKey }: Pick<RecoveryAgent, 'privateKey'>
): Promise<string> {
  const transferred = shares.map(({ share }) => share)
  const use = ({ plaintext }: { readonly plaintext: Uint8Array }): string => toHex(keyBlobToPkcs8(plaintext))
  return openWithShares({ sealed, transferred, decrypter: decrypterOf(privateKey), use })
}

/**
 * What must hold of every recovery in the database (I8): each query gives those that break it. A release rests on the
 * approvals of as many different people and agents as must, none of whom asked for it, and is told of once. What came before
 * what is told by the order of events, since the clock of a process may be set back.
 */
const INVARIANTS = {
  'a release rests on enough distinct approvals, none of them of who asked': `
    SELECT r.id FROM certkeep.recovery AS r WHERE r.state = 'released' AND r.quorum > (
      SELECT count(DISTINCT a.principal_id) FROM certkeep.recovery_approval AS a
      WHERE a.recovery_id = r.id AND a.agent_id = ANY (r.counted_agents) AND a.principal_id <> r.requester_id)`,
  'a recovery is released at most once, and its event says so': `
    SELECT r.id FROM certkeep.recovery AS r WHERE (r.state = 'released')::integer <> (
      SELECT count(*) FROM certkeep.audit_event AS e
      WHERE e.object_type = 'recovery' AND e.object_id = r.id::text AND e.action = 'recovery.released')`,
  'what is not released has no package': `
    SELECT k.recovery_id FROM certkeep.recovery_package AS k JOIN certkeep.recovery AS r ON r.id = k.recovery_id
    WHERE r.state <> 'released'`,
  'nothing was delivered that was not released before': `
    SELECT e.object_id FROM certkeep.audit_event AS e WHERE e.action = 'recovery.delivered' AND NOT EXISTS (
      SELECT FROM certkeep.audit_event AS o WHERE o.object_type = 'recovery' AND o.object_id = e.object_id
        AND o.action = 'recovery.released' AND o.seq < e.seq)`,
  'every approval has one event': `
    SELECT a.recovery_id FROM certkeep.recovery_approval AS a GROUP BY a.recovery_id HAVING count(*) <> (
      SELECT count(*) FROM certkeep.audit_event AS e WHERE e.object_type = 'recovery'
        AND e.object_id = a.recovery_id::text AND e.action IN ('recovery.approval_given', 'recovery.approved')
        AND e.detail ? 'agentId')`
} as const

/** The invariants of recoveries that something in the database breaks; nothing when all hold. */
export async function brokenRecoveries(
  server: Pick<TestServer, 'sql'>
): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const broken: Record<string, readonly unknown[]> = {}
  for (const [name, sql] of Object.entries(INVARIANTS)) {
    const rows = await server.sql<object>(sql)
    if (rows.length > 0) broken[name] = rows
  }
  return broken
}
