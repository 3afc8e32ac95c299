import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { AppError, asPrincipalId, type PrincipalId } from '@app/core'
import { writeNewFile } from '@app/files'
import { PrincipalStore, type PrincipalRow } from '@app/storage'
import { chooseCa, withAdministration, type Administration } from './administration.js'

/** A principal to add to the directory. */
export interface PrincipalOptions {
  readonly accountName: string
  readonly kind: 'user' | 'computer'
  readonly domain: string
  readonly displayName?: string
  readonly distinguishedName?: string
  readonly upn?: string
  readonly mail?: string
  readonly dns?: string
  readonly sid?: string
  readonly group?: readonly string[]
}

const builtInGroup = { user: 'Domain Users', computer: 'Domain Computers' } as const
const dayMilliseconds = 86_400_000

/** Adds a user or computer and returns its SID. Throws `conflict` when the account exists. */
export function addPrincipal(options: PrincipalOptions): Promise<string> {
  return withAdministration(async administration => {
    const { database, clock, actor } = administration
    const principals = new PrincipalStore(database.dataSource)
    const sid = options.sid ?? (await principals.allocateSid(options.domain))
    const { accountName, kind, domain } = options
    await principals.add(
      {
        id: asPrincipalId(randomUUID()),
        kind,
        sid,
        accountName,
        domain,
        displayName: options.displayName ?? accountName,
        distinguishedName: options.distinguishedName ?? null,
        upn: options.upn ?? (kind === 'user' ? `${accountName}@${domain}`.toLowerCase() : null),
        mail: options.mail ?? null,
        dnsName: options.dns ?? null,
        groupNames: [...new Set([builtInGroup[kind], ...(options.group ?? [])])],
        createdAt: clock.now()
      },
      { actor }
    )
    return sid
  })
}

/** Every principal but the system account. */
export function listPrincipals(): Promise<readonly PrincipalRow[]> {
  return withAdministration(async ({ database }) => {
    return (await allPrincipals(new PrincipalStore(database.dataSource))).filter(row => row.kind !== 'system')
  })
}

/**
 * Makes a bearer token for a principal and writes it into a new file, readable by its owner only; without a file it is
 * returned. It is stored as a hash, so it cannot be shown again.
 */
export function issueToken(options: {
  readonly account: string
  readonly ca?: string
  readonly days: number
  readonly out?: string
  /** `enroll`, `console` or both; `enroll` if absent. */
  readonly scope?: readonly string[]
}): Promise<string | undefined> {
  const scopes = scopesOf(options.scope ?? [])
  return withAdministration(async administration => {
    const { database, clock, actor } = administration
    const principals = new PrincipalStore(database.dataSource)
    const principal = await getPrincipal(principals, options.account)
    const ca = options.ca === undefined ? undefined : await chooseCa(database, options.ca)
    const token = `ckt_${randomBytes(32).toString('base64url')}`
    if (options.out !== undefined) await writeNewFile(options.out, Buffer.from(`${token}\n`), 0o600)
    const now = clock.now()
    await principals.addCredential(
      {
        id: randomUUID(),
        principalId: principal.id,
        label: `issued by ${actor}`,
        tokenHash: createHash('sha256').update(token).digest(),
        scopes,
        caId: ca?.id ?? null,
        expiresAt: new Date(now.getTime() + options.days * dayMilliseconds),
        createdAt: now
      },
      { actor }
    )
    return options.out === undefined ? token : undefined
  })
}

/** Makes a one-time secret for the CMC identity proof of a principal (RFC 10002 (RFC 5272), 6.2). */
export function issueSecret(options: {
  readonly account: string
  readonly hours: number
}): Promise<{ readonly identification: string; readonly secret: string }> {
  return withAdministration(async ({ database, clock, actor }: Administration) => {
    const principals = new PrincipalStore(database.dataSource)
    const principal = await getPrincipal(principals, options.account)
    const identification = randomBytes(6).toString('hex')
    const secret = randomBytes(18).toString('base64url')
    const now = clock.now()
    const expiresAt = new Date(now.getTime() + options.hours * 3_600_000)
    const row = { identification, principalId: principal.id, witnessKey: Buffer.from(secret, 'utf8'), expiresAt }
    await principals.addSecret(row, { actor }, now)
    return { identification, secret }
  })
}

function scopesOf(given: readonly string[]): readonly string[] {
  const unknown = given.find(scope => scope !== 'enroll' && scope !== 'console')
  if (unknown !== undefined) {
    throw new AppError('invalid_argument', `"${unknown}" is no scope of a token; it is enroll or console.`)
  }
  return given.length === 0 ? ['enroll'] : [...new Set(given)]
}

/** The user or computer of an account. Throws `not_found`, or `invalid_argument` when several domains have it. */
export async function getPrincipal(principals: PrincipalStore, account: string): Promise<PrincipalRow> {
  const found = (await principals.findByName(account)).filter(({ kind }) => kind === 'user' || kind === 'computer')
  const [only, ...others] = found
  if (only === undefined)
    throw new AppError('not_found', `There is no account "${account}". Add it with "certkeep directory add".`)
  if (others.length > 0)
    throw new AppError('invalid_argument', `"${account}" is in several domains; write DOMAIN\\account.`)
  return only
}

async function allPrincipals(principals: PrincipalStore): Promise<readonly PrincipalRow[]> {
  const rows: PrincipalRow[] = []
  let cursor: PrincipalId | undefined
  do {
    const page = await principals.list(500, cursor)
    rows.push(...page.rows)
    cursor = page.next
  } while (cursor !== undefined)
  return rows
}
