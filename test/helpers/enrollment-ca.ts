import { buildFullResponse, readEnrollmentRequest, type FullResponsePlan } from '@app/cmc'
import { encodePem } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  type Certificate,
  type Extension,
  type KeyUsage,
  type TbsCertificateParts
} from '@app/x509'
import { buildSampleCertificate, nameOf, sampleKey, signSample, toSampleKey, type SampleKey } from './x509-samples.js'
import { generateKeyPairSync } from 'node:crypto'

/** A CA of a test: its key and certificate. */
export interface SampleCa {
  readonly key: SampleKey
  readonly certificate: Certificate
}

/** The moment at which the certificates of this file are valid. */
export const SAMPLE_NOW = new Date('2025-06-01T12:00:00Z')

/** A fresh P-256 key. */
export function freshKey(): SampleKey {
  return toSampleKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
}

/** A keyUsage extension. */
export function keyUsageExtension(...usages: readonly KeyUsage[]): Extension {
  return { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(usages) }
}

const caExtensions: readonly Extension[] = [
  { oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints({ isCa: true }) },
  keyUsageExtension('keyCertSign', 'cRLSign')
]

/** A root, or the CA under another one. */
export function makeCa(text: string, issuer?: SampleCa): SampleCa {
  const key = freshKey()
  const subject = nameOf(text)
  const parts = { serialNumber: nextSerial(), issuer: issuer?.certificate.subject.raw ?? subject, subject }
  const raw = buildSampleCertificate(key, { ...parts, extensions: caExtensions }, issuer?.key ?? key)
  return { key, certificate: decodeCertificate(raw) }
}

let serial = 1

function nextSerial(): Uint8Array {
  serial++
  return Uint8Array.of(0x01, serial >> 8, serial & 0xff)
}

/** An end-entity certificate of a CA for a public key. */
export function issueCertificate(
  ca: SampleCa,
  key: Pick<SampleKey, 'publicKey'>,
  parts: Partial<TbsCertificateParts> = {}
): Certificate {
  const raw = buildSampleCertificate(
    { ...ca.key, publicKey: key.publicKey },
    {
      serialNumber: nextSerial(),
      issuer: ca.certificate.subject.raw,
      subject: nameOf('CN=Sample'),
      extensions: [keyUsageExtension('digitalSignature', 'keyEncipherment')],
      ...parts
    },
    ca.key
  )
  return decodeCertificate(raw)
}

/** The exchange certificate of a CA, for the sample RSA key. */
export function issueExchangeCertificate(ca: SampleCa, parts: Partial<TbsCertificateParts> = {}): Certificate {
  return issueCertificate(ca, sampleKey('rsa'), {
    subject: nameOf('CN=Sample CA-Xchg'),
    extensions: [
      keyUsageExtension('keyEncipherment'),
      { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.szOID_KP_CA_EXCHANGE]) }
    ],
    ...parts
  })
}

/** What a CA answers to a request, by default with a certificate; `changes` say it differently. */
export function answerRequest(
  ca: SampleCa,
  chain: readonly SampleCa[],
  request: Uint8Array,
  changes: Partial<FullResponsePlan> = {}
): Promise<Uint8Array> {
  const read = readEnrollmentRequest(request)
  const issued = issueCertificate(ca, read)
  return buildFullResponse({
    dialect: read.dialect,
    status: 'success',
    statusString: 'Issued',
    bodyPartId: read.bodyPartId,
    issuedCertificate: issued.raw,
    certificates: [issued.raw, ca.certificate.raw, ...chain.map(({ certificate }) => certificate.raw)],
    ...(read.archivedKey === undefined ? {} : { keyHash: read.archivedKey.hash }),
    ...(read.transactionId === undefined ? {} : { transactionId: read.transactionId }),
    ...(read.senderNonce === undefined ? {} : { senderNonce: read.senderNonce }),
    signer: signerOf(ca),
    ...changes
  })
}

/** A CA, or anybody, as the signer of a response. */
export function signerOf({ key, certificate }: SampleCa): FullResponsePlan['signer'] {
  return { certificate, scheme: key.scheme, sign: data => Promise.resolve(signSample(key, data)) }
}

/** A certificate as PEM. */
export function pemOf(...certificates: readonly Certificate[]): string {
  return certificates.map(({ raw }) => encodePem('CERTIFICATE', raw)).join('')
}
