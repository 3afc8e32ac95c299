import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { decodeCheckpointLine, encodeCheckpointLine } from '@app/audit'
import { buildPkcs12, decodePrivateKey, readPkcs12 } from '@app/client'
import {
  buildFullResponse,
  decodeFullResponse,
  decodeStoredRequest,
  encodeRequestClientInfo,
  findIssuedCertificate,
  findPendingQuery,
  findRevocationRequest,
  FR_PROPERTIES,
  inspectRequest,
  parseRequestAttributes,
  readEnrollmentRequest,
  readFullResponseProperty,
  verifyEndorsements
} from '@app/cmc'
import { decodeEnvelopedData, decodeSignedData } from '@app/cms'
import { isAppError } from '@app/core'
import { decodeDerPemOrBase64, encodeBitString, encodeIa5String, encodePem, encodeSequence } from '@app/der'
import { decodeUserSignCerts, encodeUserSignCerts } from '@app/directory'
import {
  decodeKeyBlob,
  decodeRecoveryRecipient,
  decodeThresholdSealedKey,
  encodeCapiPrivateKeyBlob,
  encodeCngEccBlob,
  encodePkcs8KeyBlob,
  isThresholdSealed,
  keyBlobToPkcs8
} from '@app/escrow'
import { decodeLdif, encodeLdif } from '@app/ldif'
import { parseEnvelope, sealMessage, verifyEnvelope } from '@app/messaging'
import { OID } from '@app/oid'
import {
  buildRegistrationRequest,
  decodeLegacyRequest,
  decodeRegistrationRequest,
  decodeRegistrationResponse,
  encodeLegacyRequest,
  encodeRegistrationResponse,
  legacyHeader,
  parseXmlDocument
} from '@app/registration'
import { builtInTemplates, decodeSecurityDescriptor, decodeTemplateEntry, encodeTemplateEntry } from '@app/templates'
import {
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeCertificate,
  decodeCertificatePolicies,
  decodeCertificateTemplateId,
  decodeCrl,
  decodeCrlDistributionPoints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeOcspRequest,
  decodeOcspResponse,
  decodeSecurityIdentifier,
  decodeSubjectAltName,
  encodeCrl,
  encodeCrlNumber,
  encodeOcspCertId,
  encodeOcspRequest,
  encodeOcspResponse,
  encodeOcspResponseData,
  encodeSignatureAlgorithm,
  encodeTbsCrl,
  findCertificationPath,
  formatName,
  ocspIssuerOf,
  parseDistinguishedName
} from '@app/x509'
import { makeBadMessages, soundMessage } from './strict-messages.js'
import { buildSampleCmc, sampleCertificationRequest, sampleEnvelope } from './cmc-messages.js'
import { issueCertificate, makeCa } from './enrollment-ca.js'
import { transportCertificate } from './escrow-samples.js'
import { securityDescriptorBytes } from './security-descriptors.js'
import { buildSampleCertificate, nameOf, sampleKey, signSample } from './x509-samples.js'

/** A reader of bytes that strangers send. */
export interface Decoder {
  readonly name: string
  /** How its input is built, for whoever changes it: DER, text, or bytes of another kind. */
  readonly kind: 'der' | 'text' | 'bytes'
  /** Reads, and throws nothing but an AppError. */
  readonly read: (input: Uint8Array) => unknown
  /** Whether it derives keys from a password, which takes time by intent: only a client reads such files, its own. */
  readonly isSlow?: boolean
  /** Inputs that it takes. */
  readonly seeds: readonly Uint8Array[]
}

const key = sampleKey('P-256')
const rsa = sampleKey('rsa')
const ca = decodeCertificate(buildSampleCertificate(key))
const bytes = (text: string): Uint8Array => Buffer.from(text)
const text =
  (read: (input: string) => unknown) =>
  (input: Uint8Array): unknown =>
    read(Buffer.from(input).toString('utf8'))

/** Whether a reader ends as it may: with a value or an AppError. Everything else is thrown on. */
export async function endsWell(read: () => unknown): Promise<boolean> {
  try {
    await read()
    return true
  } catch (error) {
    if (isAppError(error)) return false
    throw error
  }
}

function each(...readers: readonly (() => unknown)[]): Promise<unknown> {
  return readers.reduce<Promise<unknown>>(async (before, read) => {
    await before
    return endsWell(read)
  }, Promise.resolve())
}

const built = await buildSampleCmc({
  archivedKeyEnvelope: sampleEnvelope(),
  senderNonce: bytes('nonce'),
  transactionId: Uint8Array.of(7)
})
const crmf = await buildSampleCmc({ dialect: 'standard-crmf', archivedKeyEnvelope: sampleEnvelope() })
const clientInfo = encodeRequestClientInfo({ clientId: 9, machine: 'm', user: 'D\\u', process: 'certreq' })
const response = await buildFullResponse({
  dialect: 'standard',
  status: 'success',
  statusString: 'Issued',
  issuedCertificate: ca.raw,
  keyHash: { algorithm: 'sha256', value: Buffer.alloc(32, 1) },
  transactionId: Uint8Array.of(7),
  bodyPartId: 1,
  certificates: [ca.raw],
  signer: { certificate: ca, scheme: key.scheme, sign: data => Promise.resolve(signSample(key, data)) }
})
const at = new Date('2025-06-01T00:00:00Z')
const tbsCrl = encodeTbsCrl({
  scheme: key.scheme,
  issuer: nameOf('CN=Sample CA'),
  thisUpdate: at,
  nextUpdate: new Date('2025-06-08T00:00:00Z'),
  entries: [{ serialNumber: Uint8Array.of(5), revokedAt: at, reason: 'keyCompromise' }],
  extensions: [{ oid: OID.id_ce_cRLNumber, critical: false, value: encodeCrlNumber(7n) }]
})
const certId = encodeOcspCertId('sha1', ocspIssuerOf(ca, 'sha1'), Uint8Array.of(5))
const ocspData = encodeOcspResponseData({
  responder: { keyId: ca.publicKey.keyId },
  producedAt: at,
  responses: [{ certId, status: { kind: 'good' }, thisUpdate: at, nextUpdate: at }],
  nonce: bytes('nonce')
})
const issuing = makeCa('CN=Issuing')
const leaf = issueCertificate(issuing, key)
const registration = buildRegistrationRequest(
  {
    type: 'Registration',
    timeStamp: at,
    smsid: `GUID:${randomUUID().toUpperCase()}`,
    signingCertificate: buildSampleCertificate(rsa),
    properties: { 'NetBIOS Name': 'HOST', 'FQ Name': 'host.example.org', InternetFlag: '0' }
  },
  { privateKey: rsa.privateKey }
)
const header = legacyHeader(registration, {
  id: randomUUID(),
  sourceId: randomUUID(),
  host: 'host',
  sentTime: at.toISOString()
})
const legacy = encodeLegacyRequest(registration, header)
const message = {
  fields: { messageId: randomUUID(), destinationQueue: 'orders', sentAt: '2026-03-01T12:00:00Z' },
  body: bytes('body')
} as const
const messageSigner = { certificate: buildSampleCertificate(key), privateKey: key.privateKey, sid: 'S-1-5-21-1-2-3-4' }
const envelopes = await Promise.all([
  sealMessage(message, { level: 'none' }),
  sealMessage(message, { level: 'integrity', signer: messageSigner }),
  sealMessage(message, {
    level: 'privacy',
    signer: messageSigner,
    encryptTo: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  })
])
const pkcs12 = await buildPkcs12({
  privateKey: key.privateKey.export({ type: 'pkcs8', format: 'der' }),
  certificate: ca.raw,
  chain: [leaf.raw],
  friendlyName: 'key',
  password: 'password',
  iterations: 1000
})

const challenge = encodeSequence(key.publicKey.raw, encodeIa5String('challenge'))
const keygen = encodeSequence(
  challenge,
  encodeSignatureAlgorithm(key.scheme),
  encodeBitString(signSample(key, challenge))
)
const checkpoint = encodeCheckpointLine({
  position: 7,
  hash: Buffer.alloc(32, 1),
  settled: 7,
  at,
  keyId: Buffer.alloc(32, 2),
  signature: Buffer.alloc(70, 3)
})

function readCertificate(input: Uint8Array): Promise<unknown> {
  const { extensions, subject } = decodeCertificate(input)
  formatName(subject)
  const readers = [
    decodeAuthorityKeyIdentifier,
    decodeBasicConstraints,
    decodeCertificatePolicies,
    decodeCertificateTemplateId,
    decodeCrlDistributionPoints,
    decodeExtendedKeyUsage,
    decodeKeyUsage,
    decodeSecurityIdentifier,
    decodeSubjectAltName
  ]
  return each(...extensions.flatMap(({ value }) => readers.map(read => () => read(value))))
}

async function readResponse(input: Uint8Array): Promise<void> {
  const decoded = decodeFullResponse(input)
  findIssuedCertificate(decoded)
  await each(
    ...FR_PROPERTIES.map(
      ({ id }) =>
        () =>
          readFullResponseProperty(decoded, id)
    )
  )
}

async function readRequest(input: Uint8Array): Promise<void> {
  await each(
    () => decodeStoredRequest(readEnrollmentRequest(input, { allowSha1: true }).stored),
    () => findPendingQuery(input),
    () => findRevocationRequest(input),
    () => verifyEndorsements(input),
    () => inspectRequest(input)
  )
}

/** Every reader of what strangers send, with inputs that it takes. */
export const DECODERS: readonly Decoder[] = [
  {
    name: 'requests',
    kind: 'der',
    read: readRequest,
    seeds: [
      built.request,
      crmf.request,
      await sampleCertificationRequest(key, [clientInfo]),
      soundMessage,
      ...(await makeBadMessages()).slice(-8).map(({ message: bad }) => bad),
      keygen
    ]
  },
  { name: 'full-responses', kind: 'der', read: readResponse, seeds: [response] },
  {
    name: 'certificates',
    kind: 'der',
    read: readCertificate,
    seeds: [ca.raw, leaf.raw, issuing.certificate.raw, buildSampleCertificate(rsa)]
  },
  {
    name: 'paths',
    kind: 'der',
    read: input =>
      findCertificationPath(leaf, {
        intermediates: [ca],
        trusted: [decodeCertificate(input)],
        at
      }),
    seeds: [issuing.certificate.raw]
  },
  {
    name: 'crls',
    kind: 'der',
    read: input => decodeCrl(input),
    seeds: [encodeCrl(tbsCrl, key.scheme, signSample(key, tbsCrl))]
  },
  { name: 'ocsp-requests', kind: 'der', read: decodeOcspRequest, seeds: [encodeOcspRequest([certId], bytes('nonce'))] },
  {
    name: 'ocsp-responses',
    kind: 'der',
    read: decodeOcspResponse,
    seeds: [encodeOcspResponse(ocspData, key.scheme, signSample(key, ocspData), [ca.raw])]
  },
  {
    name: 'envelopes',
    kind: 'der',
    read: input => (isThresholdSealed(input) ? decodeThresholdSealedKey(input) : decodeEnvelopedData(input)),
    seeds: [sampleEnvelope(), sampleEnvelope({ contentEncryption: 'aes-256-gcm' })]
  },
  { name: 'signed-data', kind: 'der', read: input => decodeSignedData(input), seeds: [soundMessage] },
  {
    name: 'key-blobs',
    kind: 'bytes',
    read: input =>
      each(
        () => decodeKeyBlob(input),
        () => keyBlobToPkcs8(input)
      ),
    seeds: [
      encodeCapiPrivateKeyBlob(rsa.privateKey),
      encodePkcs8KeyBlob(rsa.privateKey),
      encodePkcs8KeyBlob(key.privateKey),
      encodeCngEccBlob(key.privateKey)
    ]
  },
  { name: 'pkcs12', kind: 'der', isSlow: true, read: input => readPkcs12(input, 'password'), seeds: [pkcs12] },
  {
    name: 'user-sign-certs',
    kind: 'bytes',
    read: decodeUserSignCerts,
    seeds: [
      encodeUserSignCerts([
        { identifier: randomUUID(), certificate: ca.raw },
        { identifier: randomUUID(), certificate: leaf.raw }
      ])
    ]
  },
  {
    name: 'security-descriptors',
    kind: 'bytes',
    read: decodeSecurityDescriptor,
    seeds: [securityDescriptorBytes({ owner: 'S-1-5-32-544', aces: [{ sid: 'S-1-5-11', mask: 0x20094 }] })]
  },
  {
    name: 'pem',
    kind: 'text',
    read: decodeDerPemOrBase64,
    seeds: [bytes(encodePem('CERTIFICATE', ca.raw)), bytes(Buffer.from(ca.raw).toString('base64'))]
  },
  {
    name: 'ldif',
    kind: 'text',
    read: input => encodeLdif(decodeLdif(input)),
    seeds: [
      bytes(
        'version: 1\n\ndn: CN=A,DC=x\nobjectClass: top\ncn:: w6Q=\ndescription: a line\n  that goes on\n\n# c\ndn: CN=B\ncn: B\n'
      )
    ]
  },
  {
    name: 'template-entries',
    kind: 'text',
    read: input => decodeLdif(input).map(entry => decodeTemplateEntry(entry, () => undefined)),
    seeds: builtInTemplates().map(template => bytes(encodeLdif([encodeTemplateEntry(template)])))
  },
  {
    name: 'checkpoints',
    kind: 'text',
    read: text(decodeCheckpointLine),
    seeds: [bytes(checkpoint)]
  },
  {
    name: 'private-keys',
    kind: 'bytes',
    read: input => decodePrivateKey(input, 'password'),
    seeds: [
      key.privateKey.export({ type: 'pkcs8', format: 'der' }),
      bytes(rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
    ]
  },
  {
    name: 'recovery-recipients',
    kind: 'der',
    read: input => decodeRecoveryRecipient(input, at),
    seeds: [transportCertificate(rsa.privateKey).raw]
  },
  {
    name: 'names',
    kind: 'text',
    read: text(parseDistinguishedName),
    seeds: [bytes('CN=a\\,b+OU="c;d",O=#0c0161, DC = x ,2.5.4.3=\\c3\\a4')]
  },
  {
    name: 'request-attributes',
    kind: 'text',
    read: text(parseRequestAttributes),
    seeds: [bytes('CertificateTemplate:User\r\nSAN:dns=a&upn=b\nCDC:x')]
  },
  {
    name: 'xml',
    kind: 'text',
    read: text(input => parseXmlDocument(input)),
    seeds: [bytes(registration), bytes(header)]
  },
  {
    name: 'registrations',
    kind: 'text',
    read: text(decodeRegistrationRequest),
    seeds: [bytes(registration)]
  },
  {
    name: 'registration-responses',
    kind: 'text',
    read: text(decodeRegistrationResponse),
    seeds: [
      bytes(
        encodeRegistrationResponse({
          type: 'Registration',
          timeStamp: at,
          status: 0,
          smsid: `GUID:${randomUUID().toUpperCase()}`,
          approval: 'approved'
        })
      )
    ]
  },
  {
    name: 'multipart',
    kind: 'bytes',
    read: input => decodeLegacyRequest({ contentType: legacy.contentType, body: input }),
    seeds: [legacy.body]
  },
  {
    name: 'message-envelopes',
    kind: 'text',
    read: text(async input => {
      const envelope = parseEnvelope(input)
      if (envelope.level === 'integrity') await verifyEnvelope(envelope, envelope.level)
    }),
    seeds: envelopes.map(bytes)
  }
]
