import { hash } from 'node:crypto'
import { equalBytes, toHex } from '@app/core'
import { findCmcFailInfoName, findCmcStatusName } from './cmc-status.js'
import { decodeFullResponse, type FullResponse } from './full-response.js'
import { describeCertificate } from './inspection-certificate.js'
import { inspectSigners, missingSignature } from './inspection-signature.js'
import type { InspectedResponse, InspectedStatus } from './inspection.js'
import type { OtherInfo, StatusInfo } from './status-info.js'

/**
 * Tells everything about a full response, without trust in any of it: its signature is checked against the signer's
 * certificate inside of it. Throws what `decodeFullResponse` throws.
 */
export function inspectResponse(bytes: Uint8Array): InspectedResponse {
  const response = decodeFullResponse(bytes)
  const [signature = missingSignature()] = inspectSigners(response.signedData, undefined)
  const statuses = response.statusInfos.map(describeStatus)
  const { encryptedKeyHash, transactionId, recipientNonce } = response
  return {
    format: 'full-response',
    signature,
    status: statuses[0] ?? { value: 0, name: 'success', string: null },
    ...(statuses.length > 1 ? { statuses } : {}),
    issuedCertificateHash: describeCertificateHash(response),
    encryptedKeyHash:
      encryptedKeyHash === undefined
        ? null
        : { algorithm: encryptedKeyHash.algorithm, value: toHex(encryptedKeyHash.value) },
    ...(transactionId === undefined ? {} : { transactionId: toHex(transactionId) }),
    ...(recipientNonce === undefined ? {} : { recipientNonce: toHex(recipientNonce) }),
    certificates: response.certificates.map(describeCertificate)
  }
}

function describeStatus({ status, statusString, otherInfo }: StatusInfo): InspectedStatus {
  return {
    value: status,
    name: findCmcStatusName(status) ?? String(status),
    string: statusString ?? null,
    ...describeOtherInfo(otherInfo)
  }
}

function describeOtherInfo(info: OtherInfo | undefined): Pick<InspectedStatus, 'failInfo' | 'pendInfo'> {
  if (info?.kind === 'failInfo') {
    return { failInfo: { value: info.failInfo, name: findCmcFailInfoName(info.failInfo) ?? String(info.failInfo) } }
  }
  if (info?.kind !== 'pendInfo') return {}
  return { pendInfo: { token: toHex(info.pendInfo.token), time: info.pendInfo.time.toISOString() } }
}

function describeCertificateHash(response: FullResponse): InspectedResponse['issuedCertificateHash'] {
  const { issuedCertificateHash: stated, certificates } = response
  if (stated === undefined) return null
  const matches = certificates.some(({ raw }) => equalBytes(hash('sha1', raw, 'buffer'), stated))
  return { algorithm: 'sha1', value: toHex(stated), matches }
}
