import { readFile, rename, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import {
  CertificateStores,
  makeClientIdentity,
  makeDirectory,
  MPAPI_CERT_STORE_LOCATION,
  RegistrationClient,
  SmsMessaging,
  type RegistrationAnswer
} from '@app/client'
import { AppError, systemClock } from '@app/core'
import { decodePem } from '@app/der'
import { EXIT } from '../exit-code.js'
import type { Talk } from '../output.js'

const { LOCAL_MACHINE } = MPAPI_CERT_STORE_LOCATION

/** What the commands of a client take. */
export interface RegistrationOptions {
  readonly stores: string
  readonly host?: string
  readonly port?: number
  readonly mode: 'mixed' | 'native'
  readonly thumbprint?: string
  readonly trust?: string
  readonly crl: boolean
  readonly proxy?: string
  readonly name?: string
  readonly fqdn?: string
  readonly smsid?: string
  readonly property?: readonly string[]
  readonly managementPoint?: readonly string[]
  readonly wait?: boolean
  readonly enroll?: string
}

/** What is kept between two commands. */
interface Kept {
  readonly smsid: string
  readonly status: number
  readonly approval?: string
  readonly thumbprint: string
  readonly name: string
  readonly fqdn: string
  readonly asked: string
}

/** Registers this computer; a certificate to sign with is made where none is named. */
export async function register(options: RegistrationOptions, talk: Talk): Promise<object> {
  const stores = new CertificateStores(options.stores)
  await trustManagementPoints(stores, options.managementPoint ?? [])
  const { name = hostname().split('.')[0] ?? 'client' } = options
  const fqdn = options.fqdn ?? hostname()
  const before = await readKept(options.stores)
  const thumbprint = options.thumbprint ?? before?.thumbprint ?? (await makeCertificate(options, stores, name))
  const client = await clientOf({ ...options, name, fqdn }, thumbprint, stores)
  const wanted = options.smsid === undefined ? {} : { smsid: options.smsid }
  const answer =
    (options.enroll === undefined ? undefined : await standing(client, before)) ??
    (options.wait === true || options.enroll !== undefined
      ? await client.registerAndWait({ ...wanted, onAnswer: tellWait(talk) })
      : await client.register(wanted))
  const kept = await keep(options.stores, answer, { thumbprint, name, fqdn })
  if (options.enroll === undefined || kept === undefined) return viewOf(answer)
  const certificate = await client.enroll(kept.smsid, options.enroll)
  const own = await stores.add(LOCAL_MACHINE, 'my', certificate)
  return { ...viewOf(answer), certificate: own }
}

/** What the site says of a computer that has registered before; undefined when it is to register first. */
async function standing(client: RegistrationClient, before: Kept | undefined): Promise<RegistrationAnswer | undefined> {
  const answer = before === undefined ? undefined : await client.confirm(before.smsid)
  return answer?.status === 0 ? answer : undefined
}

/** Asks what became of the registration, once or until it is decided. */
export async function confirm(options: RegistrationOptions, isPatient: boolean, talk: Talk): Promise<object> {
  const kept = await readKept(options.stores)
  if (kept === undefined)
    throw new AppError('not_found', 'This computer has not registered. Run "certkeep client register".')
  const { smsid, name, fqdn } = kept
  const thumbprint = options.thumbprint ?? kept.thumbprint
  const client = await clientOf({ ...options, name, fqdn }, thumbprint, new CertificateStores(options.stores))
  const answer = isPatient
    ? await client.confirmAndWait(smsid, { onAnswer: tellWait(talk) })
    : await client.confirm(smsid)
  await keep(options.stores, answer, { thumbprint: kept.thumbprint, name, fqdn })
  return viewOf(answer)
}

/** What was answered last. Throws `not_found`. */
export async function statusOf({ stores }: Pick<RegistrationOptions, 'stores'>): Promise<object> {
  const kept = await readKept(stores)
  if (kept === undefined) throw new AppError('not_found', 'This computer has not registered.')
  return { ...kept }
}

async function clientOf(
  options: RegistrationOptions & { readonly name: string; readonly fqdn: string },
  thumbprint: string,
  stores: CertificateStores
): Promise<RegistrationClient> {
  const { mode, host, port = mode === 'mixed' ? 8080 : 44_443, trust, crl, proxy, property = [] } = options
  const more = property.map(text => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)])
  return new RegistrationClient({
    messaging: new SmsMessaging({ stores, ...(trust === undefined ? {} : { trust: await readFile(trust, 'utf8') }) }),
    host: host ?? null,
    port,
    mode,
    signing: { location: LOCAL_MACHINE, store: 'my', thumbprint },
    checksRevocation: crl,
    properties: {
      'NetBIOS Name': options.name,
      'FQ Name': options.fqdn,
      InternetFlag: '0',
      ...(Object.fromEntries(more) as Readonly<Record<string, string>>)
    },
    ...(proxy === undefined ? {} : { httpProxy: proxy })
  })
}

async function makeCertificate(
  { mode }: RegistrationOptions,
  stores: CertificateStores,
  name: string
): Promise<string> {
  if (mode === 'native') {
    throw new AppError('invalid_argument', 'Native mode needs a certificate of a CA. Name it with --thumbprint.')
  }
  return stores.add(LOCAL_MACHINE, 'my', await makeClientIdentity(name, systemClock.now()))
}

async function trustManagementPoints(stores: CertificateStores, files: readonly string[]): Promise<void> {
  const known = await stores.list(LOCAL_MACHINE, 'mpsigningcerts')
  for (const file of files) {
    for (const { bytes } of decodePem(await readFile(file, 'utf8'))) {
      if (known.some(der => Buffer.from(der).equals(bytes))) continue
      await stores.add(LOCAL_MACHINE, 'mpsigningcerts', { certificate: bytes })
    }
  }
}

function tellWait(talk: Talk): (answer: RegistrationAnswer, waitMs: number) => void {
  return ({ status }, waitMs) =>
    talk.say(`${status === 1 ? 'Pending' : 'To be sent again'}; asking in ${Math.round(waitMs / 1000)} s.`)
}

async function keep(
  folder: string,
  { status, smsid, approval }: RegistrationAnswer,
  of: Pick<Kept, 'thumbprint' | 'name' | 'fqdn'>
): Promise<Kept | undefined> {
  if (smsid === undefined) return undefined
  const asked = systemClock.now().toISOString()
  const kept: Kept = { smsid, status, ...(approval === undefined ? {} : { approval }), ...of, asked }
  await makeDirectory(folder)
  const path = pathOf(folder)
  await writeFile(`${path}.new`, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return kept
}

async function readKept(folder: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(pathOf(folder), 'utf8')) as Kept
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new AppError('config_invalid', `${pathOf(folder)} cannot be read.`, {}, { cause: error })
  }
}

function pathOf(folder: string): string {
  return join(folder, 'registration.json')
}

/** What was answered, and the exit code for it. */
function viewOf({ status, smsid, approval }: RegistrationAnswer): object {
  if (status === 3) throw new AppError('registration_refused', 'The site refuses this computer.')
  if (status === 2) throw new AppError('registration_retry', 'The registration is to be sent again.')
  if (status === 1) process.exitCode = EXIT.pending
  const state = status === 0 ? 'registered' : 'pending'
  return { status, state, smsid, ...(approval === undefined ? {} : { approval }) }
}
