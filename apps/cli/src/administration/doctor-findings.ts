import type { Finding } from '@app/core'
import type { LdapStanding } from '@app/platform'
import type { ChainStatus, DatabaseFacts } from '@app/storage'
import type { HomeFacts } from './doctor-home.js'

const day = 86_400_000
const mebibyte = 1024 ** 2
/** The oldest version of PostgreSQL that its makers still mend, as of the release of this program. */
const MAINTAINED = 140_000
/** How old a backup and a verification of the audit log may be. */
const BACKUP_DAYS = 7
const VERIFICATION_DAYS = 30
/** How far clocks may be apart; certificates are valid from ten minutes before they are made. */
const SKEW_SECONDS = 5
const LARGE_SKEW_SECONDS = 300

/** What the server of the database tells of itself; asked between two times of this machine. */
export function databaseFindings(facts: DatabaseFacts, before: Date, after: Date): readonly Finding[] {
  const findings: Finding[] = []
  if (facts.version < MAINTAINED) {
    findings.push({
      check: 'database-version',
      severity: 'warning',
      cause: `PostgreSQL ${Math.floor(facts.version / 10_000)} gets no corrections any more.`,
      remedy: 'Move the database to a version of PostgreSQL that does.'
    })
  }
  const ahead = Math.max(0, facts.now.getTime() - after.getTime(), before.getTime() - facts.now.getTime()) / 1000
  if (ahead > SKEW_SECONDS) {
    findings.push({
      check: 'clock-skew',
      severity: ahead > LARGE_SKEW_SECONDS ? 'error' : 'warning',
      cause: `The clocks of this machine and of the database are ${ahead.toFixed(1)} seconds apart.`,
      remedy: 'Set both by the same time servers (NTP).'
    })
  }
  if (facts.connections > 0.9 * facts.maxConnections) {
    findings.push({
      check: 'database-connections',
      severity: 'warning',
      cause: `${facts.connections} of ${facts.maxConnections} connections of the database are in use.`,
      remedy: 'Raise max_connections, or have fewer processes use this server of PostgreSQL.'
    })
  }
  return findings
}

/** Notices and publications that other servers have not taken. */
export function deliveryFindings(
  publications: { readonly failing: number },
  deliveries: readonly { readonly webhook: string; readonly state: string; readonly count: number }[]
): readonly Finding[] {
  const findings: Finding[] = []
  if (publications.failing > 0) {
    findings.push({
      check: 'publications-failing',
      severity: 'warning',
      cause: `The LDAP server has not taken ${publications.failing} certificates that are to be published.`,
      remedy: 'See in the log of the front what it answers; each is tried again by itself.'
    })
  }
  for (const { webhook, state, count } of deliveries) {
    if (state === 'due' || count === 0) continue
    findings.push({
      check: 'webhook-failing',
      severity: 'warning',
      cause: `${count} notices to "${webhook}" were given up (${state}).`,
      remedy: 'See why with "certkeep webhook list", and send them again with "certkeep webhook retry".'
    })
  }
  return findings
}

/** The chain over the audit log, which the authority lengthens. */
export function auditFindings(
  { unlinked, checkpoint }: Pick<ChainStatus, 'unlinked' | 'checkpoint'>,
  seconds: number,
  now: Date
): readonly Finding[] {
  const age = checkpoint === undefined ? 0 : (now.getTime() - checkpoint.at.getTime()) / 1000
  // While nothing happens there is nothing to sign.
  if (unlinked === 0 || age <= 10 * seconds) return []
  return [
    {
      check: 'audit-behind',
      severity: 'error',
      cause: `${unlinked} entries of the audit log are not in its chain, whose last checkpoint is ${Math.round(age)} seconds old.`,
      remedy: 'See that the authority runs, and what its log says of checkpoints.'
    }
  ]
}

/** Room for the database, where it is in the home, and for the file of checkpoints. */
export function diskFindings({
  freeBytes,
  totalBytes
}: Pick<HomeFacts, 'freeBytes' | 'totalBytes'>): readonly Finding[] {
  const isShort = freeBytes < 100 * mebibyte
  if (!isShort && (freeBytes >= 1024 * mebibyte || freeBytes >= 0.1 * totalBytes)) return []
  return [
    {
      check: 'disk-space',
      severity: isShort ? 'error' : 'warning',
      cause: `${Math.floor(freeBytes / mebibyte)} MiB are free where the home is.`,
      remedy: 'Make room before it is full: then nothing is issued.'
    }
  ]
}

/** The certificate of the HTTPS listener; the server renews its own 30 days before its end. */
export function listenerFindings(notAfter: Date | undefined, now: Date): readonly Finding[] {
  if (notAfter === undefined || notAfter.getTime() - now.getTime() > 14 * day) return []
  const isOver = notAfter <= now
  return [
    {
      check: isOver ? 'listener-certificate-expired' : 'listener-certificate-expiring',
      severity: isOver ? 'error' : 'warning',
      cause: `The certificate of the HTTPS listener ${isOver ? 'ended' : 'ends'} at ${notAfter.toISOString()}.`,
      remedy: 'Start the server, which renews its own; a certificate of https.certificateFile is yours to renew.'
    }
  ]
}

/** How long ago somebody took a backup and verified the audit log, by the marks that both leave in the home. */
export function backupFindings(
  { madeAt, backedUpAt, verifiedAt }: Pick<HomeFacts, 'madeAt' | 'backedUpAt' | 'verifiedAt'>,
  now: Date
): readonly Finding[] {
  const findings: Finding[] = []
  const isOld = (time: Date, days: number): boolean => now.getTime() - time.getTime() > days * day
  if (isOld(backedUpAt ?? madeAt, BACKUP_DAYS)) {
    findings.push({
      check: 'backup-age',
      severity: 'warning',
      cause: backedUpAt === undefined ? 'No backup is known of.' : `The last backup is of ${backedUpAt.toISOString()}.`,
      remedy: 'Take one, and touch the file last-backup in the home when it is done.'
    })
  }
  if (isOld(verifiedAt ?? madeAt, VERIFICATION_DAYS)) {
    findings.push({
      check: 'audit-verification-age',
      severity: 'warning',
      cause:
        verifiedAt === undefined
          ? 'The audit log was never verified as a whole.'
          : `The audit log was verified as a whole last at ${verifiedAt.toISOString()}.`,
      remedy: 'Verify it with "certkeep audit verify --local".'
    })
  }
  return findings
}

/** Whether accounts come in from the LDAP server. */
export function ldapFindings({ failure, refused }: LdapStanding): readonly Finding[] {
  const failed: Finding = {
    check: 'ldap-reading-failed',
    severity: 'error',
    cause: `Accounts could not be read from the LDAP server: ${failure?.error ?? ''}`,
    remedy: 'Mend that, then try with "certkeep directory ldap sync".'
  }
  const left: Finding = {
    check: 'ldap-entries-refused',
    severity: 'warning',
    cause: `Entries of the LDAP server could not be taken, or not wholly: ${refused}.`,
    remedy: 'See which and why with "certkeep directory ldap refused".'
  }
  return [...(failure === undefined ? [] : [failed]), ...(refused === 0 ? [] : [left])]
}
