import {
  buildEnvelopedData,
  decodeEnvelopedData,
  findRecipient,
  openEnvelopedData,
  type ContentEncryptionName,
  type EnvelopedData,
  type IdentifiedCertificate,
  type KeyTransport,
  type KeyTransRecipient
} from '@app/cms'
import { AppError, equalBytes, isAppError, wipe, type Entropy } from '@app/core'
import type { Decrypter } from '@app/keys'
import { OID } from '@app/oid'
import { decodeSubjectKeyIdentifier, findExtension, type Certificate } from '@app/x509'
import type { OpenedKey } from './archived-key.js'
import { decodeKeyBlob, wipeKeyBlob } from './key-blob.js'

/** How a key is sealed: AES only, whatever the client used. */
export type SealEncryption = Exclude<ContentEncryptionName, 'des-ede3-cbc'>

/** What to seal, and to whom. */
export interface SealPlan {
  /** The key blob as received; the caller wipes it. */
  readonly plaintext: Uint8Array
  /** The recovery agents, each of whom can open the result alone. All judged usable. */
  readonly agents: readonly Certificate[]
  /** `aes-256-cbc` when left out. */
  readonly contentEncryption?: SealEncryption
  /** RSAES-PKCS1-v1_5 when left out. */
  readonly transport?: KeyTransport
  readonly entropy: Entropy
}

/**
 * Seals a key blob to the recovery agents: CMS EnvelopedData with one recipient an agent, named by issuer and serial
 * number, over the blob as the client made it (MS-WCCE 3.2.2.6.2.1.3, RawArchivedKey). Any one agent can open it;
 * nobody else can, the sealer among them.
 *
 * The defaults are RSAES-PKCS1-v1_5 and AES-256-CBC because the result is for programs that exist: `certutil
 * -recoverkey` reads no OAEP and no AuthEnvelopedData. The weakness of RSAES-PKCS1-v1_5 is that a decrypter can be made
 * to tell about padding; here the agent decrypts by hand what a CA signed for, so there is none to ask. Where
 * agents use this program or OpenSSL, OAEP and GCM are the better choice.
 *
 * Throws `no_valid_recovery_agent` without agents, `invalid_argument` for an agent named twice,
 * `public_key_unsupported` for one whose key is not RSA.
 */
export function sealToAgents(plan: SealPlan): Uint8Array {
  const { plaintext, agents, contentEncryption = 'aes-256-cbc', entropy } = plan
  const transport = plan.transport ?? { scheme: 'rsaes-pkcs1-v1_5' }
  if (agents.length === 0) {
    throw new AppError('no_valid_recovery_agent', 'There is no recovery agent to seal the key to. Add one.')
  }
  if (agents.some((agent, index) => agents.slice(index + 1).some(other => isSameCertificate(agent, other)))) {
    throw new AppError('invalid_argument', 'A recovery agent is named twice.', { agents: agents.length })
  }
  const recipients = agents.map(certificate => ({ certificate, transport }))
  return buildEnvelopedData({ content: plaintext, recipients, contentEncryption, entropy })
}

/**
 * Reads a sealed key back, as an agent's program would, and verifies that its recipients are exactly these agents, each
 * with an encrypted key as long as the agent's modulus, and that the content is encrypted with AES. That the agents can
 * decrypt it only they can tell. Throws `internal` when it is not so: then nothing may be issued.
 */
export function verifySealedKey(sealed: Uint8Array, agents: readonly Certificate[]): void {
  const enveloped = decodeSealed(sealed)
  const { recipients, contentEncryption, contentType } = enveloped
  const isForAll =
    recipients.length === agents.length &&
    agents.every(agent => {
      const recipient = findRecipient(enveloped, identityOf(agent))
      return recipient !== undefined && recipient.encryptedKey.length === Math.ceil(agent.publicKey.bits / 8)
    })
  if (!isForAll || contentEncryption.algorithm === 'des-ede3-cbc' || contentType !== OID.id_data) {
    throw new AppError('internal', 'A sealed key does not read back as it was meant.', {
      recipients: recipients.length,
      agents: agents.length,
      contentEncryption: contentEncryption.algorithm
    })
  }
}

function decodeSealed(sealed: Uint8Array): EnvelopedData {
  try {
    return decodeEnvelopedData(sealed)
  } catch (cause) {
    throw isAppError(cause) ? new AppError('internal', 'A sealed key does not read back.', {}, { cause }) : cause
  }
}

/** What {@link openSealedKey} works on. */
export interface SealedKeyOpening<T> {
  readonly sealed: Uint8Array
  /** The agent's private key. */
  readonly decrypter: Decrypter
  /** Names the recipient. Without it the recipients are tried in turn. */
  readonly agentCertificate?: Certificate
  readonly use: (key: OpenedKey) => Promise<T> | T
}

/**
 * Opens a sealed key with an agent's private key and lends the blob to `use`, as `openArchivedKey` does; the blob is
 * overwritten when `use` ends. For the agent's own machine: it says which step failed.
 *
 * Throws `not_found` when the key was not sealed to the certificate given, `cms_decrypt_failed` when it does not open
 * with this private key, `key_blob_invalid` when it opens and holds no key, and what `decodeEnvelopedData` throws.
 */
export async function openSealedKey<T>({ sealed, decrypter, agentCertificate, use }: SealedKeyOpening<T>): Promise<T> {
  const enveloped = decodeEnvelopedData(sealed)
  let failure: unknown
  for (const recipient of candidatesFor(enveloped, agentCertificate)) {
    let opened: OpenedKey
    try {
      opened = await openFor(enveloped, recipient, decrypter)
    } catch (error) {
      if (!isAppError(error, 'cms_decrypt_failed') && !isAppError(error, 'key_blob_invalid')) throw error
      failure = error
      continue
    }
    try {
      return await use(opened)
    } finally {
      wipe(opened.plaintext)
    }
  }
  throw failure
}

async function openFor(
  enveloped: EnvelopedData,
  recipient: KeyTransRecipient,
  decrypter: Decrypter
): Promise<OpenedKey> {
  const plaintext = await openEnvelopedData(enveloped, (key, transport) => decrypter.unwrap(key, transport), recipient)
  try {
    const blob = decodeKeyBlob(plaintext)
    wipeKeyBlob(blob)
    return { plaintext, format: blob.format, algorithm: blob.algorithm, bits: blob.bits }
  } catch (error) {
    wipe(plaintext)
    throw error
  }
}

function candidatesFor(enveloped: EnvelopedData, agent: Certificate | undefined): readonly KeyTransRecipient[] {
  if (agent === undefined) return enveloped.recipients
  const recipient = findRecipient(enveloped, identityOf(agent))
  if (recipient === undefined) {
    throw new AppError('not_found', 'The key was not sealed to this agent certificate.', {
      serialNumber: agent.serialHex,
      recipients: enveloped.recipients.length
    })
  }
  return [recipient]
}

/** What recipients are compared with; a certificate without a subject key identifier has its key's. */
export function identityOf(certificate: Certificate): IdentifiedCertificate {
  const extension = findExtension(certificate, OID.id_ce_subjectKeyIdentifier)
  return {
    issuer: certificate.issuer.raw,
    serialNumber: certificate.serialNumber,
    keyId: extension === undefined ? certificate.publicKey.keyId : decodeSubjectKeyIdentifier(extension.value)
  }
}

function isSameCertificate(a: Certificate, b: Certificate): boolean {
  return equalBytes(a.serialNumber, b.serialNumber) && equalBytes(a.issuer.raw, b.issuer.raw)
}
