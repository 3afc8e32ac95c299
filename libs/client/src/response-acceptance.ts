import { hash } from 'node:crypto'
import { decodeSignedData } from '@app/cms'
import {
  CMC_STATUS,
  decodeFullResponse,
  findCmcFailInfoName,
  findCmcStatusName,
  verifyFullResponse,
  type FullResponse,
  type KeyHash,
  type StatusInfo
} from '@app/cmc'
import { AppError, equalBytes, isAppError, toHex } from '@app/core'
import { verifyCertificateSignature, type Certificate, type PublicKeyInfo } from '@app/x509'
import { findSigner, verifyAuthority } from './authority-signature.js'
import type { RequestTies, RequestType } from './request-creation.js'

/** What is remembered of a request to hold its response against. */
export interface Expectation {
  readonly type: RequestType
  readonly publicKey: PublicKeyInfo
  /** Absent for PKCS#10, which has no place for them. */
  readonly ties?: RequestTies
  /** Present when the private key was archived. */
  readonly keyHash?: KeyHash
}

/** A certificate that has been found to be the answer to the request. */
export interface VerifiedResponse {
  readonly certificate: Certificate
  /** The CA's certificate and those above it, as far as the response has them, the nearest first. */
  readonly chain: readonly Certificate[]
}

/**
 * Holds a full response against its request and the pinned trust. It is refused, in this order, for
 *
 * 1. its signature (`response_signature`): not made by a CA that chains to the pinned trust,
 * 2. its content (`response_content_type`), which is not a PKIResponse,
 * 3. its transaction id or nonce (`response_transaction`), absent or not the request's,
 * 4. its status (`response_status`), another than success,
 * 5. its certificates (`response_certificate_count`): none was issued by that CA, or several for the pending key,
 * 6. the certificate's key (`response_key_mismatch`), not the pending key,
 * 7. the issued-certificate hash (`response_certificate_hash`), absent or another,
 * 8. the encrypted-key hash (`response_key_hash`), absent, another, or there without an archived key.
 *
 * A message that cannot be read is refused with the code of its fault.
 */
export async function verifyResponse(
  bytes: Uint8Array,
  expected: Expectation,
  trust: string,
  at: Date
): Promise<VerifiedResponse> {
  const ca = await verifyResponseSignature(bytes, trust, at)
  const response = decodeFullResponse(bytes)
  if (expected.ties !== undefined) verifyTies(response, expected.ties)
  verifyStatus(response.statusInfos)
  const certificate = getIssuedCertificate(response.certificates, ca, expected.publicKey)
  verifyCertificateHash(response, certificate, expected.keyHash !== undefined)
  verifyKeyHash(response.encryptedKeyHash, expected.keyHash)
  return { certificate, chain: chainFrom(ca, response.certificates) }
}

async function verifyResponseSignature(bytes: Uint8Array, trust: string, at: Date): Promise<Certificate> {
  const signedData = decodeSignedData(bytes)
  const ca = findSigner(signedData, 'response')
  verifyFullResponse({ signedData }, { caCertificate: ca })
  await verifyAuthority(ca, signedData.certificates, { what: 'response', trust, at })
  return ca
}

/** Without an echo the response may be to an earlier request, so its absence counts as a difference. */
function verifyTies(response: FullResponse, { transactionId, senderNonce }: RequestTies): void {
  const difference = isSame(response.transactionId, transactionId)
    ? isSame(response.recipientNonce, senderNonce)
      ? undefined
      : 'nonce'
    : 'transaction id'
  if (difference === undefined) return
  throw new AppError(
    'response_transaction',
    `The response is to another request: its ${difference} is not the request's.`,
    { what: difference }
  )
}

function isSame(found: Uint8Array | undefined, wanted: Uint8Array): boolean {
  return found !== undefined && equalBytes(found, wanted)
}

/** A response without any status reports success (RFC 10002 (RFC 5272), 6.1.2). */
function verifyStatus(statusInfos: readonly StatusInfo[]): void {
  const other = statusInfos.find(({ status }) => status !== CMC_STATUS.success)
  if (other === undefined) return
  const { status, statusString, otherInfo } = other
  const name = findCmcStatusName(status) ?? String(status)
  const failInfo = otherInfo?.kind === 'failInfo' ? findCmcFailInfoName(otherInfo.failInfo) : undefined
  const reason = [statusString, failInfo].filter(part => part !== undefined && part !== '').join(', ')
  throw new AppError(
    'response_status',
    `The CA has issued no certificate; it answers "${name}"${reason === '' ? '' : `: ${reason}`}.`,
    { status: name, ...(failInfo === undefined ? {} : { failInfo }) }
  )
}

function getIssuedCertificate(
  certificates: readonly Certificate[],
  ca: Certificate,
  pendingKey: PublicKeyInfo
): Certificate {
  const issued = certificates.filter(candidate => !equalBytes(candidate.raw, ca.raw) && isIssuedBy(candidate, ca))
  const matching = issued.filter(({ publicKey }) => equalBytes(publicKey.raw, pendingKey.raw))
  const [certificate] = matching
  if (certificate !== undefined && matching.length === 1) return certificate
  const evidence = { certificates: certificates.length, issued: issued.length, matching: matching.length }
  if (matching.length === 0 && issued.length === 1) {
    throw new AppError('response_key_mismatch', 'The certificate in the response is not for the pending key.', evidence)
  }
  throw new AppError(
    'response_certificate_count',
    `The response has ${matching.length} certificates of its CA for the pending key; there must be one.`,
    evidence
  )
}

function isIssuedBy(certificate: Certificate, ca: Certificate): boolean {
  if (!equalBytes(certificate.issuer.raw, ca.subject.raw)) return false
  try {
    verifyCertificateSignature(certificate, ca.publicKey)
    return true
  } catch (error) {
    if (isAppError(error)) return false
    throw error
  }
}

/**
 * The standard knows no such hash, so an answer in its form (statuses of version 2) may lack it; not so Microsoft's form,
 * nor any answer about an archived key.
 */
function verifyCertificateHash(response: FullResponse, certificate: Certificate, isKeyArchived: boolean): void {
  const { issuedCertificateHash: stated, statusInfos } = response
  const isStandard = statusInfos.every(({ version }) => version === 2)
  if (stated === undefined && isStandard && !isKeyArchived) return
  if (stated === undefined || !equalBytes(stated, hash('sha1', certificate.raw, 'buffer'))) {
    throw new AppError(
      'response_certificate_hash',
      `The response states ${stated === undefined ? 'no hash' : 'the hash of another certificate'} where that of the issued certificate belongs.`,
      { stated: stated === undefined ? undefined : toHex(stated) }
    )
  }
}

function verifyKeyHash(stated: KeyHash | undefined, sent: KeyHash | undefined): void {
  if (stated === undefined && sent === undefined) return
  if (sent === undefined) {
    throw new AppError('response_key_hash', 'The response tells of an archived key, and the request carried none.')
  }
  if (stated === undefined) {
    throw new AppError('response_key_hash', 'The response does not confirm that the private key was archived.')
  }
  if (!equalBytes(stated.value, sent.value)) {
    throw new AppError('response_key_hash', 'The response confirms the archival of another key than the one sent.', {
      stated: toHex(stated.value),
      sent: toHex(sent.value)
    })
  }
}

function chainFrom(ca: Certificate, certificates: readonly Certificate[]): readonly Certificate[] {
  const chain = [ca]
  for (let last = ca; !equalBytes(last.issuer.raw, last.subject.raw);) {
    const { issuer } = last
    const next = certificates.find(
      ({ subject, raw }) => equalBytes(subject.raw, issuer.raw) && !chain.some(known => equalBytes(known.raw, raw))
    )
    if (next === undefined) return chain
    chain.push(next)
    last = next
  }
  return chain
}
