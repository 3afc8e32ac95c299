import type { RecoveryAgent } from '../helpers/recovery-agent.js'
import { sealedKeyOf } from '../helpers/submission.js'
import type { TestServer } from '../helpers/server.js'
import { runOpenssl } from './programs.js'
import type { WorkDirectory } from './work-directory.js'

/** What an agent finds in the sealed key of a request, with OpenSSL and the agent's private key alone. */
export async function openSealedKeyWithOpenssl(
  server: TestServer,
  requestId: number,
  agent: RecoveryAgent | undefined,
  directory: WorkDirectory
): Promise<Buffer> {
  if (agent === undefined) throw new Error('The server has no such recovery agent.')
  const { sealed } = await sealedKeyOf(server, requestId)
  const key = await directory.putKey(`${agent.name}.key`, agent.privateKey)
  return runOpenssl(['cms', '-decrypt', '-binary', '-inform', 'DER', '-inkey', key], sealed)
}
