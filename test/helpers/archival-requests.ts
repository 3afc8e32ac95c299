import { randomBytes, type KeyObject } from 'node:crypto'
import { buildCmcRequest, type CmcRequestPlan } from '@app/cmc'
import { buildEnvelopedData } from '@app/cms'
import { wipe } from '@app/core'
import { encodeSequence } from '@app/der'
import { encodeCapiPrivateKeyBlob, encodePkcs8KeyBlob } from '@app/escrow'
import { OID } from '@app/oid'
import { encodeCertificateTemplateName, encodeSubjectAltName, type Certificate, type Extension } from '@app/x509'
import { realEntropy } from './cms-messages.js'
import { nameOf, signSample, toSampleKey } from './x509-samples.js'

/** The two ways in which a key is archived: Microsoft's beside a PKCS#10, the standard's inside of a CRMF request. */
export type ArchivalDialect = 'microsoft' | 'standard'

/** A request of these tests; sound where nothing is said. */
export interface CmcParts {
  readonly dialect: ArchivalDialect
  readonly privateKey: KeyObject
  readonly template?: string
  readonly subject?: string
  readonly dnsNames?: readonly string[]
  /** What takes the place of the archived key. */
  readonly envelope?: Uint8Array
  readonly transactionId?: Uint8Array
}

/** A CMC request signed with its own key. It has a transaction id and a nonce, so that no two are the same. */
export async function cmcRequest(parts: CmcParts): Promise<Uint8Array> {
  return (await buildCmcRequest(planOf(parts))).request
}

/** What {@link cmcRequest} builds, for a message that the builder would not make. */
export function planOf(parts: CmcParts): CmcRequestPlan {
  const { dialect, privateKey, subject = 'CN=Whoever', envelope } = parts
  const key = toSampleKey(privateKey)
  return {
    dialect: dialect === 'microsoft' ? 'microsoft' : 'standard-crmf',
    subject: nameOf(subject),
    publicKey: key.publicKey.raw,
    extensions: wishesOf(parts),
    transactionId: parts.transactionId ?? freshTransactionId(),
    senderNonce: randomBytes(16),
    ...(envelope === undefined ? {} : { archivedKeyEnvelope: envelope }),
    scheme: key.scheme,
    sign: data => Promise.resolve(signSample(key, data))
  }
}

/** The content of a positive INTEGER of 16 octets. */
export function freshTransactionId(): Uint8Array {
  return Buffer.concat([Uint8Array.of(0x40), randomBytes(15)])
}

/** The extensions that ask for a template, as version 1 clients do it, and for alternative names. */
export function wishesOf({ template, dnsNames = [] }: Pick<CmcParts, 'template' | 'dnsNames'>): readonly Extension[] {
  const wishes: Extension[] = []
  if (template !== undefined) {
    const value = encodeCertificateTemplateName(template)
    wishes.push({ oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION, critical: false, value })
  }
  if (dnsNames.length > 0) {
    const value = encodeSubjectAltName(dnsNames.map(name => ({ kind: 'dNSName', value: name })))
    wishes.push({ oid: OID.id_ce_subjectAltName, critical: false, value })
  }
  return wishes
}

/** A private RSA key wrapped to an exchange certificate, as clients of the dialect do it. */
export function wrapKey(privateKey: KeyObject, dialect: ArchivalDialect, exchange: Certificate): Uint8Array {
  const blob = dialect === 'microsoft' ? encodeCapiPrivateKeyBlob(privateKey) : encodePkcs8KeyBlob(privateKey)
  try {
    return wrapContent(dialect === 'microsoft' ? blob : encodeSequence(blob), dialect, exchange)
  } finally {
    wipe(blob)
  }
}

/** Any content in the envelope of an archived key. */
export function wrapContent(content: Uint8Array, dialect: ArchivalDialect, exchange: Certificate): Uint8Array {
  return buildEnvelopedData({
    content,
    contentType: dialect === 'microsoft' ? OID.id_data : OID.id_ct_encKeyWithID,
    recipients: [{ certificate: exchange, transport: { scheme: 'rsaes-pkcs1-v1_5' } }],
    contentEncryption: 'aes-256-cbc',
    entropy: realEntropy
  })
}
