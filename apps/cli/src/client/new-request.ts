import type { KeyObject } from 'node:crypto'
import { dirname, join } from 'node:path'
import {
  decodePrivateKey,
  Enrollment,
  savePending,
  templateOfCertificate,
  type OfferedTemplate,
  type PendingFiles,
  type RequestOptions,
  type SigningIdentity
} from '@app/client'
import { findRequestAttribute, parseRequestAttributes } from '@app/cmc'
import { AppError } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { generateKeyPairOf } from '@app/keys'
import type { NewRequestOptions } from '../client-options.js'
import type { Talk } from '../output.js'
import { findConnection, findTrust, isDirectory, readBytes, readSecret, readText, withCa } from './connection.js'
import { readProfile } from './profile.js'

/** A request made and kept in a directory. */
export interface KeptRequest {
  readonly enrollment: Enrollment
  /** DER */
  readonly request: Uint8Array
  readonly files: PendingFiles
}

/** Makes a key and a request and keeps both in a directory, for `request submit` and `request accept`. */
export async function makeRequest(options: NewRequestOptions, directory: string, talk: Talk): Promise<KeptRequest> {
  const passphrase = options.passphraseFile === undefined ? undefined : await readSecret(options.passphraseFile)
  const wishes = await wishesOf(options)
  const privateKey = wishes.renew?.keepKey === true ? wishes.renew.privateKey : await privateKeyOf(options, passphrase)
  const archival = await findArchival({ ...options, ...templateTextOf(options, wishes) }, privateKey)
  const enrollment = new Enrollment({ key: { privateKey }, ...archival })
  const request = await enrollment.createRequest(wishes)
  const files = await savePending(directory, enrollment, request, passphrase === undefined ? {} : { passphrase })
  talk.say(
    enrollment.archivesKey
      ? 'The private key goes along, encrypted to the CA, to be archived.'
      : 'The private key stays here; it is not archived.'
  )
  return { enrollment, request, files }
}

async function privateKeyOf({ key, keyFile }: NewRequestOptions, passphrase: string | undefined): Promise<KeyObject> {
  if (keyFile === undefined) return (await generateKeyPairOf(key)).privateKey
  return decodePrivateKey(await readSecret(keyFile), passphrase)
}

interface Archival {
  readonly trust: string
  readonly privateKeyArchiveCertificate?: Uint8Array | string
  readonly chain?: readonly Uint8Array[]
}

/** Nothing is encrypted to anybody then, so nobody need be trusted. */
const withoutArchival: Archival = { trust: '' }

/** Whether, and to which certificate, the key is archived. */
async function findArchival(options: NewRequestOptions, privateKey: KeyObject): Promise<Archival> {
  const isPossible = options.form !== 'pkcs10' && options.form !== 'pkcs7' && privateKey.asymmetricKeyType !== 'ed25519'
  if (options.archive === true && !isPossible) {
    throw new AppError(
      'invalid_argument',
      'A PKCS#10 or PKCS#7 request carries no key, and an Ed25519 key only signs; drop --archive.'
    )
  }
  if (options.archive === false || !isPossible) return withoutArchival
  const profile = await readProfile()
  const url = options.url ?? profile.url
  if (options.exchangeCert !== undefined) {
    const trust = await findTrust(options, profile, url)
    if (trust === undefined) throw new AppError('invalid_argument', 'No root is trusted. Give --trust.')
    return { trust, privateKeyArchiveCertificate: await readText(options.exchangeCert) }
  }
  if (url === undefined) {
    throw new AppError(
      'invalid_argument',
      'No exchange certificate for the private key: name the server with --url, give --exchange-cert, or --no-archive.'
    )
  }
  return fetchArchival(options)
}

/** The template that the CA offers decides when nothing was said: a key that is not asked for does not leave. */
async function fetchArchival(options: NewRequestOptions): Promise<Archival> {
  return withCa(await findConnection(options), async ({ request, trust }) => {
    const { certificates: chain, templates } = await request.getAuthority()
    if (options.archive !== true && !templates.some(template => template.archival && isWanted(template, options))) {
      return withoutArchival
    }
    return { trust, privateKeyArchiveCertificate: await request.getCACertificate({ exchange: true }), chain }
  })
}

function isWanted({ name, oid }: OfferedTemplate, options: NewRequestOptions): boolean {
  const attributes = parseRequestAttributes(options.attribute.join('\n'))
  const wanted = options.template ?? findRequestAttribute(attributes, 'CertificateTemplate') ?? ''
  return name.toLowerCase() === wanted.toLowerCase() || wanted === oid || wanted.startsWith(`${oid}:`)
}

/** The template that a renewal takes from its certificate, in the form of the option. */
function templateTextOf({ template }: NewRequestOptions, { renew }: RequestOptions): { readonly template?: string } {
  const wanted = template === undefined && renew !== undefined ? templateOfCertificate(renew.certificate) : undefined
  if (wanted === undefined) return {}
  return { template: 'name' in wanted ? wanted.name : wanted.oid }
}

async function wishesOf(options: NewRequestOptions): Promise<RequestOptions> {
  const attributes = parseRequestAttributes(options.attribute.join('\n'))
  return {
    type: options.form,
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.template === undefined ? {} : { template: templateOf(options.template) }),
    ...(options.san.length === 0 ? {} : { subjectAltNames: options.san }),
    ...(attributes.length === 0 ? {} : { attributes }),
    ...(await renewalOf(options)),
    ...(await onBehalfOf(options))
  }
}

async function renewalOf({ renew, renewKey, keepKey }: NewRequestOptions): Promise<Pick<RequestOptions, 'renew'>> {
  if (renew !== undefined) {
    return { renew: { ...(await readIdentity(renew, renewKey)), ...(keepKey === true ? { keepKey } : {}) } }
  }
  if (renewKey === undefined && keepKey === undefined) return {}
  throw new AppError('invalid_argument', 'Say which certificate to renew: --renew.')
}

async function onBehalfOf(options: NewRequestOptions): Promise<Pick<RequestOptions, 'onBehalfOf'>> {
  const { onBehalfOf: account, agentCert, agentKey } = options
  if (account !== undefined && agentCert !== undefined) {
    return { onBehalfOf: { account, agent: await readIdentity(agentCert, agentKey) } }
  }
  if (account === undefined && agentCert === undefined && agentKey === undefined) return {}
  throw new AppError('invalid_argument', 'To enroll another account, give --on-behalf-of and --agent-cert.')
}

/** A certificate and its key, by the files given or by the names they have where they were installed. */
async function readIdentity(certificate: string, keyFile: string | undefined): Promise<SigningIdentity> {
  const isInstalled = await isDirectory(certificate)
  const file = isInstalled ? join(certificate, 'certificate.pem') : certificate
  const key = keyFile ?? join(isInstalled ? certificate : dirname(certificate), 'key.pem')
  return {
    certificate: decodeDerPemOrBase64(await readBytes(file)),
    privateKey: decodePrivateKey(await readSecret(key))
  }
}

function templateOf(text: string): NonNullable<RequestOptions['template']> {
  const match = /^([0-2](?:\.\d+)+)(?::(\d{1,10})(?:\.(\d{1,10}))?)?$/.exec(text)
  if (match === null) return { name: text }
  const [, oid = '', major, minor] = match
  return {
    oid,
    ...(major === undefined ? {} : { major: Number(major) }),
    ...(minor === undefined ? {} : { minor: Number(minor) })
  }
}
