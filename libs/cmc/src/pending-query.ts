import { AppError } from '@app/core'
import { decodeSignedData, verifySignerInfo } from '@app/cms'
import type { DigestName, PublicKeyInfo } from '@app/x509'
import { controlsOf, decodeControls, findOctets, type ControlMeaning } from './control.js'
import { decodePkiData } from './pki-data.js'
import { messageFormOf } from './request-form.js'
import { getContent } from './request-message.js'
import { getOnlySigner, type ProofOptions } from './request-proof.js'

/** A CMC message that asks after a pending request. */
export interface PendingQuery {
  readonly token: Uint8Array
  /** The content octets of the INTEGER. */
  readonly transactionId?: Uint8Array
  readonly senderNonce?: Uint8Array
  readonly recipientNonce?: Uint8Array
  /**
   * Verifies that the holder of the pending request's key asks. Throws what `verifySignerInfo` throws.
   */
  verify(publicKey: PublicKeyInfo, options?: ProofOptions): { readonly digest: DigestName }
}

const ALLOWED: ReadonlySet<ControlMeaning['kind']> = new Set([
  'queryPending',
  'transactionId',
  'senderNonce',
  'recipientNonce'
])

/**
 * Reads a message that asks after a pending request (RFC 10002 (RFC 5272), 6.13); undefined when the message is CMC and
 * asks for something else. Its signature is not verified before {@link PendingQuery.verify} is called. Throws
 * `form_not_supported` when it asks for something besides, `cms_no_signer`, `cms_signer_count`, and what the decoders of
 * the parts throw.
 */
export function findPendingQuery(bytes: Uint8Array): PendingQuery | undefined {
  if (messageFormOf(bytes) !== 'cmc') return undefined
  const signedData = decodeSignedData(bytes)
  const pkiData = decodePkiData(getContent(signedData))
  const controls = decodeControls(pkiData.controls)
  const token = findOctets(controls, 'queryPending')
  if (token === undefined) return undefined
  const parts = pkiData.requests.length + pkiData.contentInfos.length + pkiData.otherMessages.length
  if (parts > 0 || controls.some(({ kind }) => !ALLOWED.has(kind))) {
    throw new AppError('form_not_supported', 'A message that asks after a pending request must ask for nothing else.')
  }
  const signer = getOnlySigner(signedData.signerInfos)
  const [transaction] = controlsOf(controls, 'transactionId')
  const senderNonce = findOctets(controls, 'senderNonce')
  const recipientNonce = findOctets(controls, 'recipientNonce')
  return {
    token,
    ...(transaction === undefined ? {} : { transactionId: transaction.content }),
    ...(senderNonce === undefined ? {} : { senderNonce }),
    ...(recipientNonce === undefined ? {} : { recipientNonce }),
    verify: (publicKey, options = {}) => verifySignerInfo(signedData, signer, publicKey, options)
  }
}
