import { AppError, type CaId, type Clock, type Entropy } from '@app/core'
import {
  buildSubordinateRequest,
  issue,
  newSerialNumber,
  prepareCrossCertificate,
  prepareRootCertificate,
  type CaProfile,
  type Issuer,
  type PreparedCertificate
} from '@app/issuance'
import type { KeySpec, KeyStore, Signer } from '@app/keys'
import { OID } from '@app/oid'
import {
  CaStore,
  SelfIssuedStore,
  type CaCertificateRow,
  type CaRow,
  type Database,
  type InstalledCaCertificate
} from '@app/storage'
import { decodeBasicConstraints, decodeCertificate, findExtension, type Certificate } from '@app/x509'
import { keyLabel, keySpecOf, signingCertificate, yearSeconds } from './ca-material.js'

/** What renewing a CA needs: the owner's connection and the authority's key store. */
export interface CaRenewalParts {
  readonly database: Database
  readonly keys: KeyStore
  readonly clock: Clock
  readonly entropy: Entropy
  /** The addresses that certificates name which this CA certificate signs. */
  readonly addressesOf: (
    certificate: Pick<CaCertificateRow, 'caId' | 'certIndex' | 'keyIndex'>
  ) => Pick<Issuer, 'crlUrls' | 'caIssuersUrls' | 'ocspUrls'>
}

/** A renewal as it is asked for. */
export interface RenewalSettings {
  /** The present key once more, or a new one: of this kind, or of the present key's kind. */
  readonly key: 'same' | 'new' | KeySpec
  /** Who renews, for the audit log. */
  readonly actor: string
}

/** A root that has been renewed. */
export interface RenewedRoot {
  readonly certificate: Certificate
  readonly certIndex: number
  readonly keyIndex: number
  /** With a new key: the new one certified with the old, and the old one with the new. */
  readonly crossCertificates: readonly Uint8Array[]
}

/** A CA, what it has, and what it is to get. */
interface Renewal {
  readonly ca: CaRow
  readonly present: InstalledCaCertificate
  readonly awaited: CaCertificateRow
  readonly because: { readonly actor: string }
}

/** Renews CAs on the machine that holds their keys. */
export class CaRenewal {
  private readonly cas: CaStore
  private readonly selfIssued: SelfIssuedStore

  constructor(private readonly parts: CaRenewalParts) {
    this.cas = new CaStore(parts.database.dataSource)
    this.selfIssued = new SelfIssuedStore(parts.database.dataSource)
  }

  /**
   * Gives a root a new certificate, and with a new key two cross certificates between the old key and the new (RFC 4210,
   * 4.4). A renewal that was interrupted is completed, with the key that was recorded for it. Throws `not_found`,
   * `invalid_argument` for a subordinate, `ca_certificate_invalid` for a CA without certificate, and `conflict` when two
   * renew at the same time.
   */
  async renewRoot(name: string, settings: RenewalSettings & { readonly validityYears: number }): Promise<RenewedRoot> {
    const { ca, present } = await this.find(name, 'root')
    const because = { actor: settings.actor }
    // 1. Which key, recorded before it signs anything.
    const awaited = (await this.cas.findAwaited(ca.id)) ?? (await this.begin({ ca, present }, settings))
    const renewal = { ca, present, awaited, because }
    // failpoint: renewal.key-recorded
    // 2. The root certificate: its serial number and exact bytes, committed; then signed and recorded.
    const certificate = await this.signRoot(renewal, settings.validityYears * yearSeconds)
    // failpoint: renewal.root-signed
    // 3. The cross certificates likewise; recorded together with the root's coming into use.
    const crossCertificates = await this.complete(renewal, certificate)
    const { certIndex, keyIndex } = awaited
    return { certificate, certIndex, keyIndex, crossCertificates }
  }

  /**
   * The PKCS#10 for the renewal of a subordinate, to be signed by its parent; `CaSetup.install` takes the certificate.
   * Asked again before that, it is the same request. Throws `not_found`, `invalid_argument` for a root and `conflict`
   * when another key is asked for than the one that the waiting request has.
   */
  async requestSubordinate(name: string, settings: RenewalSettings): Promise<Uint8Array> {
    const { ca, present } = await this.find(name, 'subordinate')
    const waiting = await this.cas.findAwaited(ca.id)
    if (waiting !== undefined) return this.repeat(ca, waiting, present, settings)
    const plan = await this.plan({ ca, present }, settings.key)
    const signer = await this.parts.keys.signer(plan.keyReference)
    const request = await buildSubordinateRequest(profileOf(present, plan), signer)
    await this.record(present, plan, request, settings.actor)
    return request
  }

  /** Takes back the request of a subordinate that its parent has not answered. Throws `not_found` and `conflict`. */
  async withdraw(name: string, actor: string): Promise<void> {
    const { ca, present } = await this.find(name, 'subordinate')
    const awaited = await this.cas.findAwaited(ca.id)
    const now = this.parts.clock.now()
    if (awaited === undefined || !(await this.cas.withdrawRenewal(ca.id, awaited.certIndex, { actor }, now))) {
      throw new AppError('conflict', `"${ca.name}" awaits no certificate for a renewal.`)
    }
    if (awaited.keyReference !== present.keyReference) await this.parts.keys.destroy(awaited.keyReference)
  }

  private async find(
    name: string,
    kind: CaRow['kind']
  ): Promise<{ readonly ca: CaRow; readonly present: InstalledCaCertificate }> {
    const ca = await this.cas.findByName(name)
    if (ca === undefined) throw new AppError('not_found', `There is no CA "${name}".`)
    if (ca.kind !== kind) throw new AppError('invalid_argument', `"${ca.name}" is a ${ca.kind} CA, not a ${kind}.`)
    const present = (await this.cas.listCertificates(ca.id)).at(-1)
    if (present === undefined) {
      throw new AppError('ca_certificate_invalid', `"${ca.name}" awaits its first certificate.`)
    }
    return { ca, present }
  }

  private async begin(
    renewed: Pick<Renewal, 'ca' | 'present'>,
    { key, actor }: RenewalSettings
  ): Promise<CaCertificateRow> {
    return this.record(renewed.present, await this.plan(renewed, key), null, actor)
  }

  private async plan({ ca, present }: Pick<Renewal, 'ca' | 'present'>, key: RenewalSettings['key']): Promise<Plan> {
    const certIndex = present.certIndex + 1
    if (key === 'same') return { certIndex, keyIndex: present.keyIndex, keyReference: present.keyReference }
    const kind = key === 'new' ? keySpecOf(decodeCertificate(present.certificate).publicKey) : key
    if (kind === undefined) {
      throw new AppError('invalid_argument', 'The present key is of a kind that is not made here. Name one.')
    }
    const { reference } = await this.parts.keys.generate(kind, keyLabel(ca.name))
    // As Windows counts: a new key has the number of the first certificate for it.
    return { certIndex, keyIndex: certIndex, keyReference: reference }
  }

  private async record(
    present: InstalledCaCertificate,
    plan: Plan,
    request: Uint8Array | null,
    actor: string
  ): Promise<CaCertificateRow> {
    const empty = { certificate: null, chain: [], notBefore: null, notAfter: null, sha1: null }
    const row = {
      ...plan,
      ...empty,
      caId: present.caId,
      request: request === null ? null : Buffer.from(request),
      subject: present.subject
    }
    await this.cas.addCertificate(row, { actor }, this.parts.clock.now())
    return row
  }

  private async repeat(
    ca: CaRow,
    { keyReference, request }: CaCertificateRow,
    present: InstalledCaCertificate,
    { key }: RenewalSettings
  ): Promise<Uint8Array> {
    const { publicKey } = await this.parts.keys.signer(keyReference)
    const isSame = keyReference === present.keyReference
    const isWanted = key === 'same' ? isSame : !isSame && (key === 'new' || keySpecOf(publicKey) === key)
    if (isWanted && request !== null) return request
    throw new AppError(
      'conflict',
      `"${ca.name}" awaits the certificate of a renewal with another key. Install it or take the renewal back first.`
    )
  }

  private async signRoot(renewal: Renewal, validitySeconds: number): Promise<Certificate> {
    const { ca, present, awaited } = renewal
    const signed = await this.selfIssued.listIssued(ca.id)
    const earlier = signed.find(row => row.subjectIndex === awaited.certIndex && row.issuerIndex === awaited.certIndex)
    if (earlier !== undefined) return decodeCertificate(earlier.certificate)
    const signer = await this.parts.keys.signer(awaited.keyReference)
    const prepared = prepareRootCertificate({
      ...profileOf(present, awaited),
      publicKey: signer.publicKey,
      scheme: signer.scheme,
      serialNumber: newSerialNumber(this.parts.entropy),
      now: this.parts.clock.now(),
      validitySeconds
    })
    const own = { prepared, signer, issuerIndex: awaited.certIndex, subjectIndex: awaited.certIndex }
    await this.reserve(ca.id, awaited.certIndex, [own], renewal.because)
    const der = await issue(prepared, signer)
    await this.parts.database.transaction(unit => this.selfIssued.finish(unit, ca.id, prepared.serialNumber, der))
    return decodeCertificate(der)
  }

  private async complete(renewal: Renewal, certificate: Certificate): Promise<readonly Uint8Array[]> {
    const { ca, present, awaited, because } = renewal
    // The key of a root that has ended is good for nothing more, nor does anybody trust it.
    const isCrossed = awaited.keyIndex !== present.keyIndex && present.notAfter > this.parts.clock.now()
    const crosses = isCrossed ? await this.prepareCrosses(renewal, certificate) : []
    if (crosses.length > 0) await this.reserve(ca.id, awaited.certIndex, crosses, because)
    const issued = await Promise.all(
      crosses.map(async ({ prepared, signer }) => ({ prepared, der: await issue(prepared, signer) }))
    )
    await this.parts.database.transaction(async unit => {
      for (const { prepared, der } of issued) await this.selfIssued.finish(unit, ca.id, prepared.serialNumber, der)
      const signing = signingCertificate(certificate, [])
      if (await this.cas.activate(ca.id, awaited.certIndex, signing, because, this.parts.clock.now(), unit)) return
      throw new AppError('conflict', `"${ca.name}" has been renewed by somebody else meanwhile.`)
    })
    return issued.map(({ der }) => der)
  }

  private async prepareCrosses({ present, awaited }: Renewal, certificate: Certificate): Promise<readonly Signing[]> {
    const sides = [
      { issuer: present, by: decodeCertificate(present.certificate), subject: awaited, certified: certificate },
      { issuer: awaited, by: certificate, subject: present, certified: decodeCertificate(present.certificate) }
    ]
    return Promise.all(
      sides.map(async ({ issuer, by, subject, certified }) => {
        const signer = await this.parts.keys.signer(issuer.keyReference)
        const prepared = prepareCrossCertificate({
          issuer: { certificate: by, scheme: signer.scheme, ...this.parts.addressesOf(issuer) },
          certified,
          serialNumber: newSerialNumber(this.parts.entropy),
          now: this.parts.clock.now()
        })
        return { prepared, signer, issuerIndex: issuer.certIndex, subjectIndex: subject.certIndex }
      })
    )
  }

  /** What an interrupted attempt has reserved is given up: it may have been signed or not. */
  private async reserve(
    caId: CaId,
    certIndex: number,
    signings: readonly Signing[],
    because: Renewal['because']
  ): Promise<void> {
    const reservedAt = this.parts.clock.now()
    const rows = signings.map(({ prepared: { serialNumber, tbs, notAfter }, issuerIndex, subjectIndex }) => {
      const between = { caId, issuerIndex, subjectIndex }
      return { ...between, serialNumber, tbs, notAfter, reservedAt }
    })
    await this.parts.database.transaction(async unit => {
      await this.selfIssued.abandon(unit, caId, certIndex)
      await this.selfIssued.reserve(unit, rows, because)
    })
  }
}

/** Which certificate is to come, and its key. */
type Plan = Pick<CaCertificateRow, 'certIndex' | 'keyIndex' | 'keyReference'>

/** A certificate that is about to be signed, and the CA certificates that it is from and for. */
interface Signing {
  readonly prepared: PreparedCertificate
  readonly signer: Signer
  readonly issuerIndex: number
  readonly subjectIndex: number
}

/** What a renewed CA has in common with what it was, and what is new. */
function profileOf(
  present: InstalledCaCertificate,
  { certIndex, keyIndex }: Plan
): Pick<CaProfile, 'subject' | 'version' | 'previousHash' | 'pathLength'> {
  const { subject, ...certificate } = decodeCertificate(present.certificate)
  const constraints = findExtension(certificate, OID.id_ce_basicConstraints)
  const { pathLength } = constraints === undefined ? {} : decodeBasicConstraints(constraints.value)
  return {
    subject: subject.raw,
    version: { certificateIndex: certIndex, keyIndex },
    previousHash: present.sha1,
    ...(pathLength === undefined ? {} : { pathLength })
  }
}
