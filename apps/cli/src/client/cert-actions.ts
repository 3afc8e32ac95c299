import { AppError } from '@app/core'
import { writeNewFile } from '@app/files'
import {
  everyItem,
  type CertificateDetail,
  type CertificateItem,
  type CertificateStateName,
  type Console,
  type RevocationReason
} from '@app/client'
import type { ConnectionOptions } from '../client-options.js'
import { print, printFacts, printJson, type Facts, type OutputFormat, type Talk } from '../output.js'
import { withConsole } from './connection.js'

/** The options of `cert list`. */
export interface CertListCommand extends ConnectionOptions {
  readonly serial?: string
  readonly subject?: string
  readonly account?: string
  readonly template?: string
  readonly request?: number
  /** SHA-1 or SHA-256 of the certificate; the option `--fingerprint` is that of the trusted root. */
  readonly digest?: string
  readonly state?: CertificateStateName
  readonly expiringBefore?: string
  readonly limit: number
  readonly output: OutputFormat
}

/** The options of `cert show` and `cert export`. */
export interface CertReadCommand extends ConnectionOptions {
  readonly out?: string
  readonly output: OutputFormat
}

/** The options of `cert revoke` and `cert unrevoke`. */
export interface CertChangeCommand extends ConnectionOptions {
  readonly reason: RevocationReason
  readonly since?: string
  readonly comment?: string
  readonly ifMatch?: string
  readonly output: OutputFormat
}

interface Connected {
  readonly console: Console
  /** The CA that was named; the profile's counts for nothing here, since operators have more than one. */
  readonly choice: { readonly ca?: string }
}

function withCertificates<T>(options: ConnectionOptions, work: (connected: Connected) => Promise<T>): Promise<T> {
  return withConsole(options, console => work({ console, choice: options.ca === undefined ? {} : { ca: options.ca } }))
}

/** Prints the certificates that are found, up to the limit. */
export function listCertificates(options: CertListCommand): Promise<void> {
  const { serial, subject, account, template, request, digest, state, expiringBefore, limit, output } = options
  const filter = { serial, subject, account, template, request, fingerprint: digest, state, expiringBefore }
  const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
  return withCertificates(options, async ({ console, choice }) => {
    const found: CertificateItem[] = []
    const pages = (cursor: string | undefined) =>
      console.certificates.list({ ...given, ...choice, limit: Math.min(limit, 200), ...(cursor && { cursor }) })
    for await (const item of everyItem(pages)) {
      found.push(item)
      if (found.length === limit) break
    }
    if (output === 'json') return printJson(found)
    for (const item of found) await printFacts({ ...shortOf(item), '': '' }, 'table')
  })
}

function shortOf({
  serialNumber,
  subject,
  account,
  template,
  state,
  notAfter,
  revokedAt,
  reason
}: CertificateItem): Facts {
  return { serialNumber, subject, account, template, state, notAfter, revokedAt, reason }
}

/** Prints one certificate. */
export function showCertificate(serial: string, options: CertReadCommand): Promise<void> {
  return withCertificates(options, async ({ console, choice }) =>
    printDetail(await console.certificates.show(serial, choice), options.output)
  )
}

function printDetail({ pem, ...detail }: CertificateDetail, output: CertReadCommand['output']): Promise<void> {
  if (output === 'pem') return print(pem)
  return output === 'json' ? printJson({ ...detail, pem }) : printFacts({ ...detail }, output)
}

/** Writes a certificate into a file or to stdout. */
export function exportCertificate(serial: string, options: CertReadCommand): Promise<void> {
  const { out, output } = options
  return withCertificates(options, async ({ console, choice }) => {
    const bytes = await console.certificates.export(
      serial,
      output === 'der' || output === 'p7b' ? output : 'pem',
      choice
    )
    if (out !== undefined) return writeNewFile(out, bytes, 0o644)
    if (output !== 'pem' && process.stdout.isTTY) {
      throw new AppError('invalid_argument', `${output} is no text; name a file with --out or redirect the output.`)
    }
    return print(bytes)
  })
}

/** Revokes a certificate and prints what it is now. */
export function revokeCertificate(serial: string, options: CertChangeCommand, talk: Talk): Promise<void> {
  const { reason, since, comment, ifMatch, output } = options
  return withCertificates(options, async ({ console, choice }) => {
    const revocation = {
      reason,
      ...choice,
      ...(since === undefined ? {} : { invalidityDate: since }),
      ...(comment === undefined ? {} : { comment }),
      ...(ifMatch === undefined ? {} : { ifMatch })
    }
    const detail = await console.certificates.revoke(serial, revocation)
    talk.say(detail.state === 'held' ? `${serial} is on hold.` : `${serial} is revoked (${detail.reason ?? reason}).`)
    await printChanged(detail, output)
  })
}

/** Takes a certificate off hold and prints what it is now. */
export function releaseCertificate(serial: string, options: CertChangeCommand, talk: Talk): Promise<void> {
  const { comment, ifMatch, output } = options
  return withCertificates(options, async ({ console, choice }) => {
    const why = {
      ...choice,
      ...(comment === undefined ? {} : { comment }),
      ...(ifMatch === undefined ? {} : { ifMatch })
    }
    const detail = await console.certificates.unrevoke(serial, why)
    talk.say(`${serial} is off hold.`)
    await printChanged(detail, output)
  })
}

function printChanged(detail: CertificateDetail, output: CertChangeCommand['output']): Promise<void> {
  return output === 'json' ? printJson(detail) : printFacts(shortOf(detail), output)
}
