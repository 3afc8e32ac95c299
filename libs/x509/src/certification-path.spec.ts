import { generateKeyPairSync } from 'node:crypto'
import { encodeContext, encodeInteger, encodePrimitiveContext, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import { freshKey, issueCertificate, makeCa, SAMPLE_NOW, type SampleCa } from '../../../test/helpers/enrollment-ca.js'
import { nameOf, toSampleKey } from '../../../test/helpers/x509-samples.js'
import type { Certificate } from './certificate.js'
import { findCertificationPath, type PathMaterial } from './certification-path.js'
import { encodeGeneralName, type GeneralName } from './general-name.js'
import { encodeSubjectAltName } from './identifier-extension.js'
import { encodeBasicConstraints, encodeExtendedKeyUsage } from './usage-extension.js'

const root = makeCa('CN=Root')
const key = freshKey()
const refused = expect.objectContaining({ code: 'chain_invalid' })
const basicConstraints = {
  oid: OID.id_ce_basicConstraints,
  critical: true,
  value: encodeBasicConstraints({ isCa: true })
}

function find(certificate: Certificate, material: Partial<PathMaterial> = {}): readonly Certificate[] {
  return findCertificationPath(certificate, {
    intermediates: [],
    trusted: [root.certificate],
    at: SAMPLE_NOW,
    ...material
  })
}

/** A CA below the root with subtrees, each the content octets of a name under its tag. */
function constrained(list: 'permitted' | 'excluded', ...subtrees: readonly Uint8Array[]): SampleCa {
  const caKey = freshKey()
  const value = encodeSequence(encodeContext(list === 'permitted' ? 0 : 1, ...subtrees.map(one => encodeSequence(one))))
  const extensions = [basicConstraints, { oid: OID.id_ce_nameConstraints, critical: true, value }]
  return { key: caKey, certificate: issueCertificate(root, caKey, { subject: nameOf('CN=Constrained'), extensions }) }
}

function text(tag: number, value: string): Uint8Array {
  return encodePrimitiveContext(tag, Buffer.from(value))
}

function named(ca: SampleCa, name: GeneralName, subject = 'CN=End'): Certificate {
  const altName = { oid: OID.id_ce_subjectAltName, critical: false, value: encodeSubjectAltName([name]) }
  return issueCertificate(ca, key, { subject: nameOf(subject), extensions: [altName] })
}

function isFound(ca: SampleCa, name: GeneralName, subject?: string): boolean {
  try {
    find(named(ca, name, subject), { intermediates: [ca.certificate] })
    return true
  } catch (error) {
    expect(error).toEqual(refused)
    return false
  }
}

const dns = (value: string): GeneralName => ({ kind: 'dNSName', value })
const mail = (value: string): GeneralName => ({ kind: 'rfc822Name', value })
const uri = (value: string): GeneralName => ({ kind: 'uri', value })
const ip = (...octets: readonly number[]): GeneralName => ({ kind: 'iPAddress', address: Buffer.from(octets) })
const directory = encodeContext(4, nameOf('O=Sample,C=DE'))

describe('a name below a CA that is constrained', () => {
  const net = encodePrimitiveContext(7, Buffer.from([10, 1, 0, 0, 255, 255, 0, 0]))
  it.each<readonly ['permitted' | 'excluded', string, Uint8Array, GeneralName, boolean]>([
    ['permitted', 'example.org', text(2, 'example.org'), dns('www.Example.org'), true],
    ['permitted', 'example.org', text(2, 'example.org'), dns('badexample.org'), false],
    ['permitted', 'a.example.org', text(2, 'a.example.org'), dns('*.example.org'), false],
    ['excluded', 'a.example.org', text(2, 'a.example.org'), dns('*.example.org'), false],
    ['excluded', 'a.b.example.org', text(2, 'a.b.example.org'), dns('*.example.org'), true],
    ['excluded', 'example.org', text(2, 'example.org'), dns('example.com'), true],
    ['permitted', 'no host at all', text(2, 'example.org'), mail('a@b'), true],
    ['permitted', 'a mailbox', text(1, 'a@example.org'), mail('a@EXAMPLE.org'), true],
    ['permitted', 'a mailbox', text(1, 'a@example.org'), mail('A@example.org'), false],
    ['permitted', 'a host of mailboxes', text(1, 'example.org'), mail('a@sub.example.org'), false],
    ['permitted', 'hosts below', text(1, '.example.org'), mail('a@sub.example.org'), true],
    ['permitted', 'a host of URIs', text(6, 'example.org'), uri('https://u@example.org:8443/x'), true],
    ['permitted', 'a host of URIs', text(6, 'example.org'), uri('https://example.org.evil.org/'), false],
    ['excluded', 'a host of URIs, by address', text(6, 'example.org'), uri('https://10.1.2.3/'), false],
    ['excluded', 'a host of URIs, without one', text(6, 'example.org'), uri('urn:x:y'), false],
    ['permitted', 'a network', net, ip(10, 1, 2, 3), true],
    ['permitted', 'a network', net, ip(10, 2, 2, 3), false],
    ['permitted', 'a network of the other family', net, ip(...Array.from({ length: 16 }, () => 10)), false],
    [
      'permitted',
      'names that cannot be compared',
      encodeGeneralName({ kind: 'registeredID', oid: '1.2.3' }),
      dns('a'),
      true
    ],
    [
      'excluded',
      'names that cannot be compared',
      encodeGeneralName({ kind: 'registeredID', oid: '1.2.3' }),
      { kind: 'registeredID', oid: '1.2.4' },
      false
    ]
  ])('%s %s, %o, %o: %s', (list, _what, subtree, name, expected) => {
    expect(isFound(constrained(list, subtree), name)).toBe(expected)
  })

  it('may be in the subject: a distinguished name, or a mailbox in it', () => {
    const within = constrained('permitted', directory)
    expect(isFound(within, dns('a'), 'CN=End,O=sAMPLE,C=DE')).toBe(true)
    expect(isFound(within, dns('a'), 'CN=End,C=DE')).toBe(false)
    expect(isFound(constrained('excluded', text(1, 'example.org')), dns('a'), 'E=a@example.org,CN=End')).toBe(false)
  })

  it.each([
    ['a host with a wildcard', text(2, '*.example.org')],
    ['a host with a leading period', text(2, '.example.org')],
    ['a mask that is no prefix', encodePrimitiveContext(7, Buffer.from([10, 0, 0, 0, 255, 0, 255, 0]))],
    ['a minimum', Buffer.concat([text(2, 'a'), encodePrimitiveContext(0, Buffer.of(1))])]
  ])('is refused whatever it is when the constraints have %s', (_what, subtree) => {
    expect(isFound(constrained('excluded', subtree), dns('www.example.net'))).toBe(false)
  })
})

describe('a path', () => {
  it('is refused for another purpose, for what is critical and not known, for a small RSA key', () => {
    const usage = { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.id_kp_clientAuth]) }
    const client = issueCertificate(root, key, { extensions: [usage] })
    expect(find(client, { purpose: OID.id_kp_clientAuth })).toHaveLength(2)
    expect(() => find(client, { purpose: OID.id_kp_serverAuth })).toThrow(refused)
    const unknown = { oid: '1.2.3', critical: true, value: encodeInteger(1) }
    expect(() => find(issueCertificate(root, key, { extensions: [unknown] }))).toThrow(refused)
    const small = toSampleKey(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
    const old = issueCertificate(root, small)
    expect(() => find(old)).toThrow(refused)
    expect(find(old, { allowLegacy: true })).toHaveLength(2)
  })

  it('is not looked for without end among CAs of one name, or that sign each other', () => {
    const others = Array.from({ length: 80 }, () => makeCa('CN=Same'))
    const [first, second] = others as [SampleCa, SampleCa]
    const crossed = others.flatMap(one => [
      issueCertificate(first, one.key, { subject: one.certificate.subject.raw, extensions: [basicConstraints] }),
      issueCertificate(one, second.key, { subject: one.certificate.subject.raw, extensions: [basicConstraints] })
    ])
    const start = process.cpuUsage()
    expect(() => find(issueCertificate(first, key), { intermediates: crossed })).toThrow(refused)
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1000).toBeLessThan(1000)
  })
})
