import { isAppError, toHex } from '@app/core'
import { decodeEnvelopedData, getOnlyRecipient, type KeyTransport } from '@app/cms'
import { OID } from '@app/oid'
import { decodeCertificate, formatName, type PublicKeyInfo } from '@app/x509'
import { findArchivedKey, findStatedKeyHash, matchesEnvelope, type FoundArchivedKey } from './archived-key.js'
import { inspectResponse } from './inspect-response.js'
import type {
  InspectedArchivedKey,
  InspectedCertificate,
  InspectedRequest,
  Inspection,
  OpenedArchivedKey
} from './inspection.js'
import { describeCertificate } from './inspection-certificate.js'
import { describeSigner, inspectSignatures, missingSignature } from './inspection-signature.js'
import { describeAttribute, describeExtension } from './inspection-text.js'
import { findRenewedCertificate, findRequesterName, requestFactsOf, type RequestFacts } from './request-facts.js'
import { messageFormOf } from './request-form.js'
import { decodeRequestMessage, type RequestMessage } from './request-message.js'

/** What an inspection may do besides reading. */
export interface InspectionOptions {
  /**
   * Opens the archived key and tells what it is; the caller has the exchange key and wipes what it decrypts. What it
   * throws is thrown.
   */
  readonly openArchivedKey?: (envelope: Uint8Array, requestKey: PublicKeyInfo) => Promise<OpenedArchivedKey>
}

/**
 * Tells everything about a request of any form or about a full response, without trust in any of it. Signatures, proofs
 * and hashes that fail are reported, not thrown; SHA-1 counts as valid. Throws what the decoders throw for a message that
 * cannot be read.
 */
export async function inspectRequest(bytes: Uint8Array, options: InspectionOptions = {}): Promise<Inspection> {
  if (messageFormOf(bytes) === 'full-response') return inspectResponse(bytes)
  const message = decodeRequestMessage(bytes)
  const facts = requestFactsOf(message)
  const { signatures, proof } = inspectSignatures(message, facts.publicKey)
  const [signature = missingSignature(), ...otherSignatures] = signatures
  return {
    format: facts.format,
    dialect: facts.dialect,
    subject: facts.subject === undefined ? null : formatName(facts.subject),
    template: describeTemplate(facts),
    attributes: facts.attributes
      .filter(({ oid }) => oid !== OID.extensionRequest && oid !== OID.szOID_CERT_EXTENSIONS)
      .map(describeAttribute),
    extensions: facts.extensions.map(describeExtension),
    publicKey: describeKey(facts.publicKey),
    signature,
    ...(otherSignatures.length === 0 ? {} : { otherSignatures }),
    proofOfPossession: proof,
    renewal: describeRenewal(facts),
    onBehalfOf: findRequesterName(facts, message)?.account ?? null,
    ...describeControls(facts),
    ...(await describeArchivedKey(message, facts, options))
  }
}

function describeTemplate({ template }: RequestFacts): InspectedRequest['template'] {
  const { names, ...identified } = template
  return names.length === 0 ? identified : { name: names.join(', '), ...identified }
}

function describeKey(key: PublicKeyInfo): InspectedRequest['publicKey'] {
  const { algorithm, bits, curve, keyId } = key
  return { algorithm, bits, keyId: toHex(keyId), ...(curve === undefined ? {} : { curve }) }
}

function describeRenewal(facts: RequestFacts): InspectedCertificate | null {
  const renewed = findRenewedCertificate(facts)
  return renewed === undefined ? null : describeCertificate(decodeCertificate(renewed))
}

function describeControls(
  facts: RequestFacts
): Pick<InspectedRequest, 'registrationInfo' | 'transactionId' | 'senderNonce'> {
  const { registrationInfo, transactionId, senderNonce } = facts
  return {
    ...(registrationInfo.length === 0 ? {} : { registrationInfo }),
    ...(transactionId === undefined ? {} : { transactionId: toHex(transactionId) }),
    ...(senderNonce === undefined ? {} : { senderNonce: toHex(senderNonce) })
  }
}

async function describeArchivedKey(
  message: RequestMessage,
  facts: RequestFacts,
  options: InspectionOptions
): Promise<Pick<InspectedRequest, 'archivedKey'>> {
  const described = describeFoundKey(message)
  if (described === undefined) return {}
  const { found, archivedKey } = described
  if (found === undefined || options.openArchivedKey === undefined) return { archivedKey }
  const opened = await options.openArchivedKey(found.envelope, facts.publicKey)
  return { archivedKey: { ...(archivedKey as InspectedArchivedKey), opened } }
}

function describeFoundKey(
  message: RequestMessage
):
  | { readonly found?: FoundArchivedKey; readonly archivedKey: NonNullable<InspectedRequest['archivedKey']> }
  | undefined {
  try {
    const found = findArchivedKey(message)
    return found === undefined ? undefined : { found, archivedKey: describeEnvelope(found, message) }
  } catch (error) {
    if (!isAppError(error)) throw error
    return { archivedKey: { present: true, error: { code: error.code, message: error.message } } }
  }
}

function describeEnvelope(found: FoundArchivedKey, message: RequestMessage): InspectedArchivedKey {
  const enveloped = decodeEnvelopedData(found.envelope)
  const { identifier, transport } = getOnlyRecipient(enveloped)
  const stated = message.format === 'cmc' ? findStatedKeyHash(message) : undefined
  const { kind: _kind, ...recipient } = describeSigner(identifier)
  return {
    present: true,
    placement: found.placement,
    recipient,
    keyTransport: describeTransport(transport),
    contentEncryption: enveloped.contentEncryption.algorithm,
    keyHash:
      stated === undefined ? null : { algorithm: stated.algorithm, matches: matchesEnvelope(stated, found.envelope) }
  }
}

function describeTransport(transport: KeyTransport): string {
  return transport.scheme === 'rsaes-oaep' ? `${transport.scheme} (${transport.digest})` : transport.scheme
}
