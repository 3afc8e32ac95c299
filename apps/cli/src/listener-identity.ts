import { readFileSync } from 'node:fs'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { AppError, wipe } from '@app/core'
import { decodePem, encodePem } from '@app/der'
import { readSecretFile } from '@app/files'
import type { Config, ServerTls } from '@app/platform'
import { CaStore } from '@app/storage'
import { TlsIdentity } from '../../front/src/listener/tls-identity.js'

/** Where the HTTPS listener has its key and certificate from. */
export interface ListenerIdentity {
  /** What to serve with now. Throws `config_invalid` for files that will not do, `unavailable` when no CA issues. */
  current(): Promise<ServerTls>
}

/**
 * Throws `config_invalid` when a process cannot have a certificate for its listener: without the role `front` it has
 * no way to enroll for one.
 */
export function requireListenerIdentity({ roles, https }: Config): void {
  if (https.certificateFile !== undefined || roles.includes('front') || !roles.includes('console')) return
  throw new AppError(
    'config_invalid',
    'A process with the role console and without the role front has no certificate for its HTTPS listener. Set https.certificateFile and https.keyFile.'
  )
}

/** The files of the configuration where it names some, else the certificate that the CA issues for the listener. */
export function listenerIdentity(app: NestFastifyApplication, { https }: Config): ListenerIdentity {
  const { certificateFile, keyFile } = https
  if (certificateFile === undefined || keyFile === undefined) return app.get(TlsIdentity)
  return { current: () => readIdentity(app.get(CaStore), certificateFile, keyFile) }
}

async function readIdentity(cas: CaStore, certificateFile: string, keyFile: string): Promise<ServerTls> {
  const certificates = decodePem(readPem(certificateFile)).filter(({ label }) => label === 'CERTIFICATE')
  if (certificates.length === 0) {
    throw new AppError('config_invalid', `${certificateFile} (https.certificateFile) holds no PEM certificate.`)
  }
  const key = await readSecretFile(keyFile)
  try {
    return {
      privateKey: Buffer.from(key).toString('utf8'),
      certificates: certificates.map(({ bytes }) => encodePem('CERTIFICATE', bytes)).join(''),
      clientAuthorities: await clientAuthorities(cas)
    }
  } finally {
    wipe(key)
  }
}

/** The CAs whose client certificates the listener asks for: every one of the installation, with its parents. */
async function clientAuthorities(cas: CaStore): Promise<readonly string[]> {
  const rows = await Promise.all((await cas.list()).map(({ id }) => cas.listCertificates(id)))
  const certificates = rows
    .flat()
    .flatMap(({ certificate, chain }) => (certificate === null ? [] : [certificate, ...chain]))
  return [...new Set(certificates.map(der => encodePem('CERTIFICATE', der)))]
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new AppError(
      'config_invalid',
      `${path} (https.certificateFile) cannot be read: ${code}.`,
      { path },
      { cause }
    )
  }
}
