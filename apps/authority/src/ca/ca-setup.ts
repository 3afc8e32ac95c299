import { AppError, equalBytes, type CaId, type Clock, type Entropy } from '@app/core'
import { sanitizeCaName, shortSanitizedCaName } from '@app/cmc'
import { buildSubordinateRequest, issue, newSerialNumber, prepareRootCertificate } from '@app/issuance'
import type { KeySpec, KeyStore, Signer } from '@app/keys'
import { CaStore, INSTALLATION, TemplateStore, type Database, type Unit } from '@app/storage'
import { builtInTemplates } from '@app/templates'
import { decodeCertificate, encodeName, formatName, parseDistinguishedName, type Certificate } from '@app/x509'
import { keyLabel, orderedChain, signingCertificate, yearSeconds } from './ca-material.js'

/** What a new CA offers at once. */
const offered = ['UserEncryption', 'UserSignature', 'WebServer', 'Computer', 'Operator']

/** What making a CA needs: the owner's connection and the authority's key store. */
export interface CaSetupParts {
  readonly database: Database
  readonly keys: KeyStore
  readonly clock: Clock
  readonly entropy: Entropy
}

/** A CA to be. */
export interface NewCaSettings {
  /** What clients call it by; also its common name unless a subject is given. */
  readonly name: string
  /** The whole distinguished name; its common name must be the CA's name. */
  readonly subject?: string
  readonly key: KeySpec
  readonly validityYears: number
  /** Who makes it, for the audit log. */
  readonly actor: string
}

/** Makes CAs on the machine that holds their keys. */
export class CaSetup {
  private readonly cas: CaStore
  private readonly templates: TemplateStore

  constructor(private readonly parts: CaSetupParts) {
    this.cas = new CaStore(parts.database.dataSource)
    this.templates = new TemplateStore(parts.database.dataSource)
  }

  /** A root CA with its self-signed certificate, ready to issue. Throws `conflict` when the name is taken. */
  async createRoot(settings: NewCaSettings): Promise<{ readonly caId: CaId; readonly certificate: Certificate }> {
    await this.requireFree(settings.name)
    const { reference, signer } = await this.newKey(settings)
    const now = this.parts.clock.now()
    const prepared = prepareRootCertificate({
      subject: subjectOf(settings),
      publicKey: signer.publicKey,
      version: { certificateIndex: 0, keyIndex: 0 },
      scheme: signer.scheme,
      serialNumber: newSerialNumber(this.parts.entropy),
      now,
      validitySeconds: settings.validityYears * yearSeconds
    })
    const certificate = decodeCertificate(await issue(prepared, signer))
    const caId = await this.record(settings, 'root', async (id, unit) => {
      const signing = signingCertificate(certificate, [])
      const row = { caId: id, certIndex: 0, keyIndex: 0, request: null, keyReference: reference, ...signing }
      await this.cas.addCertificate(row, { actor: settings.actor }, now, unit)
    })
    return { caId, certificate }
  }

  /** A CA below another: its key and the PKCS#10 for its parent. It issues once {@link install} has its certificate. */
  async requestSubordinate(settings: NewCaSettings): Promise<{ readonly caId: CaId; readonly request: Uint8Array }> {
    await this.requireFree(settings.name)
    const { reference, signer } = await this.newKey(settings)
    const subject = subjectOf(settings)
    const request = await buildSubordinateRequest({ subject, version: { certificateIndex: 0, keyIndex: 0 } }, signer)
    const caId = await this.record(settings, 'subordinate', async (id, unit) => {
      const empty = { certificate: null, chain: [], notBefore: null, notAfter: null, sha1: null }
      const own = { caId: id, certIndex: 0, keyIndex: 0, request: Buffer.from(request), keyReference: reference }
      const row = { ...own, ...empty, subject: settings.subject ?? `CN=${settings.name}` }
      await this.cas.addCertificate(row, { actor: settings.actor }, this.parts.clock.now(), unit)
    })
    return { caId, request }
  }

  /**
   * Installs the certificate of a subordinate CA, its first or that of a renewal, with its parents up to the root. Throws
   * `ca_certificate_invalid` when it is for another key or name or does not chain, `conflict` when none is awaited.
   */
  async install(name: string, certificates: readonly Uint8Array[], actor: string): Promise<Certificate> {
    const ca = await this.cas.findByName(name)
    if (ca === undefined) throw new AppError('not_found', `There is no CA "${name}".`)
    const awaited = ca.kind === 'root' ? undefined : await this.cas.findAwaited(ca.id)
    if (awaited === undefined) throw new AppError('conflict', `"${ca.name}" awaits no certificate.`)
    const signer = await this.parts.keys.signer(awaited.keyReference)
    const installed = await this.cas.listCertificates(ca.id)
    const known = installed.map(({ certificate }) => certificate)
    const [own, ...chain] = orderedChain(
      certificates.filter(der => !known.some(other => equalBytes(other, der))).map(der => decodeCertificate(der)),
      signer.publicKey
    )
    requireSameName(own, known.at(-1))
    const signing = signingCertificate(own, chain)
    if (!(await this.cas.activate(ca.id, awaited.certIndex, signing, { actor }, this.parts.clock.now()))) {
      throw new AppError('conflict', `"${ca.name}" has got its certificate meanwhile.`)
    }
    return own
  }

  /** Adds the built-in templates that are missing and activates them, both in the name of the installation. */
  async provideTemplates(): Promise<void> {
    const known = new Set((await this.templates.list()).map(template => template.name))
    const now = this.parts.clock.now()
    for (const template of builtInTemplates().filter(({ name }) => !known.has(name))) {
      const id = await this.templates.add(template, { actor: INSTALLATION }, now)
      await this.templates.activate(id, { actor: INSTALLATION }, now)
    }
  }

  private async requireFree(name: string): Promise<void> {
    if ((await this.cas.findByName(name)) === undefined) return
    throw new AppError('conflict', `There is a CA "${name}" already. Choose another name.`)
  }

  private async newKey({ key, name }: NewCaSettings): Promise<{ readonly reference: string; readonly signer: Signer }> {
    const { reference } = await this.parts.keys.generate(key, keyLabel(name))
    return { reference, signer: await this.parts.keys.signer(reference) }
  }

  private async record(
    settings: NewCaSettings,
    kind: 'root' | 'subordinate',
    addCertificate: (caId: CaId, unit: Unit) => Promise<void>
  ): Promise<CaId> {
    const { name, actor } = settings
    const createdAt = this.parts.clock.now()
    await this.provideTemplates()
    const caId = await this.parts.database.transaction(async unit => {
      const names = { name, sanitizedName: sanitizeCaName(name), shortName: shortSanitizedCaName(name) }
      const state = kind === 'root' ? 'active' : 'awaiting_certificate'
      const id = await this.cas.add({ ...names, kind, state, createdAt }, { actor }, unit)
      await addCertificate(id, unit)
      return id
    })
    await this.cas.offer(caId, offered, { actor }, createdAt)
    return caId
  }
}

function subjectOf({ name, subject }: NewCaSettings): Uint8Array {
  const encoded = encodeName(parseDistinguishedName(subject ?? `CN=${name.replace(/([,+"\\<>;=#])/g, '\\$1')}`))
  return encoded
}

/** Clients and relying parties know the CA by its name; a renewal keeps it. */
function requireSameName({ subject }: Certificate, previous: Uint8Array | undefined): void {
  if (previous === undefined || equalBytes(decodeCertificate(previous).subject.raw, subject.raw)) return
  throw new AppError(
    'ca_certificate_invalid',
    `The certificate is for ${formatName(subject)}, and the CA has another name.`
  )
}
