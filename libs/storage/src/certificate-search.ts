import { AppError, type CaId, type PrincipalId, type RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { CERTIFICATE_SUMMARY_COLUMNS, type CertificateSummary } from './certificate-row.js'
import { certificateEntity } from './entities.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query } from './sql.js'
import { subjectCondition } from './subject-words.js'
import { storableText } from './text.js'
import type { Unit } from './unit.js'

/** What has become of a certificate: in force, revoked (on hold included), on hold, or ended. */
export const CERTIFICATE_STATES = ['valid', 'revoked', 'held', 'expired'] as const

/** A member of {@link CERTIFICATE_STATES}. */
export type CertificateState = (typeof CERTIFICATE_STATES)[number]

/** What a search for certificates is narrowed by. Everything that is given must hold. */
export interface CertificateSearchFilter {
  readonly caIds: readonly CaId[]
  /** Content octets of the INTEGER. */
  readonly serialNumber?: Uint8Array
  readonly requestId?: RequestId
  readonly principalId?: PrincipalId
  /** Whatever its case. */
  readonly templateName?: string
  /** Each of its words begins one of the subject's. */
  readonly subject?: string
  /** SHA-1 or SHA-256 of the DER certificate. */
  readonly fingerprint?: Uint8Array
  readonly state?: CertificateState
  /** Not ended yet, and ending before this time. */
  readonly expiringBefore?: Date
}

/** A certificate as a search finds it. */
export interface FoundCertificate extends CertificateSummary {
  /** Of the account that it is for; null for one of the installation. */
  readonly domain: string | null
  readonly accountName: string | null
}

/** As in the index `certificate_of_subject`, word for word. */
const SUBJECT = subjectCondition('c.subject')

/** The orders that an index gives: the newest first, or by the end. */
const ORDERS = {
  newest: { by: 'c.request_id DESC', after: 'c.request_id < ?' },
  endingFirst: { by: 'c.not_after, c.request_id', after: '(c.not_after, c.request_id) > (?, ?)' },
  endedLast: { by: 'c.not_after DESC, c.request_id DESC', after: '(c.not_after, c.request_id) < (?, ?)' }
} as const

/** Searches the issued certificates. For the console. */
export class CertificateSearch {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * One page: the newest first; with `expiringBefore` those that end first; of the ended ones those that ended last. The
   * cursor is to be handed back as it came. Throws `invalid_argument` for another one.
   */
  async find(
    filter: CertificateSearchFilter,
    now: Date,
    limit: number,
    cursor?: string,
    unit?: Unit
  ): Promise<Page<FoundCertificate, string>> {
    const order = orderOf(filter)
    const conditions = conditionsOf(filter, now)
    const [end, requestId] = decodeCursor(cursor, order)
    const { by, after } = ORDERS[order]
    if (requestId !== undefined) {
      if (order === 'newest') conditions.add(after, requestId)
      else conditions.addText(after.replace('?', conditions.place(end)).replace('?', conditions.place(requestId)))
    }
    const inner = `
      SELECT ${selectList(certificateEntity, 'c', CERTIFICATE_SUMMARY_COLUMNS)} FROM certkeep.certificate AS c
      ${conditions.where()} ORDER BY ${by} ${conditions.limit(limit)}`
    const outer = by.replaceAll('c.request_id', 'f."requestId"').replaceAll('c.not_after', 'f."notAfter"')
    const text = `
      SELECT f.*, p.domain, p.account_name AS "accountName" FROM (${inner}) AS f
      LEFT JOIN certkeep.principal AS p ON p.id = f."principalId" ORDER BY ${outer}`
    const rows = await query<FoundCertificate>(this.dataSource, unit, { text }, conditions.values)
    return pageOf(rows, limit, row => encodeCursor(row, order))
  }
}

function orderOf(filter: CertificateSearchFilter): keyof typeof ORDERS {
  if (filter.expiringBefore !== undefined) return 'endingFirst'
  return filter.state === 'expired' ? 'endedLast' : 'newest'
}

function conditionsOf(filter: CertificateSearchFilter, now: Date): Conditions {
  const { fingerprint, subject, state, templateName } = filter
  const conditions = new Conditions()
    .addText("c.state = 'issued'")
    .add('c.ca_id = ANY (?::integer[])', filter.caIds)
    .add('c.serial_number = ?', filter.serialNumber)
    .add('c.request_id = ?', filter.requestId)
    .add('c.principal_id = ?', filter.principalId)
    .add('lower(c.template_name) = lower(?)', templateName && storableText(templateName))
    .add(SUBJECT, subject && storableText(subject))
    .add(fingerprint?.length === 20 ? 'c.sha1 = ?' : 'c.sha256 = ?', fingerprint)
    .add('c.not_after < ?', filter.expiringBefore)
  if (state === 'valid') conditions.addText('c.revoked_at IS NULL')
  if (state === 'revoked' || state === 'held') conditions.addText('c.revoked_at IS NOT NULL')
  if (state === 'held') conditions.addText('c.revocation_reason = 6')
  if (state === 'expired') conditions.add('c.not_after < ?', now)
  else if (state === 'valid' || filter.expiringBefore !== undefined) conditions.add('c.not_after >= ?', now)
  return conditions
}

function encodeCursor({ notAfter, requestId }: FoundCertificate, order: keyof typeof ORDERS): string {
  return order === 'newest' ? String(requestId) : `${notAfter.getTime()}.${requestId}`
}

function decodeCursor(
  cursor: string | undefined,
  order: keyof typeof ORDERS
): readonly [end: Date | undefined, requestId: number | undefined] {
  if (cursor === undefined) return [undefined, undefined]
  const [match, end, requestId] = /^(?:(\d{1,15})\.)?([1-9]\d{0,9})$/.exec(cursor) ?? []
  if (match === undefined || (order === 'newest') !== (end === undefined)) {
    throw new AppError('invalid_argument', 'The cursor is not one of this list.')
  }
  return [end === undefined ? undefined : new Date(Number(end)), Number(requestId)]
}
