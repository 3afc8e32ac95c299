import { AppError } from '@app/core'
import { decodeSignedData, type SignedData } from '@app/cms'
import { decodeCertificationRequest, type CertificationRequest } from '@app/x509'
import { decodeControls, type Control } from './control.js'
import type { CertReqMsg } from './crmf.js'
import { decodeKeygenRequest, type KeygenRequest } from './keygen.js'
import { decodePkiData, type PkiData, type TaggedRequest } from './pki-data.js'
import { messageFormOf } from './request-form.js'

/** The one certification request of a CMC message. */
export type CmcRequest =
  | { readonly kind: 'pkcs10'; readonly bodyPartId: number; readonly request: CertificationRequest }
  | { readonly kind: 'crmf'; readonly bodyPartId: number; readonly message: CertReqMsg }

/** A full PKI request as received; nothing in it has been verified. */
export interface CmcMessage {
  readonly format: 'cmc'
  readonly raw: Uint8Array
  readonly signedData: SignedData
  /** The PKIData element: the content that is signed. */
  readonly content: Uint8Array
  readonly pkiData: PkiData
  readonly controls: readonly Control[]
  readonly request: CmcRequest
}

/** A request in any of the forms as received; nothing in it has been verified. */
export type RequestMessage =
  | { readonly format: 'pkcs10'; readonly raw: Uint8Array; readonly request: CertificationRequest }
  | {
      readonly format: 'pkcs7'
      readonly raw: Uint8Array
      readonly signedData: SignedData
      readonly request: CertificationRequest
    }
  | CmcMessage
  | { readonly format: 'keygen'; readonly raw: Uint8Array; readonly request: KeygenRequest }

/**
 * Reads a request of any form, told by its bytes. Throws `message_type_invalid` for a message of another form, full
 * responses included; `cmc_request_count` unless a CMC message has exactly one certification request;
 * `form_not_supported` when that is of an external form; and what the decoders of the parts throw.
 */
export function decodeRequestMessage(bytes: Uint8Array): RequestMessage {
  const format = messageFormOf(bytes)
  switch (format) {
    case 'pkcs10':
      return { format, raw: bytes, request: decodeCertificationRequest(bytes) }
    case 'keygen':
      return { format, raw: bytes, request: decodeKeygenRequest(bytes) }
    case 'pkcs7': {
      const signedData = decodeSignedData(bytes)
      return { format, raw: bytes, signedData, request: decodeCertificationRequest(getContent(signedData)) }
    }
    case 'cmc':
      return decodeCmcMessage(bytes)
    case 'full-response':
      throw new AppError('message_type_invalid', 'The message is a full response where a request is expected.')
  }
}

function decodeCmcMessage(bytes: Uint8Array): CmcMessage {
  const signedData = decodeSignedData(bytes)
  const content = getContent(signedData)
  const pkiData = decodePkiData(content)
  const controls = decodeControls(pkiData.controls)
  return {
    format: 'cmc',
    raw: bytes,
    signedData,
    content,
    pkiData,
    controls,
    request: getOnlyRequest(pkiData.requests)
  }
}

/** The content of a SignedData. Throws `cms_content_missing` when it is detached. */
export function getContent(signedData: SignedData): Uint8Array {
  if (signedData.eContent === undefined) {
    throw new AppError('cms_content_missing', 'The CMS message is without its content; embed it.')
  }
  return signedData.eContent
}

function getOnlyRequest(requests: readonly TaggedRequest[]): CmcRequest {
  const [only] = requests
  if (only === undefined || requests.length > 1) {
    throw new AppError('cmc_request_count', `The message has ${requests.length} requests; exactly one is processed.`, {
      requests: requests.length
    })
  }
  const { bodyPartId } = only
  switch (only.kind) {
    case 'pkcs10':
      return { kind: 'pkcs10', bodyPartId, request: decodeCertificationRequest(only.request) }
    case 'crmf':
      return { kind: 'crmf', bodyPartId, message: only.message }
    case 'other':
      throw new AppError('form_not_supported', `Requests of the external form ${only.type} are not processed.`, {
        form: only.type,
        bodyPartId
      })
  }
}
