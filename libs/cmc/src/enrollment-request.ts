import { AppError } from '@app/core'
import { decodeContentInfo, encodeContentInfo, removeUnsignedAttribute } from '@app/cms'
import { DerReader, encodeContext, encodeOctetString, encodeOid, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import {
  findArchivedKey,
  findStatedKeyHash,
  verifyArchivedKey,
  type ArchivedKey,
  type KeyHash
} from './archived-key.js'
import type { ControlMeaning } from './control.js'
import { eraseArchiveOptions } from './crmf-archive.js'
import { decodePkiData } from './pki-data.js'
import { findOnBehalfOf, findRenewedCertificate, requestFactsOf, type RequestFacts } from './request-facts.js'
import type { RequestFormat } from './request-flags.js'
import { identityClaimOf, type IdentityClaim } from './identity-claim.js'
import { decodeRequestMessage, type CmcMessage, type RequestMessage } from './request-message.js'
import { verifyCmcProof, verifyPkcs10Proof, type ProofOptions, type RequestProof } from './request-proof.js'

/** A request for a new certificate whose signatures, proof of possession and archived-key binding have been verified. */
export interface EnrollmentRequest extends RequestFacts {
  /** The message as received. */
  readonly raw: Uint8Array
  /**
   * The message to keep: `raw` without the archived key. An archived key in an unsigned attribute is removed, and the
   * signature stays valid. One inside of a CRMF request is overwritten with zeros, since it is signed:
   * `storedIsRedacted` then, and no signature of `stored` verifies any more.
   */
  readonly stored: Uint8Array
  readonly storedIsRedacted: boolean
  readonly proof: RequestProof
  readonly archivedKey?: ArchivedKey
  /** A claim of identity with a shared secret. Who knows the secret must verify it. */
  readonly identityProof?: IdentityClaim
}

/** How a request is read. */
export interface EnrollmentOptions extends ProofOptions {
  /** The form that the caller announced. */
  readonly expectFormat?: RequestFormat
}

/**
 * Reads a request for a new certificate: strict decoding, then every signature, the proof of possession, and the place,
 * form and hash of an archived key (MS-WCCE 3.2.1.4.2.1.4 and 3.2.2.6.2.1.2; RFC 10002 (RFC 5272), 3). Throws
 * `message_type_invalid` when the form is not the announced one or may not carry what it carries, `form_not_supported`
 * for renewals, requests on behalf of another, PKCS#7 and KEYGEN forms and for controls that ask for something else, and
 * what the parts throw. Whether policy wants the request is not judged.
 */
export function readEnrollmentRequest(bytes: Uint8Array, options: EnrollmentOptions = {}): EnrollmentRequest {
  const message = decodeRequestMessage(bytes)
  if (options.expectFormat !== undefined && options.expectFormat !== message.format) {
    throw new AppError('message_type_invalid', `The message is ${message.format}, not ${options.expectFormat}.`, {
      expected: options.expectFormat,
      found: message.format
    })
  }
  switch (message.format) {
    case 'pkcs10': {
      findArchivedKey(message)
      const facts = requestFactsOf(message)
      verifyPurpose(facts, message)
      const proof = verifyPkcs10Proof(message.request, options)
      return { ...facts, raw: bytes, stored: bytes, storedIsRedacted: false, proof }
    }
    case 'cmc':
      return readCmcRequest(message, options)
    case 'pkcs7':
      throw new AppError(
        'form_not_supported',
        'A PKCS#7 request renews a certificate or is made on behalf of another; neither is processed yet. Use CMC.',
        { format: message.format }
      )
    case 'keygen':
      throw new AppError(
        'form_not_supported',
        'KEYGEN requests are recognised and not processed. Use PKCS#10 or CMC.',
        {
          format: message.format
        }
      )
  }
}

function readCmcRequest(message: CmcMessage, options: ProofOptions): EnrollmentRequest {
  verifyControlsProcessed(message)
  const facts = requestFactsOf(message)
  const archived = findArchivedKey(message)
  verifyPurpose(facts, message)
  const proof = verifyCmcProof(message, facts, options)
  const archivedKey = archived === undefined ? undefined : verifyArchivedKey(archived, message, proof.digests)
  if (archivedKey === undefined && findStatedKeyHash(message) !== undefined) {
    throw new AppError(
      'cmc_key_hash_mismatch',
      'The request states the hash of an archived key and carries no key: it was lost or removed on the way.'
    )
  }
  const identityProof = identityClaimOf(message)
  return {
    ...facts,
    raw: message.raw,
    ...storedForm(message, archivedKey),
    proof,
    ...(archivedKey === undefined ? {} : { archivedKey }),
    ...(identityProof === undefined ? {} : { identityProof })
  }
}

/** Controls that a request for a certificate may have; every other one that is known asks for something else. */
const PROCESSED: ReadonlySet<ControlMeaning['kind']> = new Set([
  'addAttributes',
  'addExtensions',
  'transactionId',
  'senderNonce',
  'recipientNonce',
  'regInfo',
  'dataReturn',
  'identification',
  'identityProofV2',
  'popLinkRandom'
])

/**
 * Nothing that parses may be passed over in silence (RFC 10002 (RFC 5272), 3.2.1.1), so that nothing can be smuggled
 * past the checks in a part that nobody looks at.
 */
function verifyControlsProcessed({ controls, pkiData, request }: CmcMessage): void {
  const control = controls.find(({ kind }) => !PROCESSED.has(kind))
  if (control !== undefined) {
    throw new AppError('form_not_supported', `The control ${control.kind} is not processed in a request.`, {
      control: control.kind,
      bodyPartId: control.bodyPartId
    })
  }
  if (pkiData.contentInfos.length + pkiData.otherMessages.length > 0) {
    throw new AppError('form_not_supported', 'Messages inside of a CMC message are not processed; send them alone.')
  }
  if (request.kind !== 'crmf') return
  const known = new Set<string>([OID.id_regCtrl_pkiArchiveOptions, OID.id_cmc_popLinkWitnessV2])
  const unknown = request.message.controls.find(({ type }) => !known.has(type))
  if (unknown !== undefined) {
    throw new AppError('cmc_unknown_control', `The CRMF control ${unknown.type} is not processed; leave it out.`, {
      control: unknown.type,
      bodyPartId: request.bodyPartId
    })
  }
}

/** Refuses requests that would need another authority than the requested key's (MS-WCCE 3.2.1.4.2.1.4, table of forms). */
function verifyPurpose(facts: RequestFacts, message: RequestMessage): void {
  const isRenewal = findRenewedCertificate(facts) !== undefined
  if (!isRenewal && findOnBehalfOf(facts, message) === undefined) return
  const purpose = isRenewal ? 'renews a certificate' : 'is made on behalf of another'
  if (facts.format === 'pkcs10') {
    throw new AppError('message_type_invalid', `The request ${purpose}, which a PKCS#10 alone cannot do.`, { purpose })
  }
  throw new AppError('form_not_supported', `The request ${purpose}, which is not processed yet.`, { purpose })
}

function storedForm(
  message: CmcMessage,
  archivedKey: ArchivedKey | undefined
): Pick<EnrollmentRequest, 'stored' | 'storedIsRedacted'> {
  if (archivedKey === undefined) return { stored: message.raw, storedIsRedacted: false }
  if (archivedKey.placement === 'crmf-control') return { stored: redactArchiveControl(message), storedIsRedacted: true }
  return { stored: removeUnsignedAttribute(message.raw, OID.szOID_ARCHIVED_KEY_ATTR), storedIsRedacted: false }
}

function redactArchiveControl(message: CmcMessage): Uint8Array {
  const content = Uint8Array.from(message.content)
  for (const request of decodePkiData(content).requests) {
    if (request.kind !== 'crmf') continue
    request.message.controls
      .filter(({ type }) => type === OID.id_regCtrl_pkiArchiveOptions)
      .forEach(control => eraseArchiveOptions(control))
  }
  const [version, digestAlgorithms, , ...rest] = membersOf(decodeContentInfo(message.raw).content)
  const encapsulated = encodeSequence(encodeOid(OID.id_cct_PKIData), encodeContext(0, encodeOctetString(content)))
  const members = [version as Uint8Array, digestAlgorithms as Uint8Array, encapsulated, ...rest]
  return encodeContentInfo(OID.id_signedData, encodeSequence(...members))
}

function membersOf(sequence: Uint8Array): Uint8Array[] {
  return DerReader.over(sequence)
    .sequence('SignedData')
    .each(members => members.any('member of SignedData').raw)
}

/** A stored request: what it says, and the hash of the key that came with it when its signed part states one. */
export interface StoredRequest extends RequestFacts {
  readonly keyHash?: KeyHash
}

/**
 * Reads what `EnrollmentRequest.stored` says without verifying it again. Throws what the decoders throw; never for a
 * message that {@link readEnrollmentRequest} accepted.
 */
export function decodeStoredRequest(stored: Uint8Array): StoredRequest {
  const message: RequestMessage = decodeRequestMessage(stored)
  const keyHash = message.format === 'cmc' ? findStatedKeyHash(message) : undefined
  return { ...requestFactsOf(message), ...(keyHash === undefined ? {} : { keyHash }) }
}
