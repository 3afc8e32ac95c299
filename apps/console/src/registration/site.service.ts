import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError, type Clock } from '@app/core'
import { decodePem, encodePem } from '@app/der'
import { CLOCK } from '@app/platform'
import { keyHashOf, smsidOf } from '@app/registration'
import { SiteStore, type RegistrationProxyRow, type SiteRow } from '@app/storage'
import { decodeCertificate, type Certificate } from '@app/x509'
import type { AuthenticatedOperator } from '../access/operator.js'
import { entityTagOf } from '../access/entity-tag.js'
import { thumbprintOf } from './client-views.js'
import type {
  ProxiesView,
  ProxyBody,
  ProxyView,
  SigningCertificatesView,
  SiteBody,
  SiteView
} from './clients.schemas.js'

const minProxyBits = 2048

/** The settings of the site, its proxies, and the certificates of its management points. */
@Injectable()
export class SiteService {
  constructor(
    private readonly site: SiteStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  async get(): Promise<SiteView> {
    return viewOfSite(await this.site.get())
  }

  /** Throws `invalid_argument`, and `precondition_failed` when the settings are not those of `version` any more. */
  async change(body: SiteBody, version: string | undefined, operator: AuthenticatedOperator): Promise<SiteView> {
    if (body.waitMaximumSeconds < body.waitMinimumSeconds) {
      throw new AppError('invalid_argument', 'waitMaximumSeconds is less than waitMinimumSeconds.')
    }
    const before = await this.site.get()
    const { crlChecked: isCrlChecked, sha1Taken: isSha1Taken, trustedAuthorities, ...settings } = body
    const authorities = trustedAuthorities.map(text => Buffer.from(certificateOf(text, 'trustedAuthorities').raw))
    const row = { ...settings, isCrlChecked, isSha1Taken, trustedAuthorities: authorities, version: before.version }
    const isSeen = version === undefined || version === String(before.version)
    if (!isSeen || !(await this.site.change(row, { actor: operator.name }, this.clock.now()))) {
      throw new AppError('precondition_failed', 'Somebody has changed the settings of the site meanwhile.')
    }
    return this.get()
  }

  /** Removed ones too. */
  async listProxies(): Promise<ProxiesView> {
    return { items: (await this.site.listProxies()).map(viewOfProxy) }
  }

  /** Lets a program register clients and sign for them. Throws `invalid_argument`, and `conflict` for a key that is in use. */
  async importProxy({ name, certificate }: ProxyBody, operator: AuthenticatedOperator): Promise<ProxyView> {
    const decoded = certificateOf(certificate, 'certificate')
    const { algorithm, bits } = decoded.publicKey
    if (algorithm !== 'rsa' || bits < minProxyBits) {
      throw new AppError('invalid_argument', `A proxy signs with an RSA key of ${minProxyBits} bits or more.`)
    }
    const row = {
      smsid: smsidOf(randomUUID()),
      name,
      certificate: Buffer.from(decoded.raw),
      keyHash: keyHashOf(decoded),
      importedAt: this.clock.now()
    }
    await this.site.addProxy(row, { actor: operator.name })
    return viewOfProxy({ ...row, removedAt: null })
  }

  /** Throws `not_found`. */
  async removeProxy(smsid: string, operator: AuthenticatedOperator): Promise<void> {
    if (await this.site.removeProxy(smsid, { actor: operator.name }, this.clock.now())) return
    throw new AppError('not_found', `There is no proxy ${smsid}.`)
  }

  /** What clients put into their store of management points. */
  async listSigningCertificates(): Promise<SigningCertificatesView> {
    const points = await this.site.listManagementPoints()
    return {
      items: points.map(({ certificate, sha256, createdAt }) => ({
        thumbprint: thumbprintOf(certificate),
        sha256: sha256.toString('hex'),
        createdAt: createdAt.toISOString(),
        pem: encodePem('CERTIFICATE', certificate)
      }))
    }
  }
}

function viewOfSite(row: SiteRow): SiteView {
  const { isCrlChecked: crlChecked, isSha1Taken: sha1Taken, trustedAuthorities, trustedDomains, version, ...rest } = row
  return {
    ...rest,
    crlChecked,
    sha1Taken,
    trustedAuthorities: trustedAuthorities.map(der => encodePem('CERTIFICATE', der)),
    trustedDomains: [...trustedDomains],
    etag: entityTagOf(String(version))
  }
}

function viewOfProxy({ smsid, name, certificate, importedAt, removedAt }: RegistrationProxyRow): ProxyView {
  return {
    smsid,
    name,
    thumbprint: thumbprintOf(certificate),
    importedAt: importedAt.toISOString(),
    ...(removedAt === null ? {} : { removedAt: removedAt.toISOString() })
  }
}

function certificateOf(text: string, field: string): Certificate {
  try {
    const [block, ...others] = decodePem(text).filter(({ label }) => label === 'CERTIFICATE')
    if (block !== undefined && others.length === 0) return decodeCertificate(block.bytes)
  } catch (error) {
    if (!isAppError(error)) throw error
  }
  throw new AppError('invalid_argument', `${field} is not one certificate in PEM.`)
}
