import { describe, expect, it } from 'vitest'
import { operationFindings, type OperationFacts } from './operation-findings.js'

const now = new Date('2026-06-01T12:00:00Z')
const after = (days: number): Date => new Date(now.getTime() + days * 86_400_000)
const sound: OperationFacts = {
  requests: [
    { state: 'received', count: 0, oldest: null },
    { state: 'pending', count: 4, oldest: after(-30) },
    { state: 'sealed', count: 1, oldest: after(-0.001) }
  ],
  crls: [{ ca: 'CA', keyIndex: 0, nextUpdate: after(3), nextPublish: after(2) }],
  certificates: [
    { kind: 'ca', name: 'CA', notAfter: after(1000) },
    { kind: 'exchange', name: 'CA', notAfter: after(6) },
    { kind: 'agent', name: 'Agent', notAfter: after(400) }
  ]
}
const checks = (changes: Partial<OperationFacts>): readonly string[] =>
  operationFindings({ ...sound, ...changes }, now).map(({ check, severity }) => `${severity} ${check}`)

describe('the findings about an installation', () => {
  it('are none while all goes as it should, however long requests wait for people', () => {
    expect(checks({})).toEqual([])
  })

  it.each([
    ['error requests-stuck', { requests: [{ state: 'approved', count: 1, oldest: after(-0.01) }] }],
    ['warning crl-missing', { crls: [{ ca: 'CA', keyIndex: 0, nextUpdate: null, nextPublish: null }] }],
    ['warning crl-late', { crls: [{ ca: 'CA', keyIndex: 0, nextUpdate: after(1), nextPublish: after(-1) }] }],
    ['error crl-expired', { crls: [{ ca: 'CA', keyIndex: 1, nextUpdate: after(0), nextPublish: after(-1) }] }],
    ['warning ca-certificate-expiring', { certificates: [{ kind: 'ca', name: 'CA', notAfter: after(179) }] }],
    ['error ca-certificate-expired', { certificates: [{ kind: 'ca', name: 'CA', notAfter: after(-1) }] }],
    ['warning exchange-certificate-expiring', { certificates: [{ kind: 'exchange', name: 'CA', notAfter: after(2) }] }],
    ['warning agent-certificate-expiring', { certificates: [{ kind: 'agent', name: 'A', notAfter: after(89) }] }]
  ] as const)('tell of %s', (expected, changes) => {
    expect(checks(changes)).toEqual([expected])
  })
})
