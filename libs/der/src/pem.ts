import { AppError, fromBase64, toBase64 } from '@app/core'

/** One PEM block (RFC 7468): its label and the bytes between the lines. */
export interface PemBlock {
  readonly label: string
  readonly bytes: Uint8Array
}

/** PEM text with lines of 64 characters and a final line break. */
export function encodePem(label: string, bytes: Uint8Array): string {
  const body = toBase64(bytes).replace(/.{1,64}/g, '$&\n')
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`
}

/** Every block in the text, in order; text around the blocks is ignored. Throws `pem_invalid` on a damaged block. */
export function decodePem(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  const pattern = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g
  for (const [, label = '', body = ''] of text.matchAll(pattern)) {
    const bytes = fromBase64(body)
    if (bytes === undefined)
      throw new AppError('pem_invalid', `The PEM block "${label}" does not hold base64.`, { label })
    blocks.push({ label, bytes })
  }
  return blocks
}

/**
 * The bytes of a file or text that is DER, PEM (one block, any label) or bare base64, as certreq and certutil write
 * them. Throws `pem_invalid` when it is none of these or has several blocks.
 */
export function decodeDerPemOrBase64(input: Uint8Array): Uint8Array {
  if (input[0] === 0x30) return input
  const text = Buffer.from(input).toString('latin1')
  if (text.includes('-----BEGIN ')) {
    const blocks = decodePem(text)
    const [only] = blocks
    if (only === undefined || blocks.length > 1) {
      throw new AppError('pem_invalid', `Expected one PEM block, found ${blocks.length}.`, { blocks: blocks.length })
    }
    return only.bytes
  }
  const bytes = fromBase64(text)
  if (bytes === undefined || bytes.length === 0) {
    throw new AppError('pem_invalid', 'The input is neither DER, PEM nor base64.')
  }
  return bytes
}
