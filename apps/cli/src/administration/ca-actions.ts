import { createHash } from 'node:crypto'
import { AppError, equalBytes, toHex } from '@app/core'
import { decodePem, encodePem } from '@app/der'
import { judgeExchangeCertificate } from '@app/escrow'
import { privateKeyFromPkcs8, publicHalfOf, type KeySpec } from '@app/keys'
import { CaStore, CrlStore, ExchangeKeyStore } from '@app/storage'
import { decodeCertificate, type Certificate } from '@app/x509'
import { CaSetup } from '../../../authority/src/ca/ca-setup.js'
import { readBytes, readText } from '../client/connection.js'
import { chooseCa, withAdministration, type Administration } from './administration.js'

/** What `ca init` takes. */
export interface CaInitOptions {
  readonly name: string
  readonly subject?: string
  readonly key: KeySpec
  readonly years: number
}

/** Makes a root CA and returns its certificate as PEM with its fingerprint. */
export function createRootCa(options: CaInitOptions): Promise<{ readonly pem: string; readonly fingerprint: string }> {
  return withAdministration(async administration => {
    const { certificate } = await setupOf(administration).createRoot(settingsOf(options, administration.actor))
    return { pem: encodePem('CERTIFICATE', certificate.raw), fingerprint: fingerprintOf(certificate) }
  })
}

/** Makes a subordinate CA and returns its certificate request as PEM. */
export function requestSubordinateCa(options: CaInitOptions): Promise<string> {
  return withAdministration(async administration => {
    const { request } = await setupOf(administration).requestSubordinate(settingsOf(options, administration.actor))
    return encodePem('CERTIFICATE REQUEST', request)
  })
}

/** Installs the certificate of a subordinate CA from a PEM file with all certificates up to the root. */
export function installCaCertificate(name: string, file: string): Promise<string> {
  return withAdministration(async administration => {
    const certificates = decodePem(await readText(file)).map(block => block.bytes)
    if (certificates.length === 0) throw new AppError('pem_invalid', `${file} holds no PEM certificate.`)
    const certificate = await setupOf(administration).install(name, certificates, administration.actor)
    return fingerprintOf(certificate)
  })
}

/** What is known of every CA. */
export function describeCas(): Promise<readonly Readonly<Record<string, string | number | null>>[]> {
  return withAdministration(async ({ database }) => {
    const cas = new CaStore(database.dataSource)
    const crls = new CrlStore(database.dataSource)
    return Promise.all(
      (await cas.list()).map(async ca => {
        const current = (await cas.listCertificates(ca.id)).at(-1)
        const awaited = await cas.findAwaited(ca.id)
        const crl = await crls.findLatest(ca.id)
        return {
          id: ca.id,
          name: ca.name,
          kind: ca.kind,
          state: ca.state,
          certIndex: current?.certIndex ?? null,
          keyIndex: current?.keyIndex ?? null,
          awaits: awaited?.certIndex ?? null,
          subject: current?.subject ?? null,
          notAfter: current?.notAfter.toISOString() ?? null,
          fingerprint: current === undefined ? null : fingerprintOf(decodeCertificate(current.certificate)),
          crlNumber: crl?.number ?? null,
          crlNextUpdate: crl?.nextUpdate.toISOString() ?? null
        }
      })
    )
  })
}

/** The certificates of a CA as PEM, its own first. */
export function exportCaCertificate(caName: string | undefined): Promise<string> {
  return withAdministration(async ({ database }) => {
    const ca = await chooseCa(database, caName)
    const current = (await new CaStore(database.dataSource).listCertificates(ca.id)).at(-1)
    if (current?.certificate == null) throw new AppError('not_found', `"${ca.name}" awaits its certificate.`)
    return [current.certificate, ...current.chain].map(der => encodePem('CERTIFICATE', der)).join('')
  })
}

/**
 * Takes over the exchange certificate of another CA with its key, so that requests wrapped to it can be processed. It
 * is never handed out. Throws `invalid_argument` when the two do not belong together.
 */
export function importExchangeKey(options: {
  readonly ca?: string
  readonly certificate: string
  readonly key: string
}): Promise<string> {
  return withAdministration(async administration => {
    const { database, installation, clock, actor } = administration
    const ca = await chooseCa(database, options.ca)
    const certificate = decodeCertificate(await derOf(options.certificate))
    const judgement = judgeExchangeCertificate(certificate, clock.now())
    if (!judgement.usable) throw new AppError('invalid_argument', judgement.detail, { fault: judgement.fault })
    const pkcs8 = await derOf(options.key)
    const publicKey = publicHalfOf(privateKeyFromPkcs8(pkcs8))
    if (!equalBytes(publicKey.raw, certificate.publicKey.raw)) {
      throw new AppError('invalid_argument', 'The key is not that of the certificate.')
    }
    const { reference } = await installation.keys('archive').import(pkcs8, `exchange-${ca.id}-imported`)
    const keys = new ExchangeKeyStore(database.dataSource)
    const now = clock.now()
    await database.transaction(async unit => {
      const raw = Buffer.from(publicKey.raw)
      const key = { caId: ca.id, keyReference: reference, publicKey: raw, imported: true, createdAt: now }
      const id = await keys.add(key, { actor }, unit)
      await keys.certify(
        id,
        { ...exchangeCertificateOf(certificate), requestId: null, caKeyIndex: null },
        { actor },
        now,
        unit
      )
    })
    return certificate.serialHex
  })
}

function exchangeCertificateOf(certificate: Certificate): {
  readonly certificate: Buffer
  readonly issuer: Buffer
  readonly serialNumber: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
} {
  return {
    certificate: Buffer.from(certificate.raw),
    issuer: Buffer.from(certificate.issuer.raw),
    serialNumber: Buffer.from(certificate.serialNumber),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter
  }
}

async function derOf(file: string): Promise<Uint8Array> {
  const content = await readBytes(file)
  return content[0] === 0x30 ? content : (decodePem(Buffer.from(content).toString('utf8'))[0]?.bytes ?? content)
}

function setupOf({ installation, database, clock, entropy }: Administration): CaSetup {
  return new CaSetup({ database, keys: installation.keys('authority'), clock, entropy })
}

function settingsOf(options: CaInitOptions, actor: string): Parameters<CaSetup['createRoot']>[0] {
  const { name, key, years, subject } = options
  return { name, key, validityYears: years, actor, ...(subject === undefined ? {} : { subject }) }
}

/** SHA-256 over the DER, upper-case pairs with colons, as OpenSSL prints it. */
export function fingerprintOf(certificate: Certificate): string {
  const digest = createHash('sha256').update(certificate.raw).digest()
  return (toHex(digest).toUpperCase().match(/../g) ?? []).join(':')
}
