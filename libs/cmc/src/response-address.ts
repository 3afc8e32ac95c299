import { isAppError } from '@app/core'
import { decodeSignedData } from '@app/cms'
import { OID } from '@app/oid'
import { controlsOf, decodeControl, findOctets, type Control } from './control.js'
import type { TaggedAttribute } from './message-part.js'
import { decodePkiData, type PkiData } from './pki-data.js'
import { requestFactsOf, type RequestFacts } from './request-facts.js'
import { messageFormOf } from './request-form.js'
import { decodeRequestMessage, getContent } from './request-message.js'

/** What the response to a message is addressed with. It is the sender's word; nothing of it has been verified. */
export type ResponseAddress = Pick<RequestFacts, 'format' | 'dialect' | 'bodyPartId' | 'transactionId' | 'senderNonce'>

/**
 * How to address the response to a message that is refused, as far as the message can be read: whoever sent a message
 * that is wrong in one part finds the transaction and nonce of the others in the answer (RFC 10002 (RFC 5272), 6.6).
 * Undefined for bytes that are no request at all. Throws nothing that depends on the message.
 */
export function findResponseAddress(bytes: Uint8Array): ResponseAddress | undefined {
  return attempt(() => requestFactsOf(decodeRequestMessage(bytes))) ?? attempt(() => addressWithin(bytes))
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isAppError(error) && error.code !== 'internal') return undefined
    throw error
  }
}

function addressWithin(bytes: Uint8Array): ResponseAddress | undefined {
  const format = messageFormOf(bytes)
  if (format === 'full-response') return undefined
  if (format !== 'cmc') return { format, dialect: 'microsoft', bodyPartId: 1 }
  const pkiData = decodePkiData(getContent(decodeSignedData(bytes)))
  const controls = pkiData.controls.flatMap(control => readableControl(control))
  const [transaction, otherTransaction] = controlsOf(controls, 'transactionId')
  const senderNonce = findOctets(controls, 'senderNonce')
  return {
    format,
    dialect: dialectOf(pkiData),
    // Zero stands for the whole message (RFC 10002 (RFC 5272), 3.2.2).
    bodyPartId: pkiData.requests[0]?.bodyPartId ?? 0,
    ...(transaction === undefined || otherTransaction !== undefined ? {} : { transactionId: transaction.content }),
    ...(senderNonce === undefined ? {} : { senderNonce })
  }
}

function readableControl(control: TaggedAttribute): readonly Control[] {
  const read = attempt(() => decodeControl(control))
  return read === undefined ? [] : [read]
}

function dialectOf({ controls, requests }: PkiData): RequestFacts['dialect'] {
  if (controls.some(({ type }) => type === OID.szOID_CMC_ADD_ATTRIBUTES)) return 'microsoft'
  return requests.some(({ kind }) => kind === 'pkcs10') && controls.length === 0 ? 'microsoft' : 'standard'
}
