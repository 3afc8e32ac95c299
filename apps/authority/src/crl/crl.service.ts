import { Inject, Injectable } from '@nestjs/common'
import type { CaId, Clock } from '@app/core'
import { authorityKeyIdentifierOf } from '@app/issuance'
import { OID } from '@app/oid'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { CertificateStore, CrlStore, type CrlEntryRow } from '@app/storage'
import {
  CRL_REASONS,
  encodeCaVersion,
  encodeCrl,
  encodeCrlNumber,
  encodeTbsCrl,
  type CrlReason,
  type TbsCrlParts
} from '@app/x509'
import { CaRegistry, type IssuingCa } from '../ca/ca-registry.js'

const hour = 3_600_000

const reasons = new Map(Object.entries(CRL_REASONS).map(([name, number]) => [number as number, name as CrlReason]))

/** Publishes base CRLs (RFC 5280, 5). */
@Injectable()
export class CrlService {
  constructor(
    private readonly registry: CaRegistry,
    private readonly certificates: CertificateStore,
    private readonly crls: CrlStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** Publishes a CRL for every CA that has none, or whose newest enters its overlap. Returns how many. */
  async run(): Promise<number> {
    let published = 0
    for (const caId of await this.registry.listActive()) {
      const ca = await this.registry.get(caId)
      const latest = await this.crls.findLatest(caId, ca.keyIndex)
      const due = (latest?.nextUpdate.getTime() ?? 0) - this.config.crl.overlapHours * hour
      if (due > this.clock.now().getTime()) continue
      await this.publish(caId)
      published++
    }
    return published
  }

  /** Signs and stores the next CRL of a CA, whether one is due or not. Returns its number. */
  async publish(caId: CaId, actor = 'role:authority'): Promise<number> {
    const ca = await this.registry.get(caId)
    const thisUpdate = this.clock.now()
    const nextUpdate = new Date(
      thisUpdate.getTime() + (this.config.crl.validityHours + this.config.crl.overlapHours) * hour
    )
    const number = await this.crls.nextNumber(caId)
    // What ended since the previous CRL is listed once more (RFC 5280, 3.3).
    const previous = await this.crls.findLatest(caId, ca.keyIndex)
    const entries = await this.certificates.listForCrl(caId, ca.keyIndex, previous?.thisUpdate ?? thisUpdate)
    const { scheme } = ca.signer
    const tbs = encodeTbsCrl({
      scheme,
      issuer: ca.certificate.subject.raw,
      thisUpdate,
      nextUpdate,
      entries: entries.map(entryOf),
      extensions: extensionsOf(ca, number)
    })
    const crl = encodeCrl(tbs, scheme, await ca.signer.sign(tbs))
    const row = { caId, number, keyIndex: ca.keyIndex, crl: Buffer.from(crl), thisUpdate, nextUpdate }
    await this.crls.add(row, { actor, detail: { entries: entries.length } })
    return number
  }
}

function entryOf(row: CrlEntryRow): TbsCrlParts['entries'] extends Iterable<infer Entry> ? Entry : never {
  const reason = row.reason === null ? undefined : reasons.get(row.reason)
  return { serialNumber: row.serialNumber, revokedAt: row.revokedAt, ...(reason === undefined ? {} : { reason }) }
}

function extensionsOf(ca: IssuingCa, number: number): TbsCrlParts['extensions'] {
  return [
    authorityKeyIdentifierOf(ca.certificate),
    {
      oid: OID.szOID_CERTSRV_CA_VERSION,
      critical: false,
      value: encodeCaVersion({ certificateIndex: ca.certIndex, keyIndex: ca.keyIndex })
    },
    { oid: OID.id_ce_cRLNumber, critical: false, value: encodeCrlNumber(BigInt(number)) }
  ]
}
