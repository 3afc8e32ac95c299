/** When CRLs are published; all times in milliseconds. */
export interface CrlSchedule {
  /** From one base to the next. */
  readonly base: number
  /** How long a base stays valid after the next one is due. */
  readonly baseOverlap: number
  /** From one delta to the next; 0 when there are none. */
  readonly delta: number
  readonly deltaOverlap: number
  /** What a change of a status brings about beside the regular publication. */
  readonly onRevocation: 'base' | 'delta' | 'none'
  /** The least time from a CRL to the next one that a change brings about. */
  readonly revocationDelay: number
}

/** What of a published CRL decides on the next. */
export interface PublishedCrl {
  readonly number: number
  /** The last change of a status that it knows of. */
  readonly changes: number
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly nextPublish: Date
}

/** How things stand with the CRLs of one key of a CA. */
export interface CrlSituation {
  readonly base?: PublishedCrl
  readonly delta?: PublishedCrl
  /** The last change of a status of the key's certificates. */
  readonly lastChange: number
  /** The change that an ordered CRL must know of; 0 when none was ordered. */
  readonly ordered: number
}

/** What is to be published now; else when to look again. */
export type CrlDue = { readonly kind: 'base' | 'delta' } | { readonly kind: 'none'; readonly lookAt: Date }

/**
 * What is due for a key of a CA: a base when there is none, when the last one's time has come, when one was ordered, and
 * after a change when changes bring about a base; a delta likewise, and after each base, since who has the new base must
 * not use an older delta (RFC 5280, 5.2.4). Two CRLs never have the same thisUpdate, which counts whole seconds, because
 * then they would have to have the same number (RFC 5280, 5.2.3).
 */
export function crlDue(situation: CrlSituation, schedule: CrlSchedule, now: Date): CrlDue {
  const { base, delta } = situation
  if (base === undefined) return { kind: 'base' }
  const newest = Math.max(base.thisUpdate.getTime(), delta?.thisUpdate.getTime() ?? 0)
  const earliest = newest + 1000
  const at = now.getTime()
  const baseAt = Math.max(earliest, baseDueAt(base, situation, schedule))
  if (baseAt <= at) return { kind: 'base' }
  const deltaAt = Math.max(earliest, deltaDueAt(base, situation, schedule))
  if (deltaAt <= at) return { kind: 'delta' }
  return { kind: 'none', lookAt: new Date(Math.min(baseAt, deltaAt)) }
}

function baseDueAt(base: PublishedCrl, { lastChange, ordered }: CrlSituation, schedule: CrlSchedule): number {
  if (ordered > base.changes) return 0
  const regular = base.nextPublish.getTime()
  const bringsBase = schedule.onRevocation === 'base' || (schedule.onRevocation === 'delta' && schedule.delta === 0)
  if (!bringsBase || lastChange <= base.changes) return regular
  return Math.min(regular, base.thisUpdate.getTime() + schedule.revocationDelay)
}

function deltaDueAt(base: PublishedCrl, situation: CrlSituation, schedule: CrlSchedule): number {
  if (schedule.delta === 0) return Infinity
  const { delta, lastChange } = situation
  if (delta === undefined || delta.number < base.number) return 0
  const regular = delta.nextPublish.getTime()
  if (schedule.onRevocation !== 'delta' || lastChange <= delta.changes) return regular
  return Math.min(regular, delta.thisUpdate.getTime() + schedule.revocationDelay)
}

/** The times of a CRL that is published at `now`. A delta ends with the newest base at the latest. */
export function crlTimes(
  kind: 'base' | 'delta',
  schedule: CrlSchedule,
  now: Date,
  base?: Pick<PublishedCrl, 'nextUpdate'>
): Pick<PublishedCrl, 'thisUpdate' | 'nextUpdate' | 'nextPublish'> {
  const from = Math.floor(now.getTime() / 1000) * 1000
  const period = kind === 'base' ? schedule.base : schedule.delta
  const overlap = kind === 'base' ? schedule.baseOverlap : schedule.deltaOverlap
  const end = Math.min(from + period + overlap, base?.nextUpdate.getTime() ?? Infinity)
  return {
    thisUpdate: new Date(from),
    nextPublish: new Date(Math.min(from + period, end)),
    nextUpdate: new Date(Math.max(end, from + 1000))
  }
}
