import { ARCHIVE_INVARIANTS } from './archive.js'
import { AUDIT_INVARIANTS } from './audit.js'
import { CERTIFICATE_INVARIANTS } from './certificates.js'
import type { Evidence, Invariant } from './invariant.js'
import { PROGRESS_INVARIANTS } from './progress.js'
import { REQUEST_INVARIANTS } from './requests.js'
import { REVOCATION_INVARIANTS } from './revocation.js'

/** What is broken, and by what. */
export interface Breach {
  readonly id: string
  readonly name: string
  readonly found: readonly string[]
}

/** All that is looked up in the database and the history. */
export const INVARIANTS: readonly Invariant[] = [
  ...REQUEST_INVARIANTS,
  ...CERTIFICATE_INVARIANTS,
  ...ARCHIVE_INVARIANTS,
  ...REVOCATION_INVARIANTS,
  ...AUDIT_INVARIANTS,
  ...PROGRESS_INVARIANTS
]

/** Holds every invariant against the evidence, and what the nemesis saw besides. */
export async function findBreaches(
  evidence: Evidence,
  invariants: readonly Invariant[] = INVARIANTS
): Promise<readonly Breach[]> {
  const breaches: Breach[] = []
  for (const { id, name, find } of invariants) {
    const found = await find(evidence)
    if (found.length > 0) breaches.push({ id, name, found })
  }
  const seen = evidence.history
    .of('breach')
    .map(({ invariant, what }) => ({ id: invariant, name: 'seen', found: [what] }))
  return [...breaches, ...seen]
}
