import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AUDIT_ACTIONS, isAuditAction, WINDOWS_EVENTS, windowsEventOf } from './audit-action.js'

describe('an audited action', () => {
  it('has the Windows event of the same deed, by the state that a request left where that decides', () => {
    expect(windowsEventOf('request.denied', 'pending')).toBe(4868)
    expect(windowsEventOf('request.denied', 'received')).toBe(4888)
    expect(windowsEventOf('request.approved', 'received')).toBeNull()
    expect(windowsEventOf('crl.published')).toBe(4872)
    expect(windowsEventOf('request.hidden')).toBeNull()
    expect(windowsEventOf('toString')).toBeNull()
  })

  it('has an event of the range that Windows audits certification services with, whose text is known', () => {
    const named = Object.values(AUDIT_ACTIONS).flatMap(event =>
      typeof event === 'object' && event !== null ? [...Object.values(event.from), event.otherwise] : [event]
    )
    const ids = named.filter(id => id !== null)
    expect(ids.filter(id => id < 4868 || id > 4900)).toEqual([])
    expect([...new Set(ids)].toSorted((a, b) => a - b)).toEqual(Object.keys(WINDOWS_EVENTS).map(Number))
  })

  it('is in the table also where a statement names it in SQL, which no compiler reads', () => {
    const root = join(import.meta.dirname, '../../..')
    const files = globSync(['libs/storage/src/*.ts', 'migrations/*.ts'], { cwd: root })
    const named = files.flatMap(file => {
      const inserts = readFileSync(join(root, file), 'utf8').split('INSERT INTO certkeep.audit_event').slice(1)
      return inserts.flatMap(text => /'([a-z_]+\.[a-z_]+)'/.exec(text.slice(0, 400))?.slice(1) ?? [])
    })
    expect(named.length).toBeGreaterThan(4)
    expect(named.filter(action => !isAuditAction(action))).toEqual([])
  })
})
