import { describe, expect, it } from 'vitest'
import { crlDue, crlTimes, type CrlSchedule, type CrlSituation, type PublishedCrl } from './crl-schedule.js'

const HOUR = 3_600_000
const start = new Date('2026-11-21T12:00:00.000Z')
const after = (milliseconds: number) => new Date(start.getTime() + milliseconds)

const schedule: CrlSchedule = {
  base: 168 * HOUR,
  baseOverlap: 24 * HOUR,
  delta: 24 * HOUR,
  deltaOverlap: 12 * HOUR,
  onRevocation: 'base',
  revocationDelay: 5000
}
const base: PublishedCrl = { number: 5, changes: 2, ...crlTimes('base', schedule, start) }
const delta: PublishedCrl = { number: 6, changes: 2, ...crlTimes('delta', schedule, after(1000), base) }
const settled: CrlSituation = { base, delta, lastChange: 2, ordered: 0 }

describe('the CRLs of a key', () => {
  const cases: readonly [string, CrlSituation, Partial<CrlSchedule>, number, 'base' | 'delta' | 'none'][] = [
    ['begin with a base', { lastChange: 0, ordered: 0 }, {}, 0, 'base'],
    ['go on with a delta, not in the same second', { base, lastChange: 2, ordered: 0 }, {}, 999, 'none'],
    ['go on with a delta a second later', { base, lastChange: 2, ordered: 0 }, {}, 1000, 'delta'],
    ['have no delta where there are none', { base, lastChange: 2, ordered: 0 }, { delta: 0 }, HOUR, 'none'],
    ['rest when nothing happens', settled, {}, HOUR, 'none'],
    ['have a delta each day', settled, {}, 24 * HOUR + 1000, 'delta'],
    ['have a base each week, though a delta is due too', settled, {}, 168 * HOUR, 'base'],
    ['have a base after a change', { ...settled, lastChange: 3 }, {}, 6000, 'base'],
    ['have it not before the delay', { ...settled, lastChange: 3 }, {}, 4999, 'none'],
    ['have a delta after a change instead', { ...settled, lastChange: 3 }, { onRevocation: 'delta' }, 6000, 'delta'],
    ['have nothing after a change', { ...settled, lastChange: 3 }, { onRevocation: 'none' }, 6000, 'none'],
    [
      'have a base after a change where no deltas are',
      { ...settled, lastChange: 3 },
      { onRevocation: 'delta', delta: 0 },
      6000,
      'base'
    ],
    ['have a base when one is ordered', { ...settled, ordered: 3 }, { onRevocation: 'none' }, 2000, 'base'],
    ['have a delta after each base', { ...settled, base: { ...base, number: 7 } }, {}, 2000, 'delta']
  ]
  it.each(cases)('%s', (_case, situation, changes, milliseconds, kind) => {
    const due = crlDue(situation, { ...schedule, ...changes }, after(milliseconds))
    expect(due.kind).toBe(kind)
    if (due.kind === 'none') expect(due.lookAt.getTime()).toBeGreaterThan(after(milliseconds).getTime())
  })

  it('are looked at again when the next is due', () => {
    const changed = crlDue({ ...settled, lastChange: 3 }, schedule, after(2000))
    expect(changed).toEqual({ kind: 'none', lookAt: after(5000) })
    expect(crlDue(settled, schedule, after(2000))).toEqual({ kind: 'none', lookAt: after(24 * HOUR + 1000) })
  })

  it('count whole seconds, and a delta ends with its base at the latest', () => {
    const times = crlTimes('base', schedule, after(1999))
    expect(times).toEqual({
      thisUpdate: after(1000),
      nextPublish: after(168 * HOUR + 1000),
      nextUpdate: after(192 * HOUR + 1000)
    })
    const late = crlTimes('delta', schedule, after(191 * HOUR), base)
    expect(late).toMatchObject({ nextPublish: base.nextUpdate, nextUpdate: base.nextUpdate })
  })
})
