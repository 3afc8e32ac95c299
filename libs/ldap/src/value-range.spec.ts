import { expect, it } from 'vitest'
import { nextRangeOf, withoutRanges } from './value-range.js'

it('asks for the values of a long list range by range, and puts them together in their order', () => {
  const first = { dn: 'cn=all', cn: 'all', member: [], 'member;range=0-1': ['cn=a', 'cn=b'] }
  const second = { dn: 'cn=all', 'member;range=2-3': ['cn=c', 'cn=d'] }
  const last = { dn: 'cn=all', 'member;range=4-*': 'cn=e' }
  expect([first, second, last].map(nextRangeOf)).toEqual(['member;range=2-*', 'member;range=4-*', undefined])
  const { dn, attributes } = withoutRanges('cn=all', [first, second, last])
  expect(dn).toBe('cn=all')
  expect(attributes.map(({ name, values }) => [name, values.map(String)])).toEqual([
    ['cn', ['all']],
    ['member', ['cn=a', 'cn=b', 'cn=c', 'cn=d', 'cn=e']]
  ])
})

it('asks for no more when a server gives an empty range', () => {
  expect(nextRangeOf({ dn: 'cn=all', 'member;range=0-0': [] })).toBeUndefined()
})
