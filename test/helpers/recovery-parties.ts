import type { RecoveryPackage } from '@app/client'
import { approveAs, holdAgents, type AgentHolder } from './recoveries.js'
import type { TestPrincipal, TestServer } from './server.js'

/** Who takes part in recoveries. */
export interface RecoveryParties {
  readonly officer: TestPrincipal
  readonly holders: readonly AgentHolder[]
}

/** Gives a server an officer, and each of its recovery agents to a person of its own. */
export async function addRecoveryParties(server: TestServer): Promise<RecoveryParties> {
  return { officer: await server.addOperator('officer'), holders: await holdAgents(server) }
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
  for (const holder of holders.slice(0, 2)) await approveAs(server, id, holder)
  await console.recoveries.release(id)
  return console.recoveries.package(id)
}
