import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { fromBase64 } from '@app/core'
import { DerReader, encodeOctetString } from '@app/der'
import { signerOf } from '@app/keys'
import { OID } from '@app/oid'
import { decide, type Requester } from '@app/policy'
import { builtInTemplates, SUBJECT_NAME_FLAG as FLAG, type CertificateTemplate } from '@app/templates'
import {
  decodeCertificate,
  decodeName,
  decodePublicKey,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeName,
  encodeSecurityIdentifier,
  encodeSubjectAltName,
  parseDistinguishedName,
  type Extension,
  type GeneralName,
  type Name
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  certificatePreview,
  issue,
  newSerialNumber,
  prepareCertificate,
  prepareRootCertificate,
  previewCertificate,
  type CertificatePreview,
  type Issuer,
  type PreviewField,
  type PreviewInput,
  type PreviewRequest
} from './index.js'

const entropy = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }
const now = new Date('2030-05-06T07:08:09.500Z')
const DAY = 86_400

const spki = (key: KeyObject) => decodePublicKey(key.export({ format: 'der', type: 'spki' }))
const nameOf = (text: string): Name => decodeName(DerReader.over(encodeName(parseDistinguishedName(text))), 'name')
const rsaKey = spki(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)
const signer = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)

const rootLasting = async (days: number): Promise<Issuer> => ({
  certificate: decodeCertificate(
    await issue(
      prepareRootCertificate({
        subject: nameOf('CN=Example CA').raw,
        publicKey: signer.publicKey,
        scheme: signer.scheme,
        version: { certificateIndex: 0, keyIndex: 0 },
        serialNumber: newSerialNumber(entropy),
        now,
        validitySeconds: days * DAY
      }),
      signer
    )
  ),
  scheme: signer.scheme,
  crlUrls: ['http://pki.example/ca.crl'],
  caIssuersUrls: ['http://pki.example/ca.cer'],
  ocspUrls: []
})
const issuer = await rootLasting(3650)

const alice: Requester = {
  id: '0b6f9f3e-6c9e-4c62-9d0c-0d6f0e2f6b11',
  kind: 'user',
  sid: 'S-1-5-21-1-2-3-1104',
  accountName: 'alice',
  domain: 'EXAMPLE',
  distinguishedName: 'CN=Alice,OU=Staff,DC=corp,DC=example',
  upn: 'alice@corp.example',
  mail: 'alice@corp.example',
  groups: ['Domain Users']
}

const extension = (oid: string, value: Uint8Array, critical = false): Extension => ({ oid, critical, value })
const san = (...names: GeneralName[]): Extension => extension(OID.id_ce_subjectAltName, encodeSubjectAltName(names))
const template = (name: string): CertificateTemplate => builtInTemplates().find(known => known.name === name)!

const plain: PreviewRequest = {
  subject: undefined,
  extensions: [],
  publicKey: rsaKey,
  attributes: [],
  registrationInfo: [],
  requestAttributes: []
}
const inputOf = (request: Partial<PreviewRequest>, change: Partial<PreviewInput> = {}): PreviewInput => ({
  template: template('UserSignature'),
  requester: alice,
  request: { ...plain, ...request },
  issuer,
  now,
  ...change
})
/** Through its schema, as it goes over the wire. */
const preview = (request: Partial<PreviewRequest>, change: Partial<PreviewInput> = {}): CertificatePreview =>
  certificatePreview.parse(JSON.parse(JSON.stringify(previewCertificate(inputOf(request, change)))))
const rows = (shown: CertificatePreview, field: PreviewField['field']): PreviewField[] =>
  shown.fields.filter(row => row.field === field)

describe('the preview of a certificate', () => {
  it('shows the very bytes that would be signed, but for the serial number', () => {
    const request = { subject: nameOf('CN=Somebody,C=DE') }
    const tbs = fromBase64(preview(request).tbsCertificate!)!
    const serialNumber = new Uint8Array(19).fill(0x40)
    const order = { template: template('UserSignature'), requester: alice, issuer, serialNumber, now }
    expect(Buffer.from(tbs)).toEqual(
      Buffer.from(prepareCertificate({ ...order, request: { ...plain, ...request } }).tbs)
    )
  })

  it("sets the directory's names beside those asked for, and says that the template has it so", () => {
    const shown = preview({
      subject: nameOf('CN=Domain Admin,OU=Staff'),
      extensions: [san({ kind: 'dNSName', value: 'dc1.corp.example' })]
    })
    const reason = 'The template takes the subject from the directory.'
    expect(rows(shown, 'subject')).toEqual([
      { field: 'subject', name: 'OU', requested: 'Staff', change: 'dropped', reason },
      { field: 'subject', name: 'CN', requested: 'Domain Admin', issued: 'Alice', change: 'changed', reason }
    ])
    expect(
      rows(shown, 'subjectAltName').map(({ name, requested, issued, change }) => [name, requested, issued, change])
    ).toEqual([
      ['dNSName', 'dc1.corp.example', undefined, 'dropped'],
      ['otherName szOID_NT_PRINCIPAL_NAME', undefined, 'alice@corp.example', 'added'],
      ['rfc822Name', undefined, 'alice@corp.example', 'added']
    ])
  })

  it('tells of everything hostile in a request that it is not taken, and why', () => {
    const shown = preview(
      {
        subject: nameOf('E=ceo@example.org,CN=www.example.org'),
        extensions: [
          extension(OID.id_ce_basicConstraints, encodeBasicConstraints({ isCa: true }), true),
          extension(OID.id_ce_keyUsage, encodeKeyUsage(['keyCertSign', 'cRLSign']), true),
          extension(OID.id_ce_extKeyUsage, encodeExtendedKeyUsage([OID.anyExtendedKeyUsage])),
          extension(OID.szOID_NTDS_CA_SECURITY_EXT, encodeSecurityIdentifier('S-1-5-21-1-2-3-500')),
          extension(OID.id_ce_authorityKeyIdentifier, encodeAuthorityKeyIdentifier(new Uint8Array(20))),
          extension('1.2.3.4', encodeOctetString(Uint8Array.of(1))),
          san(
            { kind: 'dNSName', value: 'www.example.org' },
            { kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: Uint8Array.of(0x0c, 1, 0x61) },
            { kind: 'directoryName', name: nameOf('CN=root') }
          )
        ],
        requestAttributes: [
          { name: 'CertificateTemplate', value: 'WebServer' },
          { name: 'SAN', value: 'upn=admin@corp.example' }
        ]
      },
      { template: template('WebServer') }
    )
    expect(shown.verdict).toBe('issue')
    const told = shown.fields
      .filter(({ requested }) => requested !== undefined)
      .map(({ name, change, reason }) => [name, change, reason])
    expect(told).toMatchInlineSnapshot(`
      [
        [
          "CN",
          "same",
          "The template takes the subject from the request.",
        ],
        [
          "E",
          "dropped",
          "A mail address is no part of a subject; its place is the alternative name (RFC 5280, 4.1.2.6).",
        ],
        [
          "dNSName",
          "same",
          "The template takes the alternative names from the request.",
        ],
        [
          "otherName szOID_NT_PRINCIPAL_NAME",
          "dropped",
          "Certificates of the template do not log on, so a user principal name has no place in them.",
        ],
        [
          "directoryName",
          "dropped",
          "Alternative names of this form are not taken from requests.",
        ],
        [
          "publicKey",
          "same",
          "The certificate is for the key whose possession the request proves.",
        ],
        [
          "id_ce_keyUsage",
          "changed",
          "The template grants digitalSignature, keyEncipherment; a key of the kind rsa is able to do digitalSignature, keyEncipherment of it.",
        ],
        [
          "id_ce_extKeyUsage",
          "changed",
          "The purposes are those of the template.",
        ],
        [
          "id_ce_authorityKeyIdentifier",
          "changed",
          "It names the CA's key, as the CA certificate does; a request has no say in it.",
        ],
        [
          "id_ce_basicConstraints",
          "dropped",
          "The template makes certificates of end entities, without basic constraints; no request makes one a CA.",
        ],
        [
          "szOID_NTDS_CA_SECURITY_EXT",
          "dropped",
          "Certificates of the template do not log on, so they have no security identifier.",
        ],
        [
          "1.2.3.4",
          "dropped",
          "No rule puts this extension into a certificate, and none is taken from a request.",
        ],
        [
          "CertificateTemplate",
          "dropped",
          "It names the template.",
        ],
        [
          "SAN",
          "dropped",
          "Alternative names are taken from no attribute; they come from where the template says.",
        ],
      ]
    `)
  })

  it('gives in place of the bytes the reason for which there would be none', () => {
    const lacking = preview({ subject: nameOf('CN=x') }, { requester: { ...alice, mail: '' } })
    expect(lacking).toMatchObject({ verdict: 'refuse', refusal: { code: 'subject_email_missing' } })
    expect(lacking.tbsCertificate).toBeUndefined()
    expect(rows(lacking, 'subject')).toEqual([
      { field: 'subject', name: 'CN', requested: 'x', change: 'dropped', reason: 'There would be no certificate.' }
    ])
    const expired = preview({}, { now: new Date('2050-01-01T00:00:00Z') })
    expect(expired).toMatchObject({ verdict: 'refuse', refusal: { code: 'ca_certificate_invalid' } })
    const unreadable = preview(
      { subject: nameOf('CN=x'), extensions: [extension(OID.id_ce_subjectAltName, Uint8Array.of(0x30, 0))] },
      { template: template('WebServer') }
    )
    expect(unreadable).toMatchObject({ verdict: 'refuse', refusal: { code: 'x509_structure' } })
    expect(rows(unreadable, 'subjectAltName')).toMatchObject([{ name: 'unreadable', requested: '3000' }])
  })

  it('shows the findings of both linters with a certificate that one of them stops', () => {
    // A blank organization passes the encoder and not the linter.
    const named = {
      subject: nameOf('CN=www.example.org,O=\\ '),
      extensions: [san({ kind: 'dNSName', value: 'a.example' })]
    }
    const shown = preview(named, { template: template('WebServer') })
    expect(shown).toMatchObject({ verdict: 'refuse', refusal: { code: 'lint_failed' } })
    expect(shown.certificateFindings.filter(({ severity }) => severity === 'error')).toMatchObject([
      { id: 'name-value' }
    ])
    expect(rows(shown, 'subject').map(({ issued }) => issued)).toContain('www.example.org')
    const unsafe = {
      ...template('UserSignature'),
      extendedKeyUsages: [OID.id_kp_clientAuth],
      subjectNameFlags: FLAG.ENROLLEE_SUPPLIES_SUBJECT
    }
    const stopped = preview({ subject: nameOf('CN=x') }, { template: unsafe })
    expect(stopped).toMatchObject({ verdict: 'refuse', refusal: { code: 'template_unsafe' } })
    expect(stopped.templateFindings).toMatchObject([{ rule: 'ESC1' }])
  })

  it('shows a denial of the policy as the refusal, with what the certificate would have been', () => {
    const decision = decide({
      request: { ...plain, template: { names: ['UserSignature'] }, proof: { digest: 'sha256' } },
      hasArchivedKey: false,
      requester: { ...alice, groups: [] },
      offered: [template('UserSignature')],
      ca: { name: 'Example CA', notAfter: issuer.certificate.notAfter },
      now
    })
    const shown = preview({}, { decision })
    expect(shown).toMatchObject({ verdict: 'refuse', refusal: { code: 'template_denied' } })
    expect(rows(shown, 'subject')).toMatchObject([{ name: 'CN', issued: 'Alice' }])
  })

  it('says when the CA certificate ends before the template would have it', async () => {
    const long = rows(preview({}), 'validity')
    expect(long.map(({ issued }) => issued)).toEqual(['2030-05-06T06:58:09.000Z', '2031-05-06T07:08:09.000Z'])
    const short = rows(preview({}, { issuer: await rootLasting(30) }), 'validity')
    expect(short[1]).toMatchObject({ name: 'notAfter', issued: '2030-06-05T07:08:09.000Z' })
    expect(short[1]?.reason).toMatch(/caps/)
  })

  it('tells what an officer put in place of what was asked for, and what an officer took out', () => {
    const shown = preview(
      {
        subject: nameOf('CN=www.example.org'),
        extensions: [san({ kind: 'dNSName', value: 'www.example.org' }, { kind: 'dNSName', value: 'intern.example' })],
        requestAttributes: [{ name: 'Ticket', value: '7' }]
      },
      {
        template: template('WebServer'),
        edited: {
          extensions: [san({ kind: 'dNSName', value: 'www.example.org' })],
          subject: nameOf('CN=web.example.org'),
          requestAttributes: [{ name: 'Ticket', value: '8' }]
        }
      }
    )
    expect(shown.fields.filter(({ edited }) => edited !== undefined)).toEqual([
      {
        field: 'subject',
        name: 'CN',
        requested: 'www.example.org',
        edited: 'web.example.org',
        issued: 'web.example.org',
        change: 'same',
        reason: 'An officer put it so while the request waited. The template takes the subject from the request.'
      },
      {
        field: 'subjectAltName',
        name: 'dNSName',
        requested: 'intern.example',
        edited: null,
        change: 'dropped',
        reason: 'An officer took it out while the request waited.'
      },
      {
        field: 'attribute',
        name: 'Ticket',
        requested: '7',
        edited: '8',
        change: 'dropped',
        reason: 'An officer put it so while the request waited. No attribute of a request goes into the certificate.'
      }
    ])
  })

  it('says that an officer shortened the validity, and that the certificate follows', () => {
    const shown = preview(
      { requestAttributes: [{ name: 'ValidityPeriod', value: 'Years' }] },
      {
        template: { ...template('UserSignature'), validitySeconds: 30 * DAY },
        edited: {
          requestAttributes: [
            { name: 'ValidityPeriod', value: 'Days' },
            { name: 'ValidityPeriodUnits', value: '30' }
          ]
        }
      }
    )
    expect(rows(shown, 'validity')[1]?.reason).toBe(
      'The certificate ends 2592000 seconds after it is issued, as an officer has it.'
    )
    expect(
      rows(shown, 'attribute').map(({ name, edited, reason }) => [name, edited, /ends by it/.test(reason)])
    ).toEqual([
      ['ValidityPeriod', 'Days', true],
      ['ValidityPeriodUnits', '30', true]
    ])
  })

  it('shows what a recovery agent of the installation would get', () => {
    const { requester: _requester, ...input } = inputOf(
      { subject: nameOf('CN=Agent 1') },
      { template: template('KeyRecoveryAgent') }
    )
    const shown = previewCertificate(input)
    expect(shown.verdict).toBe('issue')
    expect(rows(shown, 'subject')).toMatchObject([{ requested: 'Agent 1', issued: 'Agent 1', change: 'same' }])
  })
})
