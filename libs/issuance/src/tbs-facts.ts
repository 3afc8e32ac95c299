import { DerReader, primitiveContextTag, TAG, type DerElement } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeAlgorithmIdentifier,
  decodeBasicConstraints,
  decodeCertificatePolicies,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeName,
  decodePublicKey,
  decodeSubjectAltName,
  type AlgorithmIdentifier,
  type BasicConstraints,
  type Extension,
  type GeneralName,
  type KeyUsage,
  type Name,
  type PublicKeyInfo
} from '@app/x509'
import { equalBytes } from '@app/core'

/** A time and the identifier octet of its form. */
export interface TimeFact {
  readonly tag: number
  readonly date: Date
}

/** What a TBSCertificate says, read for judging it: as it stands, with repeated extensions and odd versions kept. */
export interface TbsFacts {
  /** 1 to 3, or whatever else it claims. */
  readonly version: number
  readonly serialNumber: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly issuer: Name
  readonly notBefore: TimeFact
  readonly notAfter: TimeFact
  readonly subject: Name
  readonly publicKey: PublicKeyInfo
  readonly extensions: readonly Extension[]
  readonly isSelfIssued: boolean
  readonly isCa: boolean
  readonly basicConstraints?: BasicConstraints
  readonly keyUsage?: ReadonlySet<KeyUsage>
  readonly extendedKeyUsage?: readonly string[]
  readonly applicationPolicies?: readonly string[]
  readonly altNames?: readonly GeneralName[]
}

/**
 * Reads a TBSCertificate (RFC 5280, 4.1) without the encoder's own code. Throws a `der_…` code, `x509_structure` or
 * `public_key_unsupported` for what cannot be read at all.
 */
export function decodeTbsFacts(tbs: Uint8Array): TbsFacts {
  const reader = DerReader.over(tbs)
  const body = reader.sequence('TBSCertificate')
  reader.end('TBSCertificate')
  const version = (body.optionalExplicit(0, 'version')?.smallInteger('version') ?? 0) + 1
  const serialNumber = body.element(TAG.integer, 'serialNumber').content
  const signatureAlgorithm = decodeAlgorithmIdentifier(body, 'signature')
  const issuer = decodeName(body, 'issuer')
  const validity = body.sequence('validity')
  const notBefore = decodeTimeFact(validity, 'notBefore')
  const notAfter = decodeTimeFact(validity, 'notAfter')
  validity.end('validity')
  const subject = decodeName(body, 'subject')
  const publicKey = decodePublicKey(body.element(TAG.sequence, 'subjectPublicKeyInfo').raw)
  body.optional(primitiveContextTag(1), 'issuerUniqueID')
  body.optional(primitiveContextTag(2), 'subjectUniqueID')
  const field = body.optionalExplicit(3, 'extensions')
  const extensions = field?.sequence('extensions').each(decodeExtensionAsIs) ?? []
  field?.end('extensions')
  body.end('TBSCertificate')
  const isSelfIssued = equalBytes(issuer.raw, subject.raw)
  const facts = { version, serialNumber, signatureAlgorithm, issuer, notBefore, notAfter, subject, publicKey }
  return { ...facts, extensions, isSelfIssued, ...usageFacts(extensions) }
}

function decodeTimeFact(reader: DerReader, what: string): TimeFact {
  const tag = reader.nextTag
  return { tag, date: reader.time(what) }
}

function decodeExtensionAsIs(list: DerReader): Extension {
  const body = list.sequence('extension')
  const oid = body.oid('extnID')
  const flag: DerElement | undefined = body.optional(TAG.boolean, 'critical')
  const value = body.octetString('extnValue')
  body.end('extension')
  return { oid, critical: flag !== undefined, value }
}

type UsageFacts = Pick<
  TbsFacts,
  'isCa' | 'basicConstraints' | 'keyUsage' | 'extendedKeyUsage' | 'applicationPolicies' | 'altNames'
>

function usageFacts(extensions: readonly Extension[]): UsageFacts {
  const read = <Fact>(oid: string, decode: (value: Uint8Array) => Fact): Fact | undefined => {
    const extension = extensions.find(candidate => candidate.oid === oid)
    return extension === undefined ? undefined : decode(extension.value)
  }
  const basicConstraints = read(OID.id_ce_basicConstraints, decodeBasicConstraints)
  const found = {
    basicConstraints,
    keyUsage: read(OID.id_ce_keyUsage, decodeKeyUsage),
    extendedKeyUsage: read(OID.id_ce_extKeyUsage, decodeExtendedKeyUsage),
    applicationPolicies: read(OID.szOID_APPLICATION_CERT_POLICIES, decodeCertificatePolicies),
    altNames: read(OID.id_ce_subjectAltName, decodeSubjectAltName)
  }
  const present = Object.entries(found).filter(([, fact]) => fact !== undefined)
  return { isCa: basicConstraints?.isCa ?? false, ...(Object.fromEntries(present) as Omit<UsageFacts, 'isCa'>) }
}
