import { hash } from 'node:crypto'
import { AppError } from '@app/core'
import {
  contextTag,
  encodeContext,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeSetOf
} from '@app/der'
import { OID } from '@app/oid'
import {
  digestOfScheme,
  encodeAttribute,
  encodeDigestAlgorithm,
  encodeSignatureAlgorithm,
  type SignatureScheme
} from '@app/x509'
import { encodeContentInfo } from './content-info.js'
import { encodeIdentifier, type SignerIdentifier } from './identifier.js'

/** One who signs. */
export interface SignerPlan {
  readonly sid: SignerIdentifier
  /** Gives the digest, and the signature algorithm unless that is given. */
  readonly scheme: SignatureScheme
  /** Another AlgorithmIdentifier for the same kind of signature, for instance rsaEncryption, as Windows writes it. */
  readonly signatureAlgorithm?: Uint8Array
  /** Attribute elements to sign besides contentType and messageDigest. */
  readonly signedAttributes?: readonly Uint8Array[]
  /** Attribute elements that the signature does not cover. */
  readonly unsignedAttributes?: readonly Uint8Array[]
  /** Signs these bytes by the scheme; ECDSA as DER. */
  readonly sign: (data: Uint8Array) => Promise<Uint8Array>
}

/** What to sign and what to send with it. */
export interface SignedDataPlan {
  /** In dotted decimal. */
  readonly eContentType: string
  readonly eContent: Uint8Array
  /** Certificate elements. */
  readonly certificates: readonly Uint8Array[]
  /** CertificateList elements. */
  readonly crls?: readonly Uint8Array[]
  /** At least one. */
  readonly signers: readonly SignerPlan[]
}

/**
 * A ContentInfo in DER with SignedData and embedded content; every signer has signed attributes. All sets are sorted, so
 * that neither certificates nor signers need be in the order given. Throws `invalid_argument` without signers, and what
 * a signer's `sign` throws.
 */
export async function buildSignedData(plan: SignedDataPlan): Promise<Uint8Array> {
  if (plan.signers.length === 0) throw new AppError('invalid_argument', 'A SignedData to build needs a signer.')
  const signerInfos: Uint8Array[] = []
  for (const signer of plan.signers) signerInfos.push(await encodeSignerInfo(signer, plan))
  const digests = new Set(plan.signers.map(({ scheme }) => digestOfScheme(scheme)))
  const isSignedByKeyId = plan.signers.some(({ sid }) => sid.kind === 'keyId')
  return encodeSignedData({
    version: isSignedByKeyId || plan.eContentType !== OID.id_data ? 3 : 1,
    digestAlgorithms: [...digests].map(encodeDigestAlgorithm),
    eContentType: plan.eContentType,
    eContent: plan.eContent,
    certificates: plan.certificates,
    crls: plan.crls ?? [],
    signerInfos
  })
}

/** What a bundle carries; the content, with its type, only where a format keeps something beside the certificates. */
export interface CertificateBundlePlan {
  /** Certificate elements. */
  readonly certificates: readonly Uint8Array[]
  /** CertificateList elements. */
  readonly crls?: readonly Uint8Array[]
  readonly content?: Uint8Array
  /** What `content` is, in dotted decimal; id-data when left out. */
  readonly contentType?: string
}

/** A SignedData without signers that carries certificates and CRLs (RFC 5652, 5.2, last paragraph; "certs-only"). */
export function buildCertificateBundle(plan: CertificateBundlePlan): Uint8Array {
  const { contentType = OID.id_data } = plan
  return encodeSignedData({
    version: contentType === OID.id_data ? 1 : 3,
    digestAlgorithms: [],
    eContentType: contentType,
    eContent: plan.content,
    certificates: plan.certificates,
    crls: plan.crls ?? [],
    signerInfos: []
  })
}

function encodeSignedData(parts: {
  readonly version: number
  readonly digestAlgorithms: readonly Uint8Array[]
  readonly eContentType: string
  readonly eContent: Uint8Array | undefined
  readonly certificates: readonly Uint8Array[]
  readonly crls: readonly Uint8Array[]
  readonly signerInfos: readonly Uint8Array[]
}): Uint8Array {
  const content = parts.eContent === undefined ? [] : [encodeContext(0, encodeOctetString(parts.eContent))]
  return encodeContentInfo(
    OID.id_signedData,
    encodeSequence(
      encodeInteger(parts.version),
      encodeSetOf(parts.digestAlgorithms),
      encodeSequence(encodeOid(parts.eContentType), ...content),
      ...encodeOptionalSet(0, parts.certificates),
      ...encodeOptionalSet(1, parts.crls),
      encodeSetOf(parts.signerInfos)
    )
  )
}

async function encodeSignerInfo(signer: SignerPlan, plan: SignedDataPlan): Promise<Uint8Array> {
  const digest = digestOfScheme(signer.scheme)
  const attributes = [
    encodeAttribute(OID.id_contentType, [encodeOid(plan.eContentType)]),
    encodeAttribute(OID.id_messageDigest, [encodeOctetString(hash(digest, plan.eContent, 'buffer'))]),
    ...(signer.signedAttributes ?? [])
  ]
  const signed = encodeSetOf(attributes)
  const signature = await signer.sign(signed)
  return encodeSequence(
    encodeInteger(signer.sid.kind === 'keyId' ? 3 : 1),
    encodeIdentifier(signer.sid),
    encodeDigestAlgorithm(digest),
    encodeSetOf(attributes, contextTag(0)),
    signer.signatureAlgorithm ?? encodeSignatureAlgorithm(signer.scheme),
    encodeOctetString(signature),
    ...encodeOptionalSet(1, signer.unsignedAttributes ?? [])
  )
}

function encodeOptionalSet(tag: number, members: readonly Uint8Array[]): Uint8Array[] {
  return members.length === 0 ? [] : [encodeSetOf(members, contextTag(tag))]
}
