import { AppError } from '@app/core'
import { contextTag, encodeSequence, encodeSetOf, encodeTlv, TAG, DerReader } from '@app/der'
import { OID } from '@app/oid'
import { encodeContentInfo, decodeContentInfo } from './content-info.js'
import { decodeSignedData, type SignerInfo } from './signed-data.js'

/**
 * The SignedData with attribute elements added to the unsigned attributes of one signer, counted from 0 in the order
 * received. Everything else stays as it was, so every signature stays valid. Throws `invalid_argument` when there is no
 * such signer, and what `decodeSignedData` throws.
 */
export function withUnsignedAttributes(
  contentInfo: Uint8Array,
  signerIndex: number,
  attributes: readonly Uint8Array[]
): Uint8Array {
  const { signerInfos } = decodeSignedData(contentInfo)
  if (signerInfos[signerIndex] === undefined) {
    throw new AppError('invalid_argument', `The message has no signer ${signerIndex}.`, { signers: signerInfos.length })
  }
  if (attributes.length === 0) return contentInfo
  return replaceSignerInfos(
    contentInfo,
    signerInfos.map((signer, index) => {
      if (index !== signerIndex) return signer.raw
      const present = signer.unsignedAttributes.map(({ raw }) => raw)
      return replaceUnsignedAttributes(signer, encodeSetOf([...present, ...attributes], contextTag(1)))
    })
  )
}

/**
 * The SignedData without the unsigned attributes of a type, whoever's they are; the input itself when there are none.
 * Everything else stays as it was, so every signature stays valid. Throws what `decodeSignedData` throws.
 */
export function removeUnsignedAttribute(contentInfo: Uint8Array, oid: string): Uint8Array {
  const { signerInfos } = decodeSignedData(contentInfo)
  const hasAttribute = (signer: SignerInfo): boolean => signer.unsignedAttributes.some(found => found.oid === oid)
  if (!signerInfos.some(hasAttribute)) return contentInfo
  return replaceSignerInfos(
    contentInfo,
    signerInfos.map(signer => {
      if (!hasAttribute(signer)) return signer.raw
      const kept = signer.unsignedAttributes.filter(found => found.oid !== oid).map(({ raw }) => raw)
      return replaceUnsignedAttributes(signer, kept.length === 0 ? undefined : encodeTlv(contextTag(1), ...kept))
    })
  )
}

function replaceUnsignedAttributes(signer: SignerInfo, replacement: Uint8Array | undefined): Uint8Array {
  const kept = membersOf(signer.raw, 'SignerInfo')
  if (signer.unsignedAttributes.length > 0) kept.pop()
  return encodeSequence(...kept, ...(replacement === undefined ? [] : [replacement]))
}

/** The signers keep their order: DER has no say over it (RFC 5652, 5.1), and callers count them. */
function replaceSignerInfos(contentInfo: Uint8Array, signerInfos: readonly Uint8Array[]): Uint8Array {
  const members = membersOf(decodeContentInfo(contentInfo).content, 'SignedData').slice(0, -1)
  return encodeContentInfo(OID.id_signedData, encodeSequence(...members, encodeTlv(TAG.set, ...signerInfos)))
}

function membersOf(sequence: Uint8Array, what: string): Uint8Array[] {
  return DerReader.over(sequence)
    .sequence(what)
    .each(members => members.any(what).raw)
}
