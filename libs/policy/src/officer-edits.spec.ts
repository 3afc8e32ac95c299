import { isAppError } from '@app/core'
import { OID } from '@app/oid'
import { builtInTemplates, ENROLLMENT_FLAG, isFlagSet, type CertificateTemplate } from '@app/templates'
import {
  encodeCertificatePolicies,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
  type Extension
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import { applyOfficerEdits, type OfficerEdit } from './index.js'

const now = new Date('2030-05-06T07:08:09Z')
const named = (name: string): CertificateTemplate => builtInTemplates().find(template => template.name === name)!
const webServer: CertificateTemplate = { ...named('WebServer'), issuancePolicies: ['1.2.3', '1.2.4'] }
const san = (...names: readonly string[]): Uint8Array =>
  encodeSubjectAltName(names.map(value => ({ kind: 'dNSName', value })))
const set = (oid: string, value: Uint8Array | undefined, critical = false): OfficerEdit => ({
  kind: 'extension',
  oid,
  value,
  critical
})
const attribute = (name: string, value: string): OfficerEdit => ({ kind: 'attribute', name, value })
const own: readonly Extension[] = [
  { oid: OID.id_ce_subjectAltName, critical: false, value: san('old.example.org') },
  { oid: '1.2.3.4', critical: false, value: Uint8Array.of(5, 0) }
]
const apply = (edits: readonly OfficerEdit[], template = webServer) =>
  applyOfficerEdits(template, { extensions: own }, edits, now)

describe("officers' edits", () => {
  it('leave template and request as they are when there are none', () => {
    expect(apply([])).toEqual({ template: webServer, extensions: own, attributes: [] })
  })

  it('replace the alternative names, the latest of several, and take them away', () => {
    const twice = apply([
      set(OID.id_ce_subjectAltName, san('one.example.org')),
      set(OID.id_ce_subjectAltName, san('two.example.org'), true)
    ])
    expect(twice.extensions.filter(({ oid }) => oid === OID.id_ce_subjectAltName)).toEqual([
      { oid: OID.id_ce_subjectAltName, critical: true, value: san('two.example.org') }
    ])
    expect(twice.template.criticalExtensions).toContain(OID.id_ce_subjectAltName)
    expect(apply([set(OID.id_ce_subjectAltName, undefined)]).extensions).toEqual([own[1]])
  })

  it('narrow what the template grants', () => {
    const template = { ...webServer, extendedKeyUsages: [OID.id_kp_serverAuth, OID.id_kp_clientAuth] }
    const edited = apply(
      [
        set(OID.id_ce_keyUsage, encodeKeyUsage(['digitalSignature']), true),
        set(OID.id_ce_extKeyUsage, encodeExtendedKeyUsage([OID.id_kp_serverAuth])),
        set(OID.id_ce_certificatePolicies, encodeCertificatePolicies(['1.2.4']))
      ],
      template
    ).template
    expect(edited).toMatchObject({
      keyUsage: ['digitalSignature'],
      extendedKeyUsages: [OID.id_kp_serverAuth],
      issuancePolicies: ['1.2.4']
    })
    expect(apply([set(OID.id_ce_certificatePolicies, undefined)]).template.issuancePolicies).toEqual([])
    const capable = { ...webServer, enrollmentFlags: ENROLLMENT_FLAG.INCLUDE_SYMMETRIC_ALGORITHMS }
    const { enrollmentFlags } = apply([set(OID.smimeCapabilities, undefined)], capable).template
    expect(isFlagSet(enrollmentFlags, ENROLLMENT_FLAG.INCLUDE_SYMMETRIC_ALGORITHMS)).toBe(false)
  })

  it('shorten the validity and never lengthen it', () => {
    const lasting = (...edits: OfficerEdit[]): number => apply(edits).template.validitySeconds
    expect(lasting(attribute('ValidityPeriod', 'Weeks'), attribute('Validity Period-Units', '2'))).toBe(14 * 86_400)
    expect(lasting(attribute('ValidityPeriod', 'years'), attribute('ValidityPeriodUnits', '90'))).toBe(
      webServer.validitySeconds
    )
    expect(lasting(attribute('ExpirationDate', 'Tue, 07 May 2030 07:08:09 GMT'))).toBe(86_400)
    expect(lasting(attribute('ValidityPeriod', 'Days'))).toBe(webServer.validitySeconds)
    const noted = apply([attribute('Ticket', '1'), attribute('ticket', '2')])
    expect(noted.attributes).toEqual([{ name: 'ticket', value: '2' }])
    expect(noted.template).toEqual(webServer)
  })

  it.each<[string, readonly OfficerEdit[], CertificateTemplate]>([
    ['an extension of the template', [set(OID.id_ce_basicConstraints, Uint8Array.of(0x30, 0))], webServer],
    ['an unknown extension', [set('1.2.3.4.5', Uint8Array.of(5, 0))], webServer],
    ["a directory's names", [set(OID.id_ce_subjectAltName, san('x.example.org'))], named('Computer')],
    ['a directory, taking its names away', [set(OID.id_ce_subjectAltName, undefined)], named('Computer')],
    ['a bit of key usage more', [set(OID.id_ce_keyUsage, encodeKeyUsage(['keyCertSign']))], webServer],
    ['no key usage', [set(OID.id_ce_keyUsage, undefined)], webServer],
    [
      'a purpose more, by the other extension',
      [set(OID.szOID_APPLICATION_CERT_POLICIES, encodeCertificatePolicies([OID.anyExtendedKeyUsage]))],
      webServer
    ],
    ['a policy more', [set(OID.id_ce_certificatePolicies, encodeCertificatePolicies(['1.2.4', '2.9.9']))], webServer],
    ['capabilities', [set(OID.smimeCapabilities, Uint8Array.of(0x30, 0))], webServer],
    ['a name that is none', [set(OID.id_ce_subjectAltName, san('no host'))], webServer],
    ['names by attribute', [attribute('SAN', 'dns=x')], webServer],
    ['purposes by attribute', [attribute('CertificateUsage', OID.id_kp_clientAuth)], webServer],
    ['a period that is none', [attribute('ValidityPeriod', 'Eons'), attribute('ValidityPeriodUnits', '1')], webServer],
    ['a date that is none', [attribute('ExpirationDate', 'soon')], webServer],
    ['a certificate for a moment', [attribute('ExpirationDate', now.toUTCString())], webServer]
  ])('do not set %s', (_what, edits, template) => {
    const refused = (): unknown => apply(edits, template)
    expect(refused).toThrow(expect.toSatisfy(error => isAppError(error) && error.code !== 'internal') as Error)
  })
})
