import { DerReader, encodeOid } from '@app/der'
import type { KeyUsage } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { builtInTemplates, isArchivalRequired, isPendingAlways, keyUsageFor } from './index.js'

describe('the built-in templates', () => {
  it('have the identifiers they have had since the first version', () => {
    expect(Object.fromEntries(builtInTemplates().map(({ name, oid }) => [name, oid]))).toEqual({
      UserEncryption: '2.25.157084424993308739472182454470988279809',
      UserSignature: '2.25.258296273703042627684002669565544427802',
      WebServer: '2.25.128739000440949695226161724307859048423',
      Computer: '2.25.71043763956403138937922946231553200532',
      CAExchange: '2.25.216075074091006092490115487096076428369',
      KeyRecoveryAgent: '2.25.186182656819226968946479251508656078498',
      OCSPResponseSigning: '2.25.287461626130644909978889509952069358799',
      Operator: '2.25.259289342819583758334573192915645140583'
    })
  })

  it.each(builtInTemplates())('$name has an identifier that is a random UUID and survives DER', ({ oid }) => {
    const uuid = BigInt(oid.slice('2.25.'.length)).toString(16).padStart(32, '0')
    expect(uuid).toMatch(/^.{12}4.{3}[89ab].{15}$/)
    expect(DerReader.over(encodeOid(oid)).oid('template')).toBe(oid)
  })

  it('archive the encryption key of a user and no other', () => {
    expect(
      builtInTemplates()
        .filter(isArchivalRequired)
        .map(({ name }) => name)
    ).toEqual(['UserEncryption'])
  })

  it('keep the exchange, recovery and responder templates from the network', () => {
    const closed = builtInTemplates().filter(({ enroll }) => enroll.length === 0)
    expect(closed.map(({ name }) => name)).toEqual(['CAExchange', 'KeyRecoveryAgent', 'OCSPResponseSigning'])
  })

  it('let an officer look at names that the requester supplies', () => {
    expect(
      builtInTemplates()
        .filter(isPendingAlways)
        .map(({ name }) => name)
    ).toEqual(['WebServer', 'KeyRecoveryAgent'])
  })
})

describe('the key usage of a certificate', () => {
  const [encryption] = builtInTemplates()
  it.each<['rsa' | 'ec' | 'ed25519', KeyUsage[], KeyUsage[]]>([
    ['rsa', ['keyEncipherment', 'keyAgreement'], ['keyEncipherment']],
    ['ec', ['keyEncipherment', 'keyAgreement'], ['keyAgreement']],
    ['ed25519', ['keyEncipherment', 'keyAgreement'], []],
    ['ed25519', ['digitalSignature', 'keyEncipherment'], ['digitalSignature']],
    ['ec', ['keyEncipherment', 'encipherOnly'], []],
    ['ec', ['keyAgreement', 'encipherOnly'], ['keyAgreement', 'encipherOnly']],
    ['rsa', ['digitalSignature', 'nonRepudiation'], ['digitalSignature', 'nonRepudiation']]
  ])('leaves a key of kind %s of %j only %j', (algorithm, keyUsage, left) => {
    expect(keyUsageFor({ ...encryption!, keyUsage }, algorithm)).toEqual(left)
  })
})
