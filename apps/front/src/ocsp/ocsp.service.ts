import { createHash } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { asId, fromBase64, type CaId, type Clock } from '@app/core'
import { CLOCK, CONFIG, type Config, type PlainAnswer, type PlainPost } from '@app/platform'
import { StatusChanges } from '@app/queue'
import { CaStore, RevocationStore } from '@app/storage'
import { decodeCertificate, OCSP_LIMITS } from '@app/x509'
import { OcspResponder, type OcspAnswer } from './ocsp-responder.js'
import { OcspSigners } from './ocsp-signers.js'

const address = /^\/ocsp\/(\d{1,9})-(\d{1,4})\/?$/
const addressWithRequest = /^(\/ocsp\/\d{1,9}-\d{1,4})\/(.+)$/

/** A revocation may come at any time, so nobody keeps an answer for longer than this, in seconds. */
const longestAge = 300

/** The OCSP responders of the plain HTTP port, one for each key of each CA (RFC 6960, A.1). */
@Injectable()
export class OcspService {
  private readonly responders = new Map<string, OcspResponder>()

  /** `POST /ocsp/CA-KEY` with the request. */
  readonly post: PlainPost = {
    matches: path => address.test(path),
    mediaType: 'application/ocsp-request',
    maxBytes: OCSP_LIMITS.maxBytes,
    handle: (path, body) => this.answer(path, body)
  }

  constructor(
    private readonly cas: CaStore,
    private readonly revocations: RevocationStore,
    private readonly signers: OcspSigners,
    changes: StatusChanges,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {
    changes.onChange(caId => {
      for (const [name, responder] of this.responders) if (name.startsWith(`${caId}-`)) responder.doubt()
    })
  }

  /** `GET /ocsp/CA-KEY/` and the request in base64. Undefined for another address. */
  async get(path: string): Promise<PlainAnswer | undefined> {
    const [, responder, text] = addressWithRequest.exec(path) ?? []
    if (responder === undefined || text === undefined) return undefined
    return this.answer(responder, fromBase64(text) ?? new Uint8Array(), true)
  }

  private async answer(path: string, request: Uint8Array, isCached = false): Promise<PlainAnswer | undefined> {
    const [, ca, key] = address.exec(path) ?? []
    const responder = await this.responder(asId<CaId>(Number(ca)), Number(key))
    if (responder === undefined) return undefined
    const answer = await responder.answer(request)
    return {
      contentType: 'application/ocsp-response',
      body: answer.body,
      headers: isCached ? this.cachingHeaders(answer) : { 'cache-control': 'no-store' }
    }
  }

  /** Undefined when the CA has no such key. */
  private async responder(caId: CaId, keyIndex: number): Promise<OcspResponder | undefined> {
    const name = `${caId}-${keyIndex}`
    const known = this.responders.get(name)
    if (known !== undefined) return known
    const rows = await this.cas.listCertificates(caId)
    const row = rows.findLast(candidate => candidate.keyIndex === keyIndex && candidate.certificate !== null)
    if (row?.certificate == null) return undefined
    const { ocsp } = this.config
    const made = new OcspResponder({
      caId,
      keyIndex,
      issuer: decodeCertificate(row.certificate),
      revocations: this.revocations,
      signer: () => this.signers.get(caId, keyIndex),
      clock: this.clock,
      validity: ocsp.validityMinutes * 60_000,
      cachedResponses: ocsp.cachedResponses
    })
    this.responders.set(name, made)
    return made
  }

  /** As RFC 5019, 6.2 has them. */
  private cachingHeaders({ body, fresh }: OcspAnswer): Readonly<Record<string, string>> {
    if (fresh === undefined) return { 'cache-control': 'no-store' }
    const remaining = Math.floor((fresh.renewAt.getTime() - this.clock.now().getTime()) / 1000)
    return {
      'cache-control': `max-age=${Math.max(0, Math.min(longestAge, remaining))}, public, no-transform, must-revalidate`,
      etag: `"${createHash('sha1').update(body).digest('hex')}"`,
      'last-modified': fresh.thisUpdate.toUTCString(),
      expires: fresh.nextUpdate.toUTCString()
    }
  }
}
