import { AppError } from '@app/core'
import {
  comparableAttributeName,
  findRequestAttribute,
  formatRequestAttributes,
  type RequestAttributes
} from '@app/cmc'
import type { CertificateTemplate } from '@app/templates'

/** Attributes by which a request would become another one, and what to do instead. By normal name. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['certificatetemplate', 'a request stays with the template it was judged by; deny it and have another one made'],
  ['requestername', 'a request stays that of its requester'],
  ['requestid', 'a request keeps its number'],
  ['challenge', 'it belongs to the proof of possession'],
  ['san', 'set the extension 2.5.29.17'],
  ['certificateusage', 'set the extension 2.5.29.37']
])

const HOUR = 3600
const DAY = 24 * HOUR
/** The words of ValidityPeriod (MS-WCCE 3.2.1.4.2.1.2), in seconds. */
const PERIODS: Readonly<Record<string, number>> = {
  seconds: 1,
  minutes: 60,
  hours: HOUR,
  days: DAY,
  weeks: 7 * DAY,
  months: 30 * DAY,
  years: 365 * DAY
}

const SHORTEST = 60

/**
 * What attributes set by officers come to: a shorter validity (ValidityPeriod with ValidityPeriodUnits, ExpirationDate,
 * which wins), never a longer one. Any other is a note to those who look at the request. Throws `invalid_argument` for
 * one by which the request would become another.
 */
export function applyAttributes(
  template: CertificateTemplate,
  set: RequestAttributes,
  now: Date
): { readonly template: CertificateTemplate; readonly attributes: RequestAttributes } {
  const attributes = latestOf(set)
  formatRequestAttributes(attributes)
  for (const { name } of attributes) {
    const instead = REFUSED.get(comparableAttributeName(name))
    if (instead === undefined) continue
    throw new AppError('invalid_argument', `Officers do not set ${name}: ${instead}.`, { attribute: name })
  }
  const seconds = secondsOf(attributes, now)
  if (seconds === undefined) return { template, attributes }
  if (seconds < SHORTEST) {
    throw new AppError('invalid_argument', 'The certificate would have expired before anybody could use it.', {
      seconds
    })
  }
  return { template: { ...template, validitySeconds: Math.min(template.validitySeconds, seconds) }, attributes }
}

/** Of each name the latest, whose earlier values its own replaces. */
function latestOf(set: RequestAttributes): RequestAttributes {
  return [...new Map(set.map(({ name, value }) => [comparableAttributeName(name), { name, value }])).values()]
}

function secondsOf(attributes: RequestAttributes, now: Date): number | undefined {
  const date = findRequestAttribute(attributes, 'ExpirationDate')
  if (date !== undefined) {
    const end = Date.parse(date)
    if (Number.isNaN(end)) throw unusable('ExpirationDate', date, 'a date, as Thu, 31 Dec 2026 23:00:00 GMT')
    return Math.floor((end - now.getTime()) / 1000)
  }
  const period = findRequestAttribute(attributes, 'ValidityPeriod')
  const units = findRequestAttribute(attributes, 'ValidityPeriodUnits')
  if (period === undefined || units === undefined) return undefined
  const length = PERIODS[period.toLowerCase()]
  if (length === undefined) throw unusable('ValidityPeriod', period, `one of ${Object.keys(PERIODS).join(', ')}`)
  if (!/^[1-9]\d{0,5}$/.test(units)) throw unusable('ValidityPeriodUnits', units, 'a whole number above zero')
  return Number(units) * length
}

function unusable(name: string, value: string, needed: string): AppError {
  return new AppError('invalid_argument', `${name} is ${JSON.stringify(value.slice(0, 64))}; it has to be ${needed}.`, {
    attribute: name
  })
}
