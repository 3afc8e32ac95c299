import { hash } from 'node:crypto'
import { AppError, equalBytesConstantTime } from '@app/core'
import { decodeEnvelopedData, getOnlyRecipient, type SignerIdentifier } from '@app/cms'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import { DIGEST_LENGTHS, type Attribute, type DigestName } from '@app/x509'
import { controlsOf } from './control.js'
import { decodeArchiveOptions } from './crmf-archive.js'
import type { CmcMessage, RequestMessage } from './request-message.js'

/** The hash of an archived key's envelope. */
export interface KeyHash {
  readonly algorithm: DigestName
  readonly value: Uint8Array
}

/** A private key that came with a request, still wrapped to the exchange certificate. */
export interface ArchivedKey {
  /** The ContentInfo element with the EnvelopedData. */
  readonly envelope: Uint8Array
  readonly placement: 'unsigned-attribute' | 'crmf-control'
  /** To which certificate it is wrapped: the one recipient there is. */
  readonly recipient: SignerIdentifier
  /**
   * What a response tells back. For `unsigned-attribute` the hash that the client sent in its signed part, checked; for
   * `crmf-control`, where the key itself is signed, SHA-256 over the envelope as computed here.
   */
  readonly hash: KeyHash
}

/** The archived key of a message before its hash is checked. */
export type FoundArchivedKey = Pick<ArchivedKey, 'envelope' | 'placement'>

/**
 * The archived key of a message; undefined when it has none. Throws `archived_key_misplaced` when one is anywhere but in
 * the unsigned attributes of the outermost signer or in the archive control of a CRMF request (MS-WCCE 2.2.2.7.8;
 * RFC 4211, 6.4), `archived_key_repeated` for a second one, and what `decodeArchiveOptions` throws.
 */
export function findArchivedKey(message: RequestMessage): FoundArchivedKey | undefined {
  const signers = 'signedData' in message ? message.signedData.signerInfos : []
  const misplaced: (readonly Attribute[])[] = signers.map(signer => signer.signedAttributes?.list ?? [])
  if (message.format === 'pkcs10' || message.format === 'pkcs7') misplaced.push(message.request.attributes)
  if (message.format === 'cmc') misplaced.push(...cmcAttributes(message))
  else misplaced.push(...signers.map(({ unsignedAttributes }) => unsignedAttributes))
  if (misplaced.some(attributes => attributes.some(isArchivedKey))) {
    throw new AppError(
      'archived_key_misplaced',
      'The archived key must be an unsigned attribute of the outermost signer of a CMC request.'
    )
  }
  return message.format === 'cmc' ? findPlacedKey(message) : undefined
}

function isArchivedKey({ oid }: { readonly oid: string }): boolean {
  return oid === OID.szOID_ARCHIVED_KEY_ATTR
}

function cmcAttributes({ controls, request }: CmcMessage): (readonly Attribute[])[] {
  const added = controlsOf(controls, 'addAttributes').map(({ attributes }) => attributes)
  return request.kind === 'pkcs10' ? [...added, request.request.attributes] : added
}

function findPlacedKey({ signedData, request }: CmcMessage): FoundArchivedKey | undefined {
  const attributes = signedData.signerInfos
    .flatMap(({ unsignedAttributes }) => unsignedAttributes)
    .filter(isArchivedKey)
  const controls =
    request.kind === 'crmf'
      ? request.message.controls.filter(({ type }) => type === OID.id_regCtrl_pkiArchiveOptions)
      : []
  const found: FoundArchivedKey[] = []
  for (const { values } of attributes) {
    for (const envelope of values) found.push({ envelope, placement: 'unsigned-attribute' })
    if (values.length === 0) throw new AppError('cms_attribute_values', 'The archived-key attribute has no value.')
  }
  for (const control of controls) found.push({ envelope: decodeArchiveOptions(control), placement: 'crmf-control' })
  if (found.length > 1) {
    throw new AppError('archived_key_repeated', `The request carries ${found.length} archived keys; one is accepted.`, {
      count: found.length
    })
  }
  return found[0]
}

/**
 * Checks the form of an archived key and its hash (MS-WCCE 3.2.2.6.2.1.2 and 2.2.2.7.9); the key is not decrypted.
 * `digests` are those that the request's signatures use. Throws `cms_recipient_count` unless there is one recipient,
 * `cmc_key_hash_missing`, `cmc_key_hash_algorithm` when the hash is of another algorithm than one of `digests` or SHA-1,
 * `cmc_key_hash_mismatch`, and what `decodeEnvelopedData` throws.
 */
export function verifyArchivedKey(
  found: FoundArchivedKey,
  message: CmcMessage,
  digests: readonly DigestName[]
): ArchivedKey {
  const { envelope } = found
  const recipient = getOnlyRecipient(decodeEnvelopedData(envelope)).identifier
  const stated = findStatedKeyHash(message)
  if (stated === undefined) {
    // Inside of the signed CRMF request the key needs no hash to be bound to it.
    if (found.placement === 'crmf-control') return { ...found, recipient, hash: hashEnvelope(envelope, 'sha256') }
    throw new AppError('cmc_key_hash_missing', 'The request carries an archived key and no hash of it.')
  }
  if (stated.algorithm !== 'sha1' && !digests.includes(stated.algorithm)) {
    throw new AppError(
      'cmc_key_hash_algorithm',
      `The hash of the archived key is ${stated.algorithm}; use the digest of the request (${digests.join(', ')}).`,
      { algorithm: stated.algorithm }
    )
  }
  if (!matchesEnvelope(stated, envelope)) {
    throw new AppError('cmc_key_hash_mismatch', 'The hash of the archived key is not that of the key in the request.', {
      algorithm: stated.algorithm
    })
  }
  return { ...found, recipient, hash: stated }
}

/** The hash over the whole ContentInfo element, as every real message has it. */
export function hashEnvelope(envelope: Uint8Array, algorithm: DigestName): KeyHash {
  return { algorithm, value: hash(algorithm, envelope, 'buffer') }
}

/** Whether a hash is that of an envelope, in a time that does not depend on where they differ. */
export function matchesEnvelope(stated: KeyHash, envelope: Uint8Array): boolean {
  return equalBytesConstantTime(stated.value, hashEnvelope(envelope, stated.algorithm).value)
}

/**
 * The hash of the archived key that the signed part of a request states; undefined when there is none. Its algorithm is
 * told by its length alone (MS-WCCE 2.2.2.7.9). Throws `cmc_control_repeated` for several, `cmc_key_hash_algorithm` for
 * the length of no hash, `cms_attribute_values` or a `der_…` code.
 */
export function findStatedKeyHash({ controls }: Pick<CmcMessage, 'controls'>): KeyHash | undefined {
  const found = controlsOf(controls, 'addAttributes')
    .flatMap(({ attributes }) => attributes)
    .filter(({ oid }) => oid === OID.szOID_ENCRYPTED_KEY_HASH)
  const [attribute] = found
  if (attribute === undefined) return undefined
  if (found.length > 1) {
    throw new AppError('cmc_control_repeated', 'The request states the hash of an archived key more than once.')
  }
  return decodeKeyHash(attribute)
}

/** Reads an encrypted-key-hash attribute; as {@link findStatedKeyHash}. */
export function decodeKeyHash(attribute: Attribute): KeyHash {
  const [element] = attribute.values
  if (element === undefined || attribute.values.length > 1) {
    throw new AppError('cms_attribute_values', 'The hash of the archived key must have one value.')
  }
  const reader = DerReader.over(element)
  const value = reader.octetString('hash of the archived key')
  reader.end('hash of the archived key')
  const lengths = Object.entries(DIGEST_LENGTHS) as [DigestName, number][]
  const algorithm = lengths.find(([, length]) => length === value.length)?.[0]
  if (algorithm === undefined) {
    throw new AppError('cmc_key_hash_algorithm', `The hash of the archived key has ${value.length} octets.`, {
      length: value.length
    })
  }
  return { algorithm, value }
}
