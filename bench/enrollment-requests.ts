import { randomBytes, type KeyObject } from 'node:crypto'
import { buildCmcRequest } from '@app/cmc'
import { buildEnvelopedData } from '@app/cms'
import { wipe } from '@app/core'
import { encodeCapiPrivateKeyBlob, encodeCngEccBlob } from '@app/escrow'
import { signerOf, type Signer } from '@app/keys'
import { OID } from '@app/oid'
import {
  buildCertificationRequest,
  encodeAttribute,
  encodeCertificateTemplateName,
  encodeExtensions,
  encodeName,
  type Certificate,
  type Extension
} from '@app/x509'

/** A key pair that certificates are asked for. */
export interface Subscriber {
  readonly privateKey: KeyObject
  readonly signer: Signer
}

/** A subscriber with this key. */
export function subscriberOf(privateKey: KeyObject): Subscriber {
  return { privateKey, signer: signerOf(privateKey) }
}

/**
 * A CMC request as Windows makes it for a template that archives keys: a PKCS#10, the private key wrapped to the
 * exchange certificate, a transaction id and a nonce of its own.
 */
export async function buildArchivedRequest(subscriber: Subscriber, exchange: Certificate): Promise<Uint8Array> {
  const { privateKey, signer } = subscriber
  const { request } = await buildCmcRequest({
    dialect: 'microsoft',
    subject: encodeName([]),
    publicKey: signer.publicKey.raw,
    extensions: [templateNamed('UserEncryption')],
    transactionId: Buffer.concat([Uint8Array.of(0x40), randomBytes(15)]),
    senderNonce: randomBytes(16),
    archivedKeyEnvelope: wrapKey(privateKey, exchange),
    scheme: signer.scheme,
    sign: data => signer.sign(data)
  })
  return request
}

/** A PKCS#10 request; its name, which the template ignores, makes it another one than all before it. */
export function buildPlainRequest({ signer }: Subscriber, template = 'UserSignature'): Promise<Uint8Array> {
  const commonName = randomBytes(8).toString('hex')
  const parts = {
    subject: encodeName([[{ type: OID.id_at_commonName, value: commonName }]]),
    publicKey: signer.publicKey.raw,
    attributes: [encodeAttribute(OID.extensionRequest, [encodeExtensions([templateNamed(template)])])]
  }
  return buildCertificationRequest(parts, signer.scheme, data => signer.sign(data))
}

function templateNamed(name: string): Extension {
  return { oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION, critical: false, value: encodeCertificateTemplateName(name) }
}

function wrapKey(privateKey: KeyObject, certificate: Certificate): Uint8Array {
  const isRsa = privateKey.asymmetricKeyType === 'rsa'
  const content = isRsa ? encodeCapiPrivateKeyBlob(privateKey) : encodeCngEccBlob(privateKey)
  try {
    return buildEnvelopedData({
      content,
      contentType: OID.id_data,
      recipients: [{ certificate, transport: { scheme: 'rsaes-pkcs1-v1_5' } }],
      contentEncryption: 'aes-256-cbc',
      entropy: { bytes: length => randomBytes(length) }
    })
  } finally {
    wipe(content)
  }
}
