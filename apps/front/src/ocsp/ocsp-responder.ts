import { attempt, isAppError, type CaId, type Clock } from '@app/core'
import type { CertificateStatusRow, RevocationStore } from '@app/storage'
import {
  CRL_REASONS,
  decodeOcspRequest,
  encodeOcspError,
  encodeOcspResponse,
  encodeOcspResponseData,
  isOfIssuer,
  ocspIssuerOf,
  type Certificate,
  type CrlReason,
  type DigestName,
  type NewSingleResponse,
  type OcspCertId,
  type OcspCertStatus,
  type OcspIssuer,
  type OcspRequest,
  type OcspStatus
} from '@app/x509'
import { StatusLookup } from './status-lookup.js'
import type { OcspSigner } from './ocsp-signers.js'

/** An answer of a responder: DER, and until when caches may give it again, if at all. */
export interface OcspAnswer {
  readonly body: Uint8Array
  readonly fresh?: { readonly thisUpdate: Date; readonly nextUpdate: Date; readonly renewAt: Date }
}

/** What a responder works with. */
export interface OcspResponderParts {
  readonly caId: CaId
  readonly keyIndex: number
  /** A certificate of the CA's key. */
  readonly issuer: Certificate
  readonly revocations: RevocationStore
  readonly signer: () => Promise<OcspSigner>
  readonly clock: Clock
  /** From thisUpdate to nextUpdate, in milliseconds. */
  readonly validity: number
  /** How many answers are kept to be given again. */
  readonly cachedResponses: number
}

interface Kept {
  readonly answer: OcspAnswer
  /** The change of the certificate's status that it tells of. */
  readonly statusChange: number | null
  readonly renewAt: number
  /** When the status was last looked up; before the statement, so that no change is missed. */
  checkedAt: number
}

/** Another process may change a status; so long an answer is given again without a look, in milliseconds. */
const TRUST = 250

const DIGESTS: readonly DigestName[] = ['sha1', 'sha256', 'sha384', 'sha512']

const reasons = new Map(Object.entries(CRL_REASONS).map(([name, number]) => [number as number, name as CrlReason]))

/**
 * Answers for the certificates that one key of a CA has signed (RFC 6960; RFC 5019 for the answers that are kept). An
 * answer without a nonce for one certificate is kept until shortly before its nextUpdate, and given again as long as the
 * status has not changed; with a nonce each is signed anew.
 */
export class OcspResponder {
  private readonly issuers: ReadonlyMap<DigestName, OcspIssuer>
  private readonly kept = new Map<string, Kept>()
  private readonly lookup: StatusLookup
  private changedAt = 0

  constructor(private readonly parts: OcspResponderParts) {
    this.issuers = new Map(DIGESTS.map(digest => [digest, ocspIssuerOf(parts.issuer, digest)]))
    this.lookup = new StatusLookup(parts.revocations, parts.caId)
  }

  /** Has every kept answer looked at before it is given again: a status of the CA has changed. */
  doubt(): void {
    this.changedAt = performance.now()
  }

  /** The answer to a request, whatever it is; what goes wrong on this side is `tryLater`. */
  async answer(bytes: Uint8Array): Promise<OcspAnswer> {
    const request = attempt(() => decodeOcspRequest(bytes))
    if (request === undefined) return failed('malformedRequest')
    // It cannot speak for other issuers, not even to say that it knows nothing (RFC 6960, 2.3).
    if (!request.certIds.some(certId => this.isOurs(certId))) return failed('unauthorized')
    try {
      const [only, ...others] = request.certIds
      if (only === undefined || others.length > 0 || request.nonce !== undefined) return await this.sign(request)
      return await this.answerKept(only)
    } catch (error) {
      if (isAppError(error, 'unavailable')) return failed('tryLater')
      throw error
    }
  }

  private async answerKept(certId: OcspCertId): Promise<OcspAnswer> {
    const key = Buffer.from(certId.raw).toString('latin1')
    const kept = this.kept.get(key)
    const lookedAt = performance.now()
    const isCurrent = kept !== undefined && this.parts.clock.now().getTime() < kept.renewAt
    if (isCurrent && kept.checkedAt > this.changedAt && lookedAt - kept.checkedAt < TRUST) return kept.answer
    const row = await this.lookup.find(certId.serialNumber)
    if (isCurrent && row !== undefined && row.statusChange === kept.statusChange) {
      kept.checkedAt = lookedAt
      return kept.answer
    }
    const status = this.statusOf(row)
    const { body: encoded, fresh } = await this.signStatuses([{ certId: certId.raw, status }])
    // In memory of its own: what the encoder gives may be a piece of a larger one, which would be kept with it.
    const body = new Uint8Array(encoded)
    if (status.kind === 'unknown' || row === undefined || fresh === undefined) return { body }
    const renewAt = fresh.renewAt.getTime()
    this.keep(key, { answer: { body, fresh }, statusChange: row.statusChange, renewAt, checkedAt: lookedAt })
    return { body, fresh }
  }

  private keep(key: string, kept: Kept): void {
    const { cachedResponses } = this.parts
    if (cachedResponses === 0) return
    this.kept.delete(key)
    this.kept.set(key, kept)
    if (this.kept.size > cachedResponses) this.kept.delete(this.kept.keys().next().value ?? key)
  }

  private async sign({ certIds, nonce }: OcspRequest): Promise<OcspAnswer> {
    const responses = await Promise.all(
      certIds.map(async certId => {
        const row = this.isOurs(certId) ? await this.lookup.find(certId.serialNumber) : undefined
        return { certId: certId.raw, status: this.statusOf(row) }
      })
    )
    const { body } = await this.signStatuses(responses, nonce)
    return { body }
  }

  private async signStatuses(
    statuses: readonly Pick<NewSingleResponse, 'certId' | 'status'>[],
    nonce?: Uint8Array
  ): Promise<OcspAnswer> {
    const { signer, certificate, notAfter } = await this.parts.signer()
    const from = Math.floor(this.parts.clock.now().getTime() / 1000) * 1000
    const end = Math.min(from + this.parts.validity, notAfter.getTime())
    const times = { thisUpdate: new Date(from), nextUpdate: new Date(end) }
    const data = encodeOcspResponseData({
      responder: { keyId: signer.publicKey.keyId },
      producedAt: times.thisUpdate,
      responses: statuses.map(one => ({ ...one, ...times })),
      ...(nonce === undefined ? {} : { nonce })
    })
    const body = encodeOcspResponse(data, signer.scheme, await signer.sign(data), [certificate])
    // A quarter before the end, so that who gets it last can still use it for a while.
    return { body, fresh: { ...times, renewAt: new Date(end - (end - from) / 4) } }
  }

  private isOurs(certId: OcspCertId): boolean {
    const issuer = certId.digest === undefined ? undefined : this.issuers.get(certId.digest)
    return issuer !== undefined && isOfIssuer(certId, issuer)
  }

  /** A number that was reserved and perhaps signed is revoked here as it is on the CRL; one in flight is not known yet. */
  private statusOf(row: CertificateStatusRow | undefined): OcspCertStatus {
    if (row === undefined || row.keyIndex !== this.parts.keyIndex || row.state === 'reserved')
      return { kind: 'unknown' }
    if (row.revokedAt === null) return { kind: 'good' }
    const reason = row.reason === null ? undefined : reasons.get(row.reason)
    return { kind: 'revoked', revokedAt: row.revokedAt, ...(reason === undefined ? {} : { reason }) }
  }
}

function failed(status: Exclude<OcspStatus, 'successful'>): OcspAnswer {
  return { body: encodeOcspError(status) }
}
