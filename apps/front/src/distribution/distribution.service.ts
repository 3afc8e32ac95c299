import { createHash } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { asId, type CaId, type Clock } from '@app/core'
import { encodePem } from '@app/der'
import { CLOCK } from '@app/platform'
import { CaStore, CrlStore, type CrlKind, type CrlRow } from '@app/storage'

/** A file of the plain HTTP port. */
export interface PublicFile {
  readonly type: string
  readonly body: Uint8Array | string
  /** Seconds that caches may keep it. */
  readonly maxAge: number
  /** Names these bytes, for caches that ask whether theirs are still the ones. */
  readonly etag: string
  readonly modifiedAt: Date
  /** When the contents run out. */
  readonly expiresAt?: Date
}

interface KnownCrl {
  readonly row: CrlRow
  readonly etag: string
}

const pattern = /^\/(crl|ca)\/(\d{1,9})(?:-(\d{1,4}))?(\+)?(\.crl|\.cer|\.pem)?$/

/** A revocation may bring about another CRL at any time, so nobody keeps one for longer than this, in seconds. */
const longestAge = 300

/** What anybody may fetch without TLS: CRLs and CA certificates (RFC 5280, 4.2.1.13 and 4.2.2.1). */
@Injectable()
export class DistributionService {
  /** The newest CRLs, as there are keys; a long list is read from the database once. */
  private readonly known = new Map<string, KnownCrl>()

  constructor(
    private readonly cas: CaStore,
    private readonly crls: CrlStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * `/crl/CA[-KEY]`, its delta `/crl/CA[-KEY]+`, and `/ca/CA[-INDEX]`, where CA is the CA's number; `.pem` at the end
   * asks for PEM, anything else is DER. Undefined when there is no such file.
   */
  async find(path: string): Promise<PublicFile | undefined> {
    const [match, kind, ca = '', index, plus, ending] = pattern.exec(path) ?? []
    if (match === undefined || (kind === 'ca' && plus !== undefined)) return undefined
    const caId = asId<CaId>(Number(ca))
    const position = index === undefined ? undefined : Number(index)
    return kind === 'crl'
      ? this.crl(caId, position, plus === undefined ? 'base' : 'delta', ending === '.pem')
      : this.certificate(caId, position, ending === '.pem')
  }

  private async crl(
    caId: CaId,
    keyIndex: number | undefined,
    kind: CrlKind,
    pem: boolean
  ): Promise<PublicFile | undefined> {
    const found = await this.newest(caId, keyIndex, kind)
    if (found === undefined) return undefined
    const { crl, thisUpdate, nextUpdate } = found.row
    const remaining = Math.floor((nextUpdate.getTime() - this.clock.now().getTime()) / 1000)
    const common = {
      maxAge: Math.max(0, Math.min(longestAge, remaining)),
      modifiedAt: thisUpdate,
      expiresAt: nextUpdate
    }
    return pem
      ? { ...common, type: 'application/x-pem-file', body: encodePem('X509 CRL', crl), etag: `${found.etag}-pem` }
      : { ...common, type: 'application/pkix-crl', body: crl, etag: found.etag }
  }

  private async newest(caId: CaId, keyIndex: number | undefined, kind: CrlKind): Promise<KnownCrl | undefined> {
    const key = `${caId}-${keyIndex ?? ''}-${kind}`
    const known = this.known.get(key)
    const summary = await this.crls.findLatestSummary(caId, keyIndex, kind)
    if (summary !== undefined && summary.number === known?.row.number) return known
    const row = summary === undefined ? undefined : await this.crls.findLatest(caId, keyIndex, kind)
    if (row === undefined) return undefined
    const found = { row, etag: etagOf(row.crl) }
    this.known.set(key, found)
    return found
  }

  private async certificate(caId: CaId, certIndex: number | undefined, pem: boolean): Promise<PublicFile | undefined> {
    const rows = await this.cas.listCertificates(caId)
    const row = certIndex === undefined ? rows.at(-1) : rows.find(candidate => candidate.certIndex === certIndex)
    if (row?.certificate == null || row.notBefore === null) return undefined
    const etag = etagOf(row.certificate)
    const common = { maxAge: 3600, modifiedAt: row.notBefore }
    return pem
      ? {
          ...common,
          type: 'application/x-pem-file',
          body: encodePem('CERTIFICATE', row.certificate),
          etag: `${etag}-pem`
        }
      : { ...common, type: 'application/pkix-cert', body: row.certificate, etag }
  }
}

function etagOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32)
}
