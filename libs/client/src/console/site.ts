import type { Transport } from '../transport.js'

/** The settings of the site that clients register with. */
export interface SiteSettings {
  readonly siteCode: string
  readonly mode: 'mixed' | 'native' | 'both'
  readonly approvalMode: 'manual' | 'trusted_domains' | 'all'
  readonly waitMinimumSeconds: number
  readonly waitMaximumSeconds: number
  /** How far the time of a message may be from the server's. */
  readonly replayWindowSeconds: number
  /** Whether the CRLs of other CAs are looked into for clients of native mode. */
  readonly crlChecked: boolean
  readonly sha1Taken: boolean
  /** PEM of CAs beside those of the installation. */
  readonly trustedAuthorities: readonly string[]
  readonly trustedDomains: readonly string[]
}

/** The settings with their version. */
export interface Site extends SiteSettings {
  readonly etag: string
}

/** A program that registers clients and signs for them. */
export interface IsvProxy {
  readonly smsid: string
  readonly name: string
  /** SHA-1 of its certificate. */
  readonly thumbprint: string
  readonly importedAt: string
  readonly removedAt?: string
}

/** A certificate that replies are signed with. */
export interface ReplySigningCertificate {
  /** SHA-1. */
  readonly thumbprint: string
  readonly sha256: string
  readonly createdAt: string
  readonly pem: string
}

const base = '/api/v1/configmgr'

/** The site that clients register with. */
export class ConfigMgrSite {
  constructor(private readonly transport: Transport) {}

  get(): Promise<Site> {
    return this.transport.json({ path: `${base}/site` })
  }

  /** Throws `precondition_failed` when the settings are not those of `ifMatch` any more. */
  set(json: SiteSettings, options: { readonly ifMatch?: string } = {}): Promise<Site> {
    return this.transport.json({ method: 'PUT', path: `${base}/site`, json, ...options })
  }

  /** Changes some settings of those that are there now. Throws as {@link set}. */
  async change(changes: Partial<SiteSettings>): Promise<Site> {
    const { etag, ...settings } = await this.get()
    return this.set({ ...settings, ...changes }, { ifMatch: etag })
  }

  /** Removed ones too. */
  async proxies(): Promise<readonly IsvProxy[]> {
    return (await this.transport.json<{ readonly items: readonly IsvProxy[] }>({ path: `${base}/isv-proxies` })).items
  }

  /** Imports the certificate (PEM) of a proxy, which gets its SMSID. Throws `conflict` for a key that is in use. */
  importProxy(json: { readonly name: string; readonly certificate: string }): Promise<IsvProxy> {
    return this.transport.json({ method: 'POST', path: `${base}/isv-proxies`, json })
  }

  /** Throws `not_found`. */
  async removeProxy(smsid: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: `${base}/isv-proxies/${encodeURIComponent(smsid)}` })
  }

  /** What clients put into their store of management points. */
  async signingCertificates(): Promise<readonly ReplySigningCertificate[]> {
    const path = `${base}/management-points/signing-certificates`
    return (await this.transport.json<{ readonly items: readonly ReplySigningCertificate[] }>({ path })).items
  }
}
