import { createHash } from 'node:crypto'
import type { RecoveryPackage } from '@app/client'
import { transferPart } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { decodeCertificate } from '@app/x509'
import { realEntropy } from './cms-messages.js'
import type { RecoveryAgent } from './recovery-agent.js'
import type { TestPrincipal, TestServer } from './server.js'

/** A recovery agent and the operator who holds its key. */
export interface AgentHolder {
  readonly person: TestPrincipal
  readonly agent: RecoveryAgent
}

/** Who takes part in recoveries. */
export interface RecoveryParties {
  readonly officer: TestPrincipal
  readonly holders: readonly AgentHolder[]
}

/** Gives a server an officer, and each of its recovery agents to a person of its own. */
export async function addRecoveryParties(server: TestServer): Promise<RecoveryParties> {
  const officer = await server.addOperator('officer')
  const holders: AgentHolder[] = []
  for (const agent of server.agents) {
    const person = await server.addOperator('recovery_agent')
    const sha256 = createHash('sha256').update(agent.certificate.raw).digest()
    await server.sql('UPDATE certkeep.recovery_agent SET principal_id = $1 WHERE sha256 = $2', [person.row.id, sha256])
    holders.push({ person, agent })
  }
  return { officer, holders }
}

/** Approves a recovery as an agent does, on the agent's side. */
export async function approveAs(server: TestServer, { person, agent }: AgentHolder, id: number): Promise<void> {
  await using console = server.operate(person)
  const { mode, held, recipient } = await console.recoveries.share(id)
  if (mode === 'any-agent') {
    await console.recoveries.approve(id)
    return
  }
  if (held === undefined || recipient === undefined) throw new Error(`Recovery ${id} offers no share.`)
  const share = await transferPart({
    held,
    decrypter: decrypterOf(agent.privateKey),
    successor: decodeCertificate(recipient),
    entropy: realEntropy
  })
  await console.recoveries.approve(id, { share })
}

/** The whole of a recovery: asked for, approved by the first two agents, released, delivered. */
export async function recoverKey(
  server: TestServer,
  { officer, holders }: RecoveryParties,
  requestId: number,
  recipient: Uint8Array
): Promise<RecoveryPackage> {
  await using console = server.operate(officer)
  const wanted = { key: { request: requestId }, reason: 'The laptop is lost.', ticket: `T-${requestId}`, recipient }
  const { id } = await console.recoveries.request(wanted)
  for (const holder of holders.slice(0, 2)) await approveAs(server, holder, id)
  await console.recoveries.release(id)
  return console.recoveries.package(id)
}
