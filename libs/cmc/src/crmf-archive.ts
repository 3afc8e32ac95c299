import { AppError, concatBytes } from '@app/core'
import {
  contextTag,
  DerReader,
  encodeContext,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  primitiveContextTag,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import type { CrmfControl } from './crmf.js'

/**
 * The envelope of an archived key in a PKIArchiveOptions control, as a ContentInfo like the one Windows sends. Throws
 * `encrypted_value_unsupported` for the deprecated EncryptedValue, `form_not_supported` for the options that ask the CA
 * to generate or remember a key, or a `der_…` code.
 *
 * ```asn1
 * PKIArchiveOptions ::= CHOICE {
 *   encryptedPrivKey     [0] EncryptedKey,
 *   keyGenParameters     [1] KeyGenParameters,
 *   archiveRemGenPrivKey [2] BOOLEAN }
 * EncryptedKey ::= CHOICE {
 *   encryptedValue  EncryptedValue,
 *   envelopedData   [0] EnvelopedData }
 * ```
 * RFC 4211, 6.4. [0] of PKIArchiveOptions is explicit, since EncryptedKey is a CHOICE; the other tags are implicit.
 */
export function decodeArchiveOptions(control: CrmfControl): Uint8Array {
  const reader = DerReader.over(control.value)
  if (reader.nextTag === primitiveContextTag(1) || reader.nextTag === primitiveContextTag(2)) {
    const asked = reader.nextTag === primitiveContextTag(1) ? 'keyGenParameters' : 'archiveRemGenPrivKey'
    throw new AppError(
      'form_not_supported',
      `The archive option ${asked} asks for a key that the CA generates; archive the private key itself.`,
      { option: asked }
    )
  }
  const key = reader.explicit(0, 'encryptedPrivKey')
  reader.end('PKIArchiveOptions')
  if (key.nextTag === TAG.sequence) {
    throw new AppError(
      'encrypted_value_unsupported',
      'The archived key is in the deprecated EncryptedValue form; send it as EnvelopedData.'
    )
  }
  const { content } = key.element(contextTag(0), 'envelopedData')
  key.end('encryptedPrivKey')
  return encodeSequence(encodeOid(OID.id_envelopedData), encodeContext(0, encodeSequence(content)))
}

/**
 * A PKIArchiveOptions control from a ContentInfo with EnvelopedData; {@link decodeArchiveOptions} gives back the same
 * ContentInfo. Throws `cms_content_type_mismatch` for other content, AuthEnvelopedData included: CRMF has no place for
 * it.
 */
export function encodeArchiveOptions(envelope: Uint8Array): CrmfControl {
  const info = DerReader.over(envelope).sequence('ContentInfo')
  const contentType = info.oid('contentType')
  if (contentType !== OID.id_envelopedData) {
    throw new AppError('cms_content_type_mismatch', 'A CRMF request takes an archived key as EnvelopedData only.', {
      found: contentType
    })
  }
  const { content } = info.explicit(0, 'content').element(TAG.sequence, 'EnvelopedData')
  return { type: OID.id_regCtrl_pkiArchiveOptions, value: encodeContext(0, encodeContext(0, content)) }
}

/**
 * Overwrites the archived key of a control where it stands, so that the request can be stored without it. The control
 * keeps its length and holds an OCTET STRING of zeros: any program still reads the message, and
 * {@link decodeArchiveOptions} no longer finds a key.
 */
export function eraseArchiveOptions(control: CrmfControl): void {
  const { content } = DerReader.over(control.value).any('PKIArchiveOptions')
  const { length } = content
  const [whole] = octetStringsOf(length)
  // A minimal length grows by an octet at 128, 256 and 65536, so that one element alone never has some of the lengths.
  const [rest] = octetStringsOf(length - 2)
  content.fill(0)
  if (whole !== undefined) content.set(whole)
  else if (rest !== undefined) content.set(concatBytes([encodeOctetString(new Uint8Array()), rest]))
}

/** The OCTET STRING of zeros that is this long with its identifier and length; none when no minimal length fits. */
function octetStringsOf(length: number): Uint8Array[] {
  return [2, 3, 4, 5]
    .filter(header => header <= length)
    .map(header => encodeOctetString(new Uint8Array(length - header)))
    .filter(element => element.length === length)
}
