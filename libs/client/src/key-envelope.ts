import { buildEnvelopedData, type ContentEncryptionName, type KeyTransport } from '@app/cms'
import { AppError, wipe, type Entropy } from '@app/core'
import { encodeSequence } from '@app/der'
import { encodeCapiPrivateKeyBlob, encodeCngEccBlob, encodePkcs8KeyBlob } from '@app/escrow'
import { OID } from '@app/oid'
import type { Certificate } from '@app/x509'
import type { KeyObject } from 'node:crypto'

/** How a private key travels to the CA. */
export interface KeyWrapping {
  /** Judged usable. */
  readonly exchangeCertificate: Certificate
  /** `aes-256-cbc` when left out. */
  readonly contentEncryption?: ContentEncryptionName
  /** RSAES-PKCS1-v1_5 when left out, the only one that every CA reads. */
  readonly keyTransport?: KeyTransport
  readonly entropy: Entropy
}

/**
 * A private key encrypted to the exchange certificate, as a ContentInfo: for the Microsoft form a CAPI or CNG blob
 * (MS-WCCE 2.2.2.9), for the standard form a PrivateKeyInfo (RFC 4211, 6.4). Throws `invalid_argument` for a key that
 * cannot be archived, which is every one that can only sign.
 */
export function wrapPrivateKey(
  privateKey: KeyObject,
  form: 'microsoft' | 'standard',
  wrapping: KeyWrapping
): Uint8Array {
  const { exchangeCertificate: certificate, contentEncryption = 'aes-256-cbc', entropy } = wrapping
  const transport = wrapping.keyTransport ?? { scheme: 'rsaes-pkcs1-v1_5' }
  const content = form === 'microsoft' ? microsoftBlob(privateKey) : keyWithoutId(privateKey)
  try {
    const contentType = form === 'microsoft' ? OID.id_data : OID.id_ct_encKeyWithID
    return buildEnvelopedData({
      content,
      contentType,
      recipients: [{ certificate, transport }],
      contentEncryption,
      entropy
    })
  } finally {
    wipe(content)
  }
}

function microsoftBlob(privateKey: KeyObject): Uint8Array {
  switch (privateKey.asymmetricKeyType) {
    case 'rsa':
      return encodeCapiPrivateKeyBlob(privateKey)
    case 'ec':
      return encodeCngEccBlob(privateKey)
    default:
      throw new AppError(
        'invalid_argument',
        'Only RSA and NIST curve keys can be archived; make the request without.',
        {
          algorithm: privateKey.asymmetricKeyType
        }
      )
  }
}

/**
 * ```asn1
 * EncKeyWithID ::= SEQUENCE {
 *   privateKey  PrivateKeyInfo,
 *   identifier  CHOICE { string UTF8String, generalName GeneralName } OPTIONAL }
 * ```
 * RFC 4211, 6.4.
 */
function keyWithoutId(privateKey: KeyObject): Uint8Array {
  const pkcs8 = encodePkcs8KeyBlob(privateKey)
  try {
    return encodeSequence(pkcs8)
  } finally {
    wipe(pkcs8)
  }
}
