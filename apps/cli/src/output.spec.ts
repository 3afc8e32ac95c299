import { describe, expect, it } from 'vitest'
import { gridOf, rowsOf, tableOf } from './output.js'

describe('a table', () => {
  it('has a line for each fact, aligned, and leaves out what is absent', () => {
    expect(tableOf({ id: 17, status: 'issued', template: undefined, renewal: null })).toBe(
      'id      17\nstatus  issued\n'
    )
  })

  it('indents what is inside', () => {
    const table = tableOf({ key: { bits: 2048, curve: 'none' }, names: ['a', 'b'], rest: [], list: [{ a: 1, bb: 2 }] })
    expect(table.split('\n')).toEqual([
      'key',
      '  bits   2048',
      '  curve  none',
      'names',
      '  - a',
      '  - b',
      'rest   none',
      'list',
      '  - a   1',
      '    bb  2',
      ''
    ])
  })

  it('lets nothing reach the terminal as a control sequence', () => {
    expect(tableOf({ subject: 'CN=\u001b[2Jx\r\n', list: ['\u009b1m'] })).toBe(
      'subject  CN=\\x1b[2Jx\\x0d\\x0a\nlist\n  - \\x9b1m\n'
    )
  })
})

describe('a list of rows', () => {
  it('has a line of names and one for each row, aligned, and nothing when there is no row', () => {
    const rows = [
      { id: 7, state: 'pending', subject: 'CN=a\u001b' },
      { id: 12, state: 'denied', subject: '' }
    ]
    expect(gridOf(rows)).toBe('id  state    subject\n7   pending  CN=a\\x1b\n12  denied\n')
    expect(gridOf([])).toBe('')
  })
})

describe('objects as rows', () => {
  it('have every member that one of them has, and what is inside in one cell', () => {
    const at = new Date('2030-01-02T03:04:05Z')
    const rows = rowsOf([
      { id: 1, at, roles: ['a', 'b'], ca: null },
      { id: 2, ok: true, scope: { templates: ['x', 'y'], limit: 3 } }
    ])
    expect(gridOf(rows).split('\n')).toEqual([
      'id  at                        roles  ca  ok    scope',
      '1   2030-01-02T03:04:05.000Z  a, b',
      '2                                        true  templates x, y limit 3',
      ''
    ])
  })
})
