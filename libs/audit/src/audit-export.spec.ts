import { describe, expect, it } from 'vitest'
import { exportHeading, exportLine, type EventToExport } from './audit-export.js'

const event: EventToExport = {
  seq: '7',
  at: '2026-11-21T12:00:00.000001Z',
  actor: '=EXAMPLE\\"x"',
  action: 'request.denied',
  objectType: 'request',
  objectId: '3',
  outcome: 'denied',
  detail: '{"to": "denied", "from": "pending", "count": 12345678901234567890}',
  position: 5,
  hash: Buffer.alloc(32, 1)
}

describe('an exported event', () => {
  it('is a line of JSON that has the detail as it was hashed', () => {
    const line = exportLine(event, 'jsonl')
    expect(JSON.parse(line)).toMatchObject({ seq: 7, actor: event.actor, windowsEvent: 4868, position: 5 })
    expect(line).toContain(`"detail":${event.detail}}`)
    expect(line.split('\n')).toHaveLength(2)
  })

  it('is a line of CSV in which no text is a formula', () => {
    expect(exportHeading('csv').split(',')).toHaveLength(11)
    expect(exportLine({ ...event, detail: '{}', position: null, hash: null }, 'csv')).toBe(
      `"7","2026-11-21T12:00:00.000001Z","'=EXAMPLE\\""x""","request.denied","request","3","denied",4888,"{}",,\r\n`
    )
  })
})
