import { randomBytes } from 'node:crypto'
import type { RequestStatus } from '@app/client'
import { toHex } from '@app/core'
import {
  DerReader,
  encodeIa5String,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  encodeUtf8String,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import { builtInTemplates, type CertificateTemplate } from '@app/templates'
import {
  decodeCertificate,
  decodeName,
  encodeAttribute,
  encodeAuthorityInfoAccess,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeCertificatePolicies,
  encodeCertificateTemplateId,
  encodeCertificateTemplateName,
  encodeCrlDistributionPoints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeExtensions,
  encodeKeyUsage,
  encodeOcspNoCheck,
  encodeSecurityIdentifier,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  type Certificate,
  type Extension,
  type GeneralName
} from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { offerTemplate } from '../helpers/administration.js'
import { decidePending } from '../helpers/decisions.js'
import { freshKey } from '../helpers/enrollment-ca.js'
import { tracesOf } from '../helpers/request-outcomes.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { buildSampleRequest, nameOf } from '../helpers/x509-samples.js'

const [, , webServer] = builtInTemplates() as [CertificateTemplate, CertificateTemplate, CertificateTemplate]

/** What a request has; the rest is as in a harmless one. */
interface Parts {
  readonly subject?: Uint8Array
  readonly names?: readonly GeneralName[]
  readonly extensions?: readonly Extension[]
  /** The whole content of the extension request, DER. */
  readonly rawExtensions?: Uint8Array
  readonly attributes?: readonly Uint8Array[]
}

/** `same`: issued, and not a byte of the certificate differs from one for a harmless request. */
type Outcome = 'same' | { readonly code: string; readonly status: string }

let server: TestServer
let alice: TestPrincipal
const baselines = new Map<string, string>()

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.addPrincipal({ accountName: 'alice', displayName: 'Alice', mail: 'alice@example.org' })
  await offerTemplate(server, { ...webServer, name: 'Supplied', oid: '2.25.3001', enroll: ['Domain Users'] })
  for (const template of ['UserSignature', 'Supplied']) {
    baselines.set(template, imageOf(await certificateFor(await submit(template, {}))))
  }
})
afterAll(() => server.stop())

const ext = (oid: string, value: Uint8Array, critical = false): Extension => ({ oid, critical, value })
const own: GeneralName = { kind: 'dNSName', value: 'www.example.org' }
/** Text that the encoder would refuse, since it is no ASCII or has control characters. */
const raw = (tag: number, text: string): GeneralName => ({
  kind: 'x400Address',
  raw: encodeTlv(tag, Buffer.from(text))
})
const dns = (value: string): GeneralName => ({ kind: 'dNSName', value })
const other = (oid: string, value: Uint8Array): GeneralName => ({ kind: 'otherName', oid, value })

async function submit(template: string, parts: Parts): Promise<RequestStatus> {
  const { subject = nameOf('CN=www.example.org'), names = [own], extensions = [], attributes = [] } = parts
  const wishes = [
    ext(OID.szOID_ENROLL_CERTTYPE_EXTENSION, encodeCertificateTemplateName(template)),
    ext(OID.id_ce_subjectAltName, encodeSubjectAltName(names)),
    ...extensions
  ]
  const asked = encodeAttribute(OID.extensionRequest, [parts.rawExtensions ?? encodeExtensions(wishes)])
  const request = await buildSampleRequest(freshKey(), { subject, attributes: [asked, ...attributes] })
  await using client = server.connect(alice)
  await client.submit(request)
  if (client.status.dispositionName === 'under_submission') {
    await decidePending(server, client.requestId, 'approved')
    await client.retrievePending(client.requestId, { wait: 10 })
  }
  return client.status
}

async function certificateFor({ requestId, dispositionName }: RequestStatus): Promise<Certificate> {
  expect(dispositionName).toBe('issued')
  await using client = server.connect(alice)
  await client.retrievePending(requestId)
  return decodeCertificate(await client.getCertificate())
}

/** Everything that a certificate says but for its key, serial number and dates. */
function imageOf(certificate: Certificate): string {
  const { issuer, subject, extensions, notBefore, notAfter } = certificate
  const own = extensions
    .filter(({ oid }) => oid !== OID.id_ce_subjectKeyIdentifier)
    .map(({ oid, critical, value }) => `${oid} ${critical} ${toHex(value)}`)
  const days = Math.round((notAfter.getTime() - notBefore.getTime()) / 86_400_000)
  return JSON.stringify([toHex(issuer.raw), toHex(subject.raw), days, own], undefined, 1)
}

async function expectOutcome(template: string, parts: Parts, outcome: Outcome): Promise<void> {
  const status = await submit(template, parts)
  if (outcome === 'same') {
    expect(imageOf(await certificateFor(status))).toBe(baselines.get(template))
    return
  }
  const { failureCode, certificates } = await tracesOf(server, status.requestId)
  expect({ code: failureCode, status: status.lastStatus, certificates }).toEqual({ ...outcome, certificates: 0 })
}

const administrator = decodeName(DerReader.over(nameOf('CN=Administrator')), 'name')

/** A subject with one common name of any characters. */
const commonName = (text: string): Uint8Array =>
  encodeSequence(
    encodeTlv(TAG.set, encodeSequence(Buffer.concat([encodeOid(OID.id_at_commonName), encodeUtf8String(text)])))
  )

const deceptive = { code: 'name_deceptive', status: '0x80094001' } as const
const structure = { code: 'x509_structure', status: '0x80092002' } as const

/** Extensions that a CA must not take from a request: neither template has them in the certificate. */
const extensions: readonly [string, readonly Extension[]][] = [
  ['that it is a CA', [ext(OID.id_ce_basicConstraints, encodeBasicConstraints({ isCa: true, pathLength: 9 }), true)]],
  ['that its key signs certificates', [ext(OID.id_ce_keyUsage, encodeKeyUsage(['keyCertSign', 'cRLSign']), true)]],
  ['the key of another issuer', [ext(OID.id_ce_authorityKeyIdentifier, encodeAuthorityKeyIdentifier(randomBytes(20)))]],
  ['another identifier of its key', [ext(OID.id_ce_subjectKeyIdentifier, encodeSubjectKeyIdentifier(randomBytes(20)))]],
  [
    'more purposes',
    [ext(OID.id_ce_extKeyUsage, encodeExtendedKeyUsage([OID.id_kp_clientAuth, OID.anyExtendedKeyUsage]), true)]
  ],
  [
    'application policies',
    [ext(OID.szOID_APPLICATION_CERT_POLICIES, encodeCertificatePolicies([OID.szOID_ENROLLMENT_AGENT]), true)]
  ],
  ['issuance policies', [ext(OID.id_ce_certificatePolicies, encodeCertificatePolicies(['2.5.29.32.0']), true)]],
  [
    'the security identifier of another',
    [ext(OID.szOID_NTDS_CA_SECURITY_EXT, encodeSecurityIdentifier('S-1-5-21-1-2-3-500'))]
  ],
  ['name constraints', [ext('2.5.29.30', encodeSequence(encodeTlv(0xa0, new Uint8Array())), true)]],
  [
    'policy mappings and constraints',
    [
      ext('2.5.29.33', encodeSequence(encodeSequence(Buffer.concat([encodeOid('1.2.3'), encodeOid('1.2.4')])))),
      ext('2.5.29.36', encodeSequence(encodeTlv(0x80, Uint8Array.of(0))))
    ]
  ],
  [
    'other revocation sources',
    [
      ext(OID.id_ce_cRLDistributionPoints, encodeCrlDistributionPoints(['http://evil.example/crl'])),
      ext(OID.id_pe_authorityInfoAccess, encodeAuthorityInfoAccess({ caIssuers: [], ocsp: ['http://evil.example/'] }))
    ]
  ],
  ['no check of an OCSP signer', [ext(OID.id_pkix_ocsp_nocheck, encodeOcspNoCheck())]],
  [
    'policies of Microsoft',
    [
      ext(
        '1.3.6.1.4.1.311.21.11',
        encodeSequence(encodeSequence(Buffer.concat([encodeOid('1.2.3'), encodeOid('1.2.4')])))
      ),
      ext(OID.szOID_CERTSRV_CA_VERSION, Uint8Array.of(2, 1, 9)),
      ext(OID.szOID_CERTSRV_PREVIOUS_CERT_HASH, encodeOctetString(randomBytes(20)))
    ]
  ],
  [
    'a Netscape type and a comment',
    [
      ext('2.16.840.1.113730.1.1', Uint8Array.of(3, 2, 0, 0xff)),
      ext('2.16.840.1.113730.1.13', encodeIa5String('trusted'))
    ]
  ],
  ['a critical extension that nobody knows', [ext('1.2.3.4.5', encodeUtf8String('<script>'), true)]]
]

/** Names, which the one template ignores and the other takes within limits: [what, parts, directory, supplied]. */
const names: readonly [string, Parts, Outcome, Outcome][] = [
  [
    'the UPN of another',
    { names: [own, other(OID.szOID_NT_PRINCIPAL_NAME, encodeUtf8String('administrator@example.org'))] },
    'same',
    'same'
  ],
  [
    'the GUID of another',
    { names: [own, other(OID.szOID_NTDS_REPLICATION, encodeOctetString(randomBytes(16)))] },
    'same',
    'same'
  ],
  ['a name of an unknown form', { names: [own, other('1.2.3.4', encodeUtf8String('x'))] }, 'same', 'same'],
  [
    'a directory name and a registered id',
    { names: [own, { kind: 'directoryName', name: administrator }, { kind: 'registeredID', oid: '1.2.3' }] },
    'same',
    'same'
  ],
  ['a mail address in the subject', { subject: nameOf('E=ceo@example.org,CN=www.example.org') }, 'same', 'same'],
  ['an attribute that nobody knows', { subject: nameOf('1.2.3.4=#0c0178+CN=www.example.org') }, 'same', 'same'],
  ['a NUL in the common name', { subject: commonName('www.example.org\0.evil.example') }, 'same', deceptive],
  ['line breaks in the common name', { subject: commonName('www\r\nX-Injected: 1') }, 'same', deceptive],
  ['an escape sequence in the common name', { subject: commonName('www\u001b[2J') }, 'same', deceptive],
  ['a direction override', { subject: commonName('www\u202egro.elpmaxe') }, 'same', deceptive],
  ['characters without width', { subject: commonName('ad\u200bmin') }, 'same', deceptive],
  ['letters of two scripts in one word', { subject: commonName('\u0430dministrator') }, 'same', deceptive],
  ['a NUL in a DNS name', { names: [raw(0x82, 'www.example.org\0.evil.example')] }, 'same', structure],
  [
    'a DNS name that is not ASCII',
    { names: [raw(0x82, 'ex\u0430mple.org')] },
    'same',
    { code: 'der_value_invalid', status: '0x80092002' }
  ],
  ['a space around a DNS name', { names: [dns(' www.example.org')] }, 'same', structure],
  ['a DNS name with a label of 64 characters', { names: [dns(`${'a'.repeat(64)}.example.org`)] }, 'same', structure],
  ['a DNS name of 300 characters', { names: [dns(`${'a.'.repeat(150)}org`)] }, 'same', structure],
  ['a wildcard for everything', { names: [dns('*')] }, 'same', structure],
  ['a wildcard for a top-level domain', { names: [dns('*.org')] }, 'same', structure],
  ['a wildcard inside of a name', { names: [dns('www.*.example.org')] }, 'same', structure],
  ['a wildcard inside of a label', { names: [dns('w*w.example.org')] }, 'same', structure],
  ['two wildcards', { names: [dns('*.*.example.org')] }, 'same', structure],
  ['a DNS name with an empty label', { names: [dns('www..example.org')] }, 'same', structure],
  [
    'a mail address with a line break',
    { names: [own, raw(0x81, 'a@example.org\nBcc: b@example.org')] },
    'same',
    structure
  ],
  [
    '10,000 alternative names',
    { names: Array.from({ length: 10_000 }, (_, i) => dns(`h${i}.example.org`)) },
    'same',
    { code: 'names_too_many', status: '0x80094001' }
  ],
  [
    'a common name of 65 characters',
    { subject: commonName('a'.repeat(65)) },
    'same',
    { code: 'subject_too_long', status: '0x80094007' }
  ],
  [
    'a common name of 100,000 characters',
    { subject: commonName('a'.repeat(100_000)) },
    'same',
    { code: 'subject_too_long', status: '0x80094007' }
  ],
  [
    'no name at all',
    { subject: encodeSequence(new Uint8Array()), names: [other('1.2.3', encodeUtf8String('x'))] },
    'same',
    { code: 'subject_missing', status: '0x80094001' }
  ]
]

/** Messages that are refused whatever the template. */
const refusals: readonly [string, Parts, Outcome][] = [
  [
    'an extension twice',
    {
      rawExtensions: encodeSequence(
        Buffer.concat(
          ['www.example.org', 'evil.example'].map(name =>
            encodeExtension(ext(OID.id_ce_subjectAltName, encodeSubjectAltName([dns(name)])))
          )
        )
      )
    },
    structure
  ],
  [
    'the identifier of another template',
    { extensions: [ext(OID.szOID_CERTIFICATE_TEMPLATE, encodeCertificateTemplateId({ oid: webServer.oid }))] },
    { code: 'template_conflict', status: '0x80094802' }
  ],
  [
    'the identifier of a template that nobody may use',
    {
      extensions: [
        ext(OID.szOID_CERTIFICATE_TEMPLATE, encodeCertificateTemplateId({ oid: builtInTemplates()[5]?.oid as string }))
      ]
    },
    { code: 'template_unknown', status: '0x80094800' }
  ]
]

describe.each(['UserSignature', 'Supplied'])('a request for %s', template => {
  const isSupplied = template === 'Supplied'

  it.each(extensions)('gets nothing for asking for %s', async (_what, asked) => {
    await expectOutcome(template, { extensions: asked }, 'same')
  })

  it('gets nothing for asking for all of it at once', async () => {
    const seen = new Set<string>()
    const all = extensions
      .flatMap(([, asked]) => asked)
      .filter(({ oid }) => !seen.has(oid) && seen.add(oid) !== undefined)
    await expectOutcome(template, { extensions: all }, 'same')
  })

  it.each(names)('with %s gets nothing of it', async (_what, parts, directory, supplied) => {
    await expectOutcome(template, parts, isSupplied ? supplied : directory)
  })

  it.each(refusals)('with %s is refused', async (_what, parts, outcome) => {
    await expectOutcome(template, parts, outcome)
  })

  it('with other attributes gets nothing of them', async () => {
    const attributes = [
      encodeAttribute(OID.challengePassword, [encodeUtf8String('secret')]),
      encodeAttribute('1.2.840.113549.1.9.2', [encodeUtf8String('unstructured')])
    ]
    await expectOutcome(template, { attributes }, 'same')
  })
})
