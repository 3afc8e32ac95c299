import { createPrivateKey, type KeyObject } from 'node:crypto'
import { extname } from 'node:path'
import { certificatesIn, decodePrivateKey, encodePrivateKeyPem, installPkcs12, readPkcs12 } from '@app/client'
import { decodeContentInfo, decodeSignedData } from '@app/cms'
import { AppError, equalBytes, view, wipe } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { keyBlobToPkcs8, openSealedKey } from '@app/escrow'
import { writeNewFile } from '@app/files'
import { decrypterOf, publicHalfOf } from '@app/keys'
import { OID } from '@app/oid'
import { decodeCertificate, formatName, type Certificate } from '@app/x509'
import type { Talk } from '../output.js'
import { readBytes, readSecret } from './connection.js'

/** What `key open` takes. */
export interface OpenKeyCommand {
  readonly agent?: string
  readonly key?: string
  readonly cert?: string
  readonly passwordFile?: string
  readonly certificate?: string
  readonly outPasswordFile?: string
  readonly out: string
}

/** `key open`: opens a sealed key on the agent's own machine and writes it down for its owner. */
export async function openKey(sealedFile: string, options: OpenKeyCommand, talk: Talk): Promise<void> {
  const isPkcs12 = ['.p12', '.pfx'].includes(extname(options.out).toLowerCase())
  if (isPkcs12 && options.outPasswordFile === undefined) {
    throw new AppError('invalid_argument', 'A PKCS#12 file needs a password: give --out-password-file.')
  }
  const { sealed, certificates } = packageOf(decodeDerPemOrBase64(await readBytes(sealedFile)))
  const agent = await agentOf(options)
  const privateKey = await openSealedKey({
    sealed,
    decrypter: decrypterOf(agent.privateKey),
    ...(agent.certificate === undefined ? {} : { agentCertificate: agent.certificate }),
    use: ({ plaintext }) => keyFrom(plaintext)
  })
  const given = options.certificate === undefined ? [] : certificatesIn(await readBytes(options.certificate))
  const found = findCertificate([...given, ...certificates].map(decodeCertificate), privateKey)
  if (isPkcs12) await writePkcs12(privateKey, found, [...given, ...certificates], options)
  else await writePem(privateKey, options.out)
  const { algorithm, bits } = publicHalfOf(privateKey)
  const owner = found === undefined ? '' : ` of ${formatName(found.subject)}, serial number ${found.serialHex}`
  talk.say(`The ${algorithm.toUpperCase()} key of ${bits} bits${owner} is in ${options.out}.`)
}

/**
 * A sealed key comes bare, as an EnvelopedData, or inside of a SignedData of the CA that hands it out with certificates
 * (MS-CSRA 3.1.4.2.9). The signature is not looked at: that the key opens and fits its certificate is what counts.
 */
function packageOf(bytes: Uint8Array): { readonly sealed: Uint8Array; readonly certificates: readonly Uint8Array[] } {
  const { contentType } = decodeContentInfo(bytes)
  if (contentType === OID.id_ct_thresholdSealedKey) {
    throw new AppError('form_not_supported', 'Several agents must open this key together, which no command does yet.')
  }
  if (contentType !== OID.id_signedData) return { sealed: bytes, certificates: [] }
  const { eContent, certificates } = decodeSignedData(bytes)
  if (eContent === undefined)
    throw new AppError('cms_content_missing', 'The file holds certificates and no sealed key.')
  return { sealed: eContent, certificates }
}

async function agentOf(
  options: OpenKeyCommand
): Promise<{ readonly privateKey: KeyObject; readonly certificate?: Certificate }> {
  const password = options.passwordFile === undefined ? undefined : await readSecret(options.passwordFile)
  if (options.agent !== undefined) {
    const { privateKey, certificate } = await readPkcs12(await readBytes(options.agent), password ?? '')
    return certificate === undefined ? { privateKey } : { privateKey, certificate: decodeCertificate(certificate) }
  }
  if (options.key === undefined) throw new AppError('invalid_argument', 'Give the agent’s key: --agent or --key.')
  const privateKey = decodePrivateKey(await readBytes(options.key), password)
  if (options.cert === undefined) return { privateKey }
  const [first] = certificatesIn(await readBytes(options.cert))
  return { privateKey, certificate: decodeCertificate(first as Uint8Array) }
}

function keyFrom(plaintext: Uint8Array): KeyObject {
  const pkcs8 = keyBlobToPkcs8(plaintext)
  try {
    return createPrivateKey({ key: view(pkcs8), format: 'der', type: 'pkcs8' })
  } finally {
    wipe(pkcs8)
  }
}

function findCertificate(certificates: readonly Certificate[], privateKey: KeyObject): Certificate | undefined {
  const spki = publicHalfOf(privateKey).raw
  return certificates.find(({ publicKey }) => equalBytes(publicKey.raw, spki))
}

async function writePkcs12(
  privateKey: KeyObject,
  certificate: Certificate | undefined,
  others: readonly Uint8Array[],
  options: OpenKeyCommand
): Promise<void> {
  if (certificate === undefined) {
    throw new AppError('invalid_argument', 'A PKCS#12 file needs the certificate of the key: give --certificate.')
  }
  const password = await readSecret(options.outPasswordFile ?? '')
  const chain = chainOf(certificate, others.map(decodeCertificate))
  await installPkcs12({ privateKey, certificate: certificate.raw, chain }, options.out, password)
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
