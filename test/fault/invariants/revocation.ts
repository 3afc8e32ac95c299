import { toHex } from '@app/core'
import { decodeCrl } from '@app/x509'
import { sqlInvariant, type Evidence, type Invariant } from './invariant.js'

/** I9: who is revoked is on every later CRL, and later CRLs have higher numbers. */
export const REVOCATION_INVARIANTS: readonly Invariant[] = [
  { id: 'I9', name: 'the newest CRL has everything that it says it knows of', find: findMissing },
  { id: 'I9', name: 'a revocation that was answered is on the newest CRL', find: findUnlisted },
  { id: 'I9', name: 'who is on a CRL is on every later one', find: findForgotten },
  { id: 'I9', name: 'the numbers of the CRLs that a front hands out rise', find: findFallingNumbers },
  sqlInvariant(
    'I9',
    'a CRL has a higher number and knows of no less than one that began before it',
    `SELECT one.number, other.number AS later FROM certkeep.crl AS one JOIN certkeep.crl AS other
       ON other.ca_id = one.ca_id AND other.key_index = one.key_index AND other.number > one.number
     WHERE other.changes < one.changes`
  )
]

/** The newest base CRL, with the last change of a status that it knows of. */
async function newestBase({
  sql
}: Evidence): Promise<{ readonly changes: number; readonly serials: ReadonlySet<string> }> {
  const [row] = await sql<{ changes: string; crl: Buffer }>(
    `SELECT changes, crl FROM certkeep.crl WHERE kind = 'base' AND crl IS NOT NULL ORDER BY number DESC LIMIT 1`
  )
  if (row === undefined) return { changes: 0, serials: new Set() }
  const serials = decodeCrl(row.crl).entries.map(({ serialNumber }) => toHex(serialNumber))
  return { changes: Number(row.changes), serials: new Set(serials) }
}

async function findMissing(evidence: Evidence): Promise<readonly string[]> {
  const { changes, serials } = await newestBase(evidence)
  const rows = await evidence.sql<{ serial: string }>(
    `SELECT encode(serial_number, 'hex') AS serial FROM certkeep.certificate
     WHERE status_change <= $1 AND (revoked_at IS NOT NULL OR state = 'abandoned') AND not_after > now()`,
    [changes]
  )
  return rows.flatMap(({ serial }) => (serials.has(serial) ? [] : [`${serial} is revoked and not on the newest CRL.`]))
}

async function findUnlisted(evidence: Evidence): Promise<readonly string[]> {
  const { serials } = await newestBase(evidence)
  return evidence.history
    .of('revoke')
    .flatMap(({ serial }) => (serials.has(serial) ? [] : [`${serial} was revoked and is not on the newest CRL.`]))
}

function findForgotten({ history }: Evidence): Promise<readonly string[]> {
  const crls = history.of('crl').toSorted((one, other) => one.number - other.number)
  const forgotten: string[] = []
  let before: (typeof crls)[number] | undefined
  for (const crl of crls) {
    const listed = new Set(crl.serials)
    for (const serial of before?.serials ?? []) {
      if (!listed.has(serial)) forgotten.push(`${serial} is on CRL ${before?.number} and not on CRL ${crl.number}.`)
    }
    before = crl
  }
  return Promise.resolve(forgotten)
}

function findFallingNumbers({ history }: Evidence): Promise<readonly string[]> {
  const newest = new Map<string, number>()
  return Promise.resolve(
    history.of('crl').flatMap(({ front, number }) => {
      const before = newest.get(front) ?? 0
      newest.set(front, number)
      return number > before ? [] : [`${front} handed out CRL ${number} after CRL ${before}.`]
    })
  )
}
