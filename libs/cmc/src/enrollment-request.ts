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
import { endorsementsOf, type Endorsements } from './endorsements.js'
import { findRenewedCertificate, findRequesterName, requestFactsOf, type RequestFacts } from './request-facts.js'
import type { RequestFormat } from './request-flags.js'
import { identityClaimOf, type IdentityClaim } from './identity-claim.js'
import { decodeRequestMessage, type CmcMessage, type RequestMessage } from './request-message.js'
import { verifyInnerProof, verifyPkcs10Proof, type ProofOptions, type RequestProof } from './request-proof.js'
import { isRequestKey, verifyMessageSigners, type SignedMessage } from './request-signers.js'

/**
 * A request for a certificate, new or in place of another, whose signatures, proof of possession and archived-key binding
 * have been verified. Whether those who signed it may do so is for the policy.
 */
export interface EnrollmentRequest extends RequestFacts, Endorsements {
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
 * Reads a request for a certificate: strict decoding, then every signature, the proof of possession, and the place, form
 * and hash of an archived key (MS-WCCE 3.2.1.4.2.1.4 and 3.2.2.6.2.1.2; RFC 10002 (RFC 5272), 3). A renewal and a request
 * on behalf of another come with the certificates that signed them. Throws `message_type_invalid` when the form is not
 * the announced one or may not carry what it carries, `form_not_supported` for KEYGEN and for controls that ask for
 * something else, and what the parts throw. Whether policy wants the request is not judged.
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
      return { ...facts, signers: [], raw: bytes, stored: bytes, storedIsRedacted: false, proof }
    }
    case 'cmc':
      return readCmcRequest(message, options)
    case 'pkcs7': {
      findArchivedKey(message)
      return { ...readSignedRequest(message, options), raw: bytes, stored: bytes, storedIsRedacted: false }
    }
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

function readSignedRequest(
  message: SignedMessage,
  options: ProofOptions
): RequestFacts & Endorsements & Pick<EnrollmentRequest, 'proof'> {
  const facts = requestFactsOf(message)
  const signatures = verifyMessageSigners(message, facts, options)
  const proof = verifyInnerProof(message, signatures, options)
  return { ...facts, ...endorsementsOf(message, facts, signatures), proof }
}

function readCmcRequest(message: CmcMessage, options: ProofOptions): EnrollmentRequest {
  verifyControlsProcessed(message)
  const archived = findArchivedKey(message)
  const read = readSignedRequest(message, options)
  const archivedKey = archived === undefined ? undefined : verifyArchivedKey(archived, message, read.proof.digests)
  if (archivedKey === undefined && findStatedKeyHash(message) !== undefined) {
    throw new AppError(
      'cmc_key_hash_mismatch',
      'The request states the hash of an archived key and carries no key: it was lost or removed on the way.'
    )
  }
  if (archivedKey?.placement === 'crmf-control' && read.signers.length > 0) {
    throw new AppError(
      'form_not_supported',
      'A CRMF request with its private key inside cannot be signed by others: without the key nobody could verify it.'
    )
  }
  const identityProof = identityClaimOf(message)
  return {
    ...read,
    raw: message.raw,
    ...storedForm(message, archivedKey),
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

/** A PKCS#10 alone has no signer but its own key (MS-WCCE 3.2.1.4.2.1.4, table of forms). Throws `message_type_invalid`. */
function verifyPurpose(facts: RequestFacts, message: RequestMessage): void {
  const isRenewal = findRenewedCertificate(facts) !== undefined
  if (!isRenewal && findRequesterName(facts, message) === undefined) return
  const purpose = isRenewal ? 'renews a certificate' : 'is made on behalf of another'
  throw new AppError('message_type_invalid', `The request ${purpose}, which a PKCS#10 alone cannot do.`, { purpose })
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
  /** Whether others than the requested key signed it, which `verifyEndorsements` tells of. */
  readonly isEndorsed: boolean
  /** The certificate element that it renews. */
  readonly renewedCertificate?: Uint8Array
}

/**
 * Reads what `EnrollmentRequest.stored` says without verifying it again. Throws what the decoders throw; never for a
 * message that {@link readEnrollmentRequest} accepted.
 */
export function decodeStoredRequest(stored: Uint8Array): StoredRequest {
  const message: RequestMessage = decodeRequestMessage(stored)
  const facts = requestFactsOf(message)
  const keyHash = message.format === 'cmc' ? findStatedKeyHash(message) : undefined
  const renewedCertificate = findRenewedCertificate(facts)
  const signers = 'signedData' in message ? message.signedData.signerInfos : []
  return {
    ...facts,
    isEndorsed: renewedCertificate !== undefined || signers.some(signer => !isRequestKey(signer, facts)),
    ...(keyHash === undefined ? {} : { keyHash }),
    ...(renewedCertificate === undefined ? {} : { renewedCertificate })
  }
}
