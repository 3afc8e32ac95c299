import { equalBytes } from '@app/core'
import { DerReader, primitiveContextTag, TAG, type DerElement } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeAlgorithmIdentifier,
  decodeAuthorityInfoAccess,
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeCertificatePolicies,
  decodeCrlDistributionPoints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeName,
  decodePublicKey,
  decodeSubjectAltName,
  decodeSubjectKeyIdentifier,
  findExtension,
  type AlgorithmIdentifier,
  type AuthorityInfoAccess,
  type AuthorityKeyIdentifier,
  type BasicConstraints,
  type Certificate,
  type Extension,
  type GeneralName,
  type KeyUsage,
  type Name,
  type NameAttribute,
  type PublicKeyInfo
} from '@app/x509'

/** A time and the identifier octet of its form. */
export interface TimeFact {
  readonly tag: number
  readonly date: Date
}

/** What a CA's certificate says that those under it are held against. */
export interface IssuerFacts {
  /** The Name element. */
  readonly subject: Uint8Array
  readonly publicKey: PublicKeyInfo
  /** By which what it signs names its key. */
  readonly keyId: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  /** How many CAs may stand below it; absent without limit. */
  readonly pathLength?: number
}

/** What a TBSCertificate says, read for judging it: as it stands, with repeated extensions and odd versions kept. */
export interface TbsFacts extends ExtensionFacts {
  /** 1 to 3, or whatever else it claims. */
  readonly version: number
  readonly serialNumber: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly issuer: Name
  readonly notBefore: TimeFact
  readonly notAfter: TimeFact
  readonly subject: Name
  /** The attributes of the subject, in order. */
  readonly subjectAttributes: readonly NameAttribute[]
  readonly publicKey: PublicKeyInfo
  readonly hasUniqueIdentifiers: boolean
  readonly extensions: readonly Extension[]
  /** Issuer and subject are the same. */
  readonly isSelfIssued: boolean
  /** Self-issued, and the key that it certifies is the one that signs it, as far as it says. */
  readonly isSelfSigned: boolean
  /** The CA that is to sign it, where there is one above. */
  readonly above: IssuerFacts | undefined
}

/** What the extensions say; the first of each kind. */
interface ExtensionFacts {
  /** The first extension of each identifier. */
  readonly byOid: ReadonlyMap<string, Extension>
  readonly isCa: boolean
  readonly basicConstraints: BasicConstraints | undefined
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly applicationPolicies: readonly string[] | undefined
  readonly policies: readonly string[] | undefined
  readonly altNames: readonly GeneralName[] | undefined
  readonly subjectKeyId: Uint8Array | undefined
  readonly authorityKeyId: AuthorityKeyIdentifier | undefined
  readonly crlUrls: readonly string[] | undefined
  readonly deltaCrlUrls: readonly string[] | undefined
  readonly access: AuthorityInfoAccess | undefined
}

const knownIssuers = new WeakMap<Certificate, IssuerFacts>()

/** What certificates under this CA certificate are held against; read once for each. Throws what the decoders throw. */
export function issuerFactsOf(certificate: Certificate): IssuerFacts {
  const known = knownIssuers.get(certificate)
  if (known !== undefined) return known
  const constraints = findExtension(certificate, OID.id_ce_basicConstraints)
  const limit = constraints === undefined ? undefined : decodeBasicConstraints(constraints.value).pathLength
  const identifier = findExtension(certificate, OID.id_ce_subjectKeyIdentifier)
  const facts = {
    subject: certificate.subject.raw,
    publicKey: certificate.publicKey,
    keyId: identifier === undefined ? certificate.publicKey.keyId : decodeSubjectKeyIdentifier(identifier.value),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    ...(limit === undefined ? {} : { pathLength: limit })
  }
  knownIssuers.set(certificate, facts)
  return facts
}

/**
 * Reads a TBSCertificate (RFC 5280, 4.1) without the encoder's own code. Throws a `der_…` code, `x509_structure` or
 * `public_key_unsupported` for what cannot be read at all.
 */
export function decodeTbsFacts(tbs: Uint8Array, above?: IssuerFacts): TbsFacts {
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
  const issuerId = body.optional(primitiveContextTag(1), 'issuerUniqueID')
  const subjectId = body.optional(primitiveContextTag(2), 'subjectUniqueID')
  const field = body.optionalExplicit(3, 'extensions')
  const extensions = field?.sequence('extensions').each(decodeExtensionAsIs) ?? []
  field?.end('extensions')
  body.end('TBSCertificate')
  const said = extensionFacts(extensions)
  const isSelfIssued = equalBytes(issuer.raw, subject.raw)
  return {
    version,
    serialNumber,
    signatureAlgorithm,
    issuer,
    notBefore,
    notAfter,
    subject,
    subjectAttributes: subject.rdns.flat(),
    publicKey,
    hasUniqueIdentifiers: issuerId !== undefined || subjectId !== undefined,
    extensions,
    isSelfIssued,
    isSelfSigned: isSelfIssued && namesOwnKey(said),
    above,
    ...said
  }
}

/** A root may leave out the authority key identifier; one that differs from its own key tells of another signer. */
function namesOwnKey({ authorityKeyId, subjectKeyId }: ExtensionFacts): boolean {
  const named = authorityKeyId?.keyId
  return named === undefined || (subjectKeyId !== undefined && equalBytes(named, subjectKeyId))
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

function extensionFacts(extensions: readonly Extension[]): ExtensionFacts {
  const byOid = new Map<string, Extension>()
  for (const extension of extensions) if (!byOid.has(extension.oid)) byOid.set(extension.oid, extension)
  const read = <Fact>(oid: string, decode: (value: Uint8Array) => Fact): Fact | undefined => {
    const extension = byOid.get(oid)
    return extension === undefined ? undefined : decode(extension.value)
  }
  const basicConstraints = read(OID.id_ce_basicConstraints, decodeBasicConstraints)
  return {
    byOid,
    isCa: basicConstraints?.isCa ?? false,
    basicConstraints,
    keyUsage: read(OID.id_ce_keyUsage, decodeKeyUsage),
    extendedKeyUsage: read(OID.id_ce_extKeyUsage, decodeExtendedKeyUsage),
    applicationPolicies: read(OID.szOID_APPLICATION_CERT_POLICIES, decodeCertificatePolicies),
    policies: read(OID.id_ce_certificatePolicies, decodeCertificatePolicies),
    altNames: read(OID.id_ce_subjectAltName, decodeSubjectAltName),
    subjectKeyId: read(OID.id_ce_subjectKeyIdentifier, decodeSubjectKeyIdentifier),
    authorityKeyId: read(OID.id_ce_authorityKeyIdentifier, decodeAuthorityKeyIdentifier),
    crlUrls: read(OID.id_ce_cRLDistributionPoints, decodeCrlDistributionPoints),
    deltaCrlUrls: read(OID.id_ce_freshestCRL, decodeCrlDistributionPoints),
    access: read(OID.id_pe_authorityInfoAccess, decodeAuthorityInfoAccess)
  }
}
