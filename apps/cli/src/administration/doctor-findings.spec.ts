import { describe, expect, it } from 'vitest'
import {
  auditFindings,
  backupFindings,
  databaseFindings,
  deliveryFindings,
  diskFindings,
  listenerFindings
} from './doctor-findings.js'

const now = new Date('2026-06-01T12:00:00Z')
const ago = (days: number): Date => new Date(now.getTime() - days * 86_400_000)
const seconds = (count: number): Date => new Date(now.getTime() + count * 1000)
const told = (findings: readonly { readonly check: string; readonly severity: string }[]): readonly string[] =>
  findings.map(({ check, severity }) => `${severity} ${check}`)
const gibibyte = 1024 ** 3

describe('what doctor says', () => {
  const sound = { version: 150_004, now, bytes: 1, connections: 10, maxConnections: 100, isLogKept: true }
  it.each([
    ['of a database that is as it should be', {}, []],
    ['of one that took a second to answer', { now: seconds(-1) }, []],
    ['of one that is too old', { version: 130_010 }, ['warning database-version']],
    ['of one whose clock is slow', { now: seconds(-20) }, ['warning clock-skew']],
    ['of one whose clock is far ahead', { now: seconds(400) }, ['error clock-skew']],
    ['of one that is crowded', { connections: 95 }, ['warning database-connections']]
  ])('%s', (_, changes, expected) => {
    expect(told(databaseFindings({ ...sound, ...changes }, seconds(-2), now))).toEqual(expected)
  })

  it.each([
    [2 * gibibyte, 100 * gibibyte, []],
    [gibibyte / 2, 2 * gibibyte, []],
    [gibibyte / 2, 100 * gibibyte, ['warning disk-space']],
    [1024, 100 * gibibyte, ['error disk-space']]
  ])('of a disk with %d of %d bytes free', (freeBytes, totalBytes, expected) => {
    expect(told(diskFindings({ freeBytes, totalBytes }))).toEqual(expected)
  })

  it('of what other servers do not take', () => {
    const counts = [
      { webhook: 'ticket', state: 'due', count: 3 },
      { webhook: 'ticket', state: 'failed', count: 2 }
    ]
    expect(told(deliveryFindings({ failing: 1 }, counts))).toEqual([
      'warning publications-failing',
      'warning webhook-failing'
    ])
    expect(deliveryFindings({ failing: 0 }, counts.slice(0, 1))).toEqual([])
  })

  it('of an audit log that nobody signs, while there is something to sign', () => {
    const checkpoint = { at: seconds(-700) } as never
    expect(told(auditFindings({ unlinked: 5, checkpoint }, 60, now))).toEqual(['error audit-behind'])
    expect(auditFindings({ unlinked: 0, checkpoint }, 60, now)).toEqual([])
    expect(auditFindings({ unlinked: 5, checkpoint: { at: seconds(-70) } as never }, 60, now)).toEqual([])
  })

  it('of the certificate of the listener', () => {
    expect(told(listenerFindings(ago(-13), now))).toEqual(['warning listener-certificate-expiring'])
    expect(told(listenerFindings(ago(1), now))).toEqual(['error listener-certificate-expired'])
    expect([...listenerFindings(undefined, now), ...listenerFindings(ago(-30), now)]).toEqual([])
  })

  it('of backups and verifications, once there could have been one', () => {
    const fresh = { madeAt: ago(1), backedUpAt: undefined, verifiedAt: undefined }
    expect(backupFindings(fresh, now)).toEqual([])
    const both = ['warning backup-age', 'warning audit-verification-age']
    expect(told(backupFindings({ ...fresh, madeAt: ago(40) }, now))).toEqual(both)
    expect(told(backupFindings({ madeAt: ago(400), backedUpAt: ago(8), verifiedAt: ago(31) }, now))).toEqual(both)
    expect(backupFindings({ madeAt: ago(400), backedUpAt: ago(6), verifiedAt: ago(29) }, now)).toEqual([])
  })
})
