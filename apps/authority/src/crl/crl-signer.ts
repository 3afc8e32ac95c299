import { createHash } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { DerReader } from '@app/der'
import { crlEntryOf, crlExtensions, crlTimes, type CrlSchedule } from '@app/issuance'
import { CLOCK } from '@app/platform'
import {
  CrlStore,
  RevocationStore,
  type Because,
  type CrlEntryRow,
  type CrlKind,
  type CrlSummary,
  type NewCrl
} from '@app/storage'
import {
  CrlEntryList,
  decodeAlgorithmIdentifier,
  encodeCrl,
  encodeSignatureAlgorithm,
  encodeTbsCrl,
  verifySignature
} from '@app/x509'
import type { IssuingCa } from '../ca/ca-registry.js'

/** What a CRL is made from. */
interface Plan {
  readonly row: Omit<NewCrl, 'crl' | 'entries' | 'number'>
  readonly pages: AsyncIterable<readonly CrlEntryRow[]>
  readonly delta?: { readonly baseNumber: number; readonly newestBase: number }
}

/** Signs one CRL: what will be signed is on record before it is. */
@Injectable()
export class CrlSigner {
  constructor(
    private readonly revocations: RevocationStore,
    private readonly crls: CrlStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Publishes a CRL of the CA's key, whether one is due or not, and returns its number. Throws `conflict` when another
   * process was faster, and what the signer throws; the number is spent then.
   */
  async publish(ca: IssuingCa, kind: CrlKind, schedule: CrlSchedule, because: Because): Promise<number> {
    // 1. The number before anything that it will be on: whoever takes a higher one reads no older state than this.
    const number = await this.crls.nextNumber(ca.id)
    // failpoint: crl.numbered
    // Everything up to this change is committed, and so is in the entries that are read after it.
    const { last } = await this.revocations.changesOf(ca.id, ca.keyIndex)
    const plan = await this.plan(ca, kind, schedule, last)
    const entries = new CrlEntryList()
    for await (const page of plan.pages) {
      for (const row of page) entries.add(crlEntryOf(row, plan.row.thisUpdate))
    }
    // failpoint: crl.entries-read
    // 2. Intent: the number and the digest of the exact bytes.
    const tbs = this.encode(ca, plan, schedule, number, entries)
    const tbsDigest = createHash('sha256').update(tbs).digest()
    const { caId, keyIndex } = plan.row
    await this.crls.intend({ caId, keyIndex, kind, number, tbsDigest, intendedAt: this.clock.now() })
    // failpoint: crl.intent-committed
    // 3. Sign, and 4. record.
    const signature = await ca.signer.sign(tbs)
    verify(ca, tbs, signature)
    const crl = encodeCrl(tbs, ca.signer.scheme, signature)
    // failpoint: crl.signed
    await this.crls.add({ ...plan.row, number, entries: entries.length, crl }, because)
    // failpoint: crl.published
    return number
  }

  private async plan(ca: IssuingCa, kind: CrlKind, schedule: CrlSchedule, changes: number): Promise<Plan> {
    const { id: caId, keyIndex } = ca
    const now = this.clock.now()
    const newest = await this.crls.findLatestSummary(caId, keyIndex, 'base')
    const common = { caId, keyIndex, kind, changes }
    if (kind === 'base') {
      // What ended since the base before is listed once more (RFC 5280, 3.3).
      const pages = this.revocations.listForCrl(caId, keyIndex, newest?.thisUpdate ?? new Date(0))
      return { row: { ...common, ...crlTimes(kind, schedule, now), baseNumber: null }, pages }
    }
    if (newest === undefined) throw new AppError('conflict', 'There is no base CRL that a delta could refer to.')
    const base = await this.baseOf(newest, now)
    const pages = latestOfEach(this.revocations.listChanges(caId, keyIndex, base.changes))
    const delta = { baseNumber: base.number, newestBase: newest.number }
    return { row: { ...common, ...crlTimes(kind, schedule, now, newest), baseNumber: base.number }, delta, pages }
  }

  /** The oldest base in force, so that a delta is good for everybody who still has a base that is. */
  private async baseOf(newest: CrlSummary, now: Date): Promise<CrlSummary> {
    return (await this.crls.findOldestBase(newest.caId, newest.keyIndex, now)) ?? newest
  }

  private encode(ca: IssuingCa, plan: Plan, schedule: CrlSchedule, number: number, entries: CrlEntryList): Uint8Array {
    const { crl, deltaCrl } = ca.urls
    return encodeTbsCrl({
      scheme: ca.signer.scheme,
      issuer: ca.certificate.subject.raw,
      thisUpdate: plan.row.thisUpdate,
      nextUpdate: plan.row.nextUpdate,
      entries,
      extensions: crlExtensions({
        issuer: ca.certificate,
        version: { certificateIndex: ca.certIndex, keyIndex: ca.keyIndex },
        number,
        nextPublish: plan.row.nextPublish,
        urls: [plan.row.kind === 'base' ? crl : deltaCrl],
        deltaUrls: schedule.delta > 0 ? [deltaCrl] : [],
        ...(plan.delta === undefined ? {} : { delta: plan.delta })
      })
    })
  }
}

/** A certificate whose status changes while the pages are read comes twice; the later row is the newer one. */
async function* latestOfEach(pages: AsyncIterable<readonly CrlEntryRow[]>): AsyncGenerator<readonly CrlEntryRow[]> {
  const latest = new Map<string, CrlEntryRow>()
  for await (const page of pages) {
    for (const row of page) latest.set(row.serialNumber.toString('hex'), row)
  }
  yield [...latest.values()]
}

/** A signer that errs must not leave every relying party without a CRL. */
function verify(ca: IssuingCa, data: Uint8Array, signature: Uint8Array): void {
  const reader = DerReader.over(encodeSignatureAlgorithm(ca.signer.scheme))
  const signatureAlgorithm = decodeAlgorithmIdentifier(reader, 'signature algorithm')
  const { publicKey } = ca.certificate
  if (verifySignature({ publicKey, signatureAlgorithm, data, signature }).valid) return
  throw new AppError('internal', `The key of ${ca.name} made a signature that does not verify.`)
}
