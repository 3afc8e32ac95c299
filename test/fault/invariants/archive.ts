import { getAgentPart, keyBlobToPkcs8, openWithShares, transferPart } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { decodeCertificate } from '@app/x509'
import { createPrivateKey } from 'node:crypto'
import { freshEntropy } from '../../helpers/escrow-samples.js'
import type { RecoveryAgent } from '../../helpers/recovery-agent.js'
import { brokenRecoveries } from '../../helpers/recoveries.js'
import { publicHalf } from '../clients.js'
import { sqlInvariant, type Evidence, type Invariant } from './invariant.js'

/** I5, I6 and I8: archived keys are there, are the right ones, and left as they should. */
export const ARCHIVE_INVARIANTS: readonly Invariant[] = [
  sqlInvariant(
    'I5',
    'a certificate of an archival template has a sealed key',
    `SELECT c.request_id FROM certkeep.certificate AS c JOIN certkeep.request AS r ON r.id = c.request_id
     LEFT JOIN certkeep.sealed_key AS k ON k.request_id = c.request_id
     WHERE c.state = 'issued' AND r.archival AND (k.request_id IS NULL OR c.sealed_key_request_id IS NULL)`
  ),
  { id: 'I5', name: 'agents open the sealed key, and it is that of the certificate', find: findWrongKeys },
  sqlInvariant(
    'I6',
    'a sealed key without a certificate is of a request in flight or one that failed',
    `SELECT k.request_id, r.state FROM certkeep.sealed_key AS k JOIN certkeep.request AS r ON r.id = k.request_id
     WHERE r.state NOT IN ('sealed', 'failed') AND NOT EXISTS (
       SELECT FROM certkeep.certificate AS c WHERE c.request_id = k.request_id AND c.state = 'issued')`
  ),
  sqlInvariant(
    'I6',
    'what a client sent is kept until it is sealed or the request is refused for good, and no longer',
    `SELECT e.request_id, r.state FROM certkeep.archived_key_envelope AS e
     JOIN certkeep.request AS r ON r.id = e.request_id
     WHERE r.state NOT IN ('received', 'pending', 'approved', 'denied', 'failed')`
  ),
  { id: 'I8', name: 'a recovery is released once, after enough approvals', find: findUnapprovedReleases },
  { id: 'I8', name: 'what is handed out of a recovery is the same and opens', find: findWrongPackages }
]

async function findWrongKeys({ sql, agents }: Evidence): Promise<readonly string[]> {
  const rows = await sql<{ id: number; sealed: Buffer; certificate: Buffer }>(
    `SELECT c.request_id AS id, k.sealed, c.certificate FROM certkeep.certificate AS c
     JOIN certkeep.sealed_key AS k ON k.request_id = c.sealed_key_request_id
     WHERE c.state = 'issued' AND k.sealed IS NOT NULL ORDER BY c.request_id`
  )
  const wrong: string[] = []
  for (const [index, { id, sealed, certificate }] of rows.entries()) {
    // Each pair of agents has its turn.
    const pair = agents.filter((_, place) => place !== index % agents.length)
    const opened = await openedBy(pair, sealed).catch((error: unknown) => String(error))
    const wanted = Buffer.from(decodeCertificate(certificate).publicKey.raw).toString('hex')
    if (opened !== wanted) wrong.push(`The sealed key of request ${id} is not that of its certificate: ${opened}`)
  }
  return wrong
}

/** The public half of the key that these agents open together. */
async function openedBy(agents: readonly RecoveryAgent[], sealed: Uint8Array): Promise<string> {
  const [first] = agents
  if (first === undefined) throw new Error('There are no agents.')
  const transferred = await Promise.all(
    agents.map(agent =>
      transferPart({
        held: getAgentPart(sealed, agent.certificate),
        decrypter: decrypterOf(agent.privateKey),
        successor: first.certificate,
        entropy: freshEntropy
      })
    )
  )
  return openWithShares({
    sealed,
    transferred,
    decrypter: decrypterOf(first.privateKey),
    use: ({ plaintext }) =>
      publicHalf(createPrivateKey({ key: Buffer.from(keyBlobToPkcs8(plaintext)), format: 'der', type: 'pkcs8' }))
  })
}

async function findUnapprovedReleases({ sql, history }: Evidence): Promise<readonly string[]> {
  const broken = await brokenRecoveries({ sql })
  const rows = await sql<{ id: number }>(`SELECT id FROM certkeep.recovery WHERE state = 'released'`)
  const released = new Set(rows.map(({ id }) => id))
  return [
    ...Object.entries(broken).map(([name, found]) => `${name}: ${JSON.stringify(found)}`),
    ...history
      .of('package')
      .filter(({ recoveryId }) => !released.has(recoveryId))
      .map(({ recoveryId }) => `Recovery ${recoveryId} was handed out, and is not released.`)
  ]
}

function findWrongPackages({ history }: Evidence): Promise<readonly string[]> {
  const first = new Map<number, string>()
  const changed = history.of('package').flatMap(({ recoveryId, digest }) => {
    const before = first.get(recoveryId) ?? digest
    first.set(recoveryId, before)
    return before === digest ? [] : [`Recovery ${recoveryId} was handed out in two forms.`]
  })
  const wrong = history
    .of('recovered')
    .filter(({ isSame }) => !isSame)
    .map(({ recoveryId }) => `Recovery ${recoveryId} gave another key than the one that was archived.`)
  return Promise.resolve([...changed, ...wrong])
}
