import { AppError } from '@app/core'
import { DerReader, TAG } from '@app/der'
import { OID } from '@app/oid'
import type { RequestFormat } from './request-flags.js'

/** The forms of message this library reads. */
export type MessageForm = RequestFormat | 'full-response'

/**
 * Tells the form of a message by its ASN.1 alone: labels, media types and flags are only ever compared with it. Throws
 * `message_type_invalid` for anything else, `cms_content_missing` when a SignedData holds no content, or a `der_…` code.
 */
export function messageFormOf(bytes: Uint8Array): MessageForm {
  const message = DerReader.over(bytes)
  const outer = message.sequence('message')
  message.end('message')
  if (outer.nextTag === TAG.oid) return signedFormOf(outer)
  // CertificationRequestInfo begins with its version, PublicKeyAndChallenge with a key that a challenge follows.
  if (outer.nextTag === TAG.sequence) {
    const inner = outer.sequence('message body')
    if (inner.nextTag === TAG.integer) return 'pkcs10'
    const key = inner.optional(TAG.sequence, 'public key')
    if (key !== undefined && inner.optional(TAG.ia5String, 'challenge') !== undefined) return 'keygen'
  }
  throw unknownForm('the message is neither a PKCS#10, a KEYGEN request nor a CMS message')
}

function signedFormOf(info: DerReader): MessageForm {
  const contentType = info.oid('contentType')
  if (contentType !== OID.id_signedData) {
    throw unknownForm('the CMS message is not a SignedData', contentType)
  }
  const body = info.explicit(0, 'content').sequence('SignedData')
  body.element(TAG.integer, 'version of SignedData')
  body.element(TAG.set, 'digestAlgorithms')
  const content = body.sequence('encapContentInfo')
  const eContentType = content.oid('eContentType')
  switch (eContentType) {
    case OID.id_cct_PKIData:
      return 'cmc'
    case OID.id_cct_PKIResponse:
      return 'full-response'
    case OID.id_data:
      if (content.isEnd) throw new AppError('cms_content_missing', 'The SignedData holds no request; embed it.')
      return 'pkcs7'
    default:
      throw unknownForm('the SignedData holds neither a request nor a CMC message', eContentType)
  }
}

function unknownForm(why: string, found?: string): AppError {
  return new AppError('message_type_invalid', `Not a request: ${why}.`, found === undefined ? {} : { found })
}
