import type { KeyObject } from 'node:crypto'
import { extname } from 'node:path'
import { certificatesIn, encodePrivateKeyPem, installPkcs12, privateKeyInBlob } from '@app/client'
import { AppError, equalBytes, isAppError, wipe } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { openSealedKey, openWithShares, verifyKeyObjectPair, type OpenedKey } from '@app/escrow'
import { writeNewFile } from '@app/files'
import { decrypterOf, publicHalfOf } from '@app/keys'
import { decodeCertificate, formatName, type Certificate } from '@app/x509'
import type { Talk } from '../output.js'
import { readBytes } from './connection.js'
import { findKeyHolder, type KeyHolder } from './key-holder.js'
import { getPassword } from './password.js'
import { findRecipient } from './recipient-keys.js'
import { decodeRecoveryFile, type RecoveryFile } from './recovery-file.js'

/** What `key open` takes. */
export interface OpenKeyCommand {
  readonly agent?: string
  readonly recipient?: string
  readonly key?: string
  readonly cert?: string
  readonly passwordFile?: string
  readonly share?: readonly string[]
  readonly certificate?: string
  readonly legacy?: boolean
  readonly outPasswordFile?: string
  readonly out: string
}

/**
 * `key open`: opens a sealed key and writes it down for its owner. One of its agents does so with the agent's own key, or the
 * recipient of a recovery with the shares that its agents gave. Nothing is written unless the key opens and is that of a
 * certificate at hand.
 */
export async function openKey(file: string, options: OpenKeyCommand, talk: Talk): Promise<void> {
  const isPkcs12 = ['.p12', '.pfx'].includes(extname(options.out).toLowerCase())
  if (options.legacy === true && !isPkcs12) {
    throw new AppError('invalid_argument', '--legacy is for a PKCS#12 file: name one with --out.')
  }
  const recovery = await readRecovery(file, options.share ?? [])
  const given = options.certificate === undefined ? [] : certificatesIn(await readBytes(options.certificate))
  const certificates = [...given, ...recovery.certificates].map(decodeCertificate)
  const privateKey = await openRecovery(recovery, await holderFor(recovery, options))
  const found = await verifyKey(privateKey, certificates)
  if (isPkcs12) await writePkcs12(privateKey, found, certificates, options)
  else await writePem(privateKey, options.out)
  const { algorithm, bits } = publicHalfOf(privateKey)
  const owner = found === undefined ? '' : ` of ${formatName(found.subject)}, serial number ${found.serialHex}`
  talk.say(`The ${algorithm.toUpperCase()} key of ${bits} bits${owner} is in ${options.out}.`)
}

async function readRecovery(file: string, shares: readonly string[]): Promise<RecoveryFile> {
  const recovery = decodeRecoveryFile(await readBytes(file))
  const more = await Promise.all(shares.map(async share => decodeDerPemOrBase64(await readBytes(share))))
  return { ...recovery, transferred: [...recovery.transferred, ...more] }
}

/** Whose key opens it: that of the options, else the one that was made for the recovery. */
async function holderFor(recovery: RecoveryFile, options: OpenKeyCommand): Promise<KeyHolder> {
  const { agent, recipient, key, cert: certificate, passwordFile } = options
  const given = await findKeyHolder({ p12: agent ?? recipient, key, certificate, passwordFile })
  const [share] = recovery.transferred
  const holder = given ?? (share === undefined ? undefined : await findRecipient(share))
  if (holder !== undefined) return holder
  const message =
    recovery.mode === 'any-agent'
      ? 'Give the agent’s key: --agent or --key.'
      : 'None of your keys is the one that the shares are encrypted to. Give the recipient’s key: --recipient or --key.'
  throw new AppError('invalid_argument', message)
}

function openRecovery(recovery: RecoveryFile, { privateKey, certificate }: KeyHolder): Promise<KeyObject> {
  const { sealed, transferred, mode } = recovery
  const decrypter = decrypterOf(privateKey)
  if (mode === 'threshold') return openWithShares({ sealed, transferred, decrypter, use: keyFrom })
  const agent = certificate === undefined ? {} : { agentCertificate: certificate }
  return openSealedKey({ sealed, decrypter, ...agent, use: keyFrom })
}

function keyFrom({ plaintext }: OpenedKey): KeyObject {
  return privateKeyInBlob(plaintext)
}

/**
 * The certificate of the key; undefined when there are no certificates to compare it with. Throws `archived_key_mismatch`
 * when it is none of them, or when its numbers do not belong together.
 */
async function verifyKey(
  privateKey: KeyObject,
  certificates: readonly Certificate[]
): Promise<Certificate | undefined> {
  const publicKey = publicHalfOf(privateKey)
  const found = certificates.find(certificate => equalBytes(certificate.publicKey.raw, publicKey.raw))
  const isOfNone = found === undefined && certificates.length > 0
  const isWhole = isOfNone ? false : await verifyKeyObjectPair(privateKey, publicKey).then(() => true, isMismatch)
  if (isWhole) return found
  const message = isOfNone
    ? 'The key that opened is not that of any certificate beside it. Nothing was written.'
    : 'The numbers of the key that opened do not belong together. Nothing was written.'
  throw new AppError('archived_key_mismatch', message, { certificates: certificates.length })
}

function isMismatch(error: unknown): false {
  if (isAppError(error, 'archived_key_mismatch')) return false
  throw error
}

async function writePkcs12(
  privateKey: KeyObject,
  certificate: Certificate | undefined,
  others: readonly Certificate[],
  { out, outPasswordFile: file, legacy }: OpenKeyCommand
): Promise<void> {
  if (certificate === undefined) {
    throw new AppError('invalid_argument', 'A PKCS#12 file needs the certificate of the key: give --certificate.')
  }
  const password = await getPassword({
    file,
    variable: 'CERTKEEP_OUT_PASSWORD',
    question: `Password for ${out}`,
    isNew: true
  })
  const chain = chainOf(certificate, others)
  const profile = legacy === true ? 'legacy' : 'modern'
  await installPkcs12({ privateKey, certificate: certificate.raw, chain }, out, password, profile)
}

/** The issuers of a certificate as far as they are there; the agents' certificates beside them do not belong to it. */
function chainOf(certificate: Certificate, others: readonly Certificate[]): readonly Uint8Array[] {
  const chain: Certificate[] = []
  for (let last = certificate; ;) {
    const { issuer } = last
    const next = others.find(
      ({ subject, raw }) =>
        equalBytes(subject.raw, issuer.raw) && ![certificate, ...chain].some(known => equalBytes(known.raw, raw))
    )
    if (next === undefined) return chain.map(({ raw }) => raw)
    chain.push(next)
    last = next
  }
}

async function writePem(privateKey: KeyObject, path: string): Promise<void> {
  const pem = Buffer.from(await encodePrivateKeyPem(privateKey))
  try {
    await writeNewFile(path, pem, 0o600)
  } finally {
    wipe(pem)
  }
}
