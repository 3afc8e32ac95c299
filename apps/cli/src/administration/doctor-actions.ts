import type { Finding } from '@app/core'
import { findingsOf, judgeCoverage, operationFindings } from '@app/policy'
import { drillStanding, ldapStanding } from '@app/platform'
import {
  AuditChainStore,
  CoverageStore,
  DrillStore,
  LdapEntryStore,
  LdapRunStore,
  OperationsStore,
  PublicationStore,
  WebhookStore
} from '@app/storage'
import { withAdministration, type Administration } from './administration.js'
import {
  auditFindings,
  backupFindings,
  databaseFindings,
  deliveryFindings,
  diskFindings,
  ldapFindings,
  listenerFindings
} from './doctor-findings.js'
import { certificateEndOf, factsOfHome } from './doctor-home.js'

/** Everything that somebody should look at, the errors first. */
export function examine(): Promise<readonly Finding[]> {
  return withAdministration(async administration => {
    const findings = [
      ...(await examineCoverage(administration)),
      ...(await examineDrills(administration)),
      ...(await examineOperation(administration)),
      ...(await examineDeliveries(administration)),
      ...(await examineLdap(administration)),
      ...(await examineAudit(administration)),
      ...(await examineHome(administration))
    ]
    return findings.toSorted((first, second) => rankOf(first) - rankOf(second))
  })
}

/** Whether the recovery agents can open what is archived, and will be. */
async function examineCoverage({ database, clock, installation }: Administration): Promise<readonly Finding[]> {
  const store = new CoverageStore(database.dataSource)
  const now = clock.now()
  const coverage = judgeCoverage(await store.listGroups(), await store.listAgents(), now)
  return findingsOf(coverage, now, installation.config.coverage.warningDays)
}

/** Whether it was tried lately, and with success, that keys can be archived and recovered. */
async function examineDrills({ database, clock, installation }: Administration): Promise<readonly Finding[]> {
  const standing = await drillStanding(
    new DrillStore(database.dataSource),
    installation.config.drill.hours,
    clock.now()
  )
  if (!standing.overdue) return []
  const { lastSuccess } = standing
  const when =
    lastSuccess === undefined ? 'None has succeeded yet' : `The last success was ${lastSuccess.toISOString()}`
  return [
    {
      check: 'recovery-drill-overdue',
      severity: 'error',
      cause: `Recovery drills do not succeed. ${when}.`,
      remedy: 'See why with "certkeep key drill"; until one succeeds, keys may be archived that nobody can recover.'
    }
  ]
}

/** Requests, CRLs and certificates, and the server of the database itself. */
async function examineOperation({ database, clock }: Administration): Promise<readonly Finding[]> {
  const store = new OperationsStore(database.dataSource)
  const requests = await store.countOpenRequests()
  const crls = await store.listCrls()
  const certificates = await store.listCertificateEnds()
  const before = clock.now()
  const facts = await store.getDatabaseFacts()
  const after = clock.now()
  return [...operationFindings({ requests, crls, certificates }, after), ...databaseFindings(facts, before, after)]
}

/** What is to be sent or published elsewhere. */
async function examineDeliveries({ database }: Administration): Promise<readonly Finding[]> {
  const publications = await new PublicationStore(database.dataSource).countDue()
  return deliveryFindings(publications, await new WebhookStore(database.dataSource).countNotMade())
}

/** How far the chain of the audit log is behind. */
async function examineAudit({ database, clock, installation }: Administration): Promise<readonly Finding[]> {
  const status = await new AuditChainStore(database.dataSource).status()
  return auditFindings(status, installation.config.audit.checkpointSeconds, clock.now())
}

/** What the machine tells: the disk, the certificate of the listener, and how old the marks of backups are. */
async function examineHome({ clock, installation }: Administration): Promise<readonly Finding[]> {
  const now = clock.now()
  const { config } = installation
  const facts = await factsOfHome(config)
  return [
    ...diskFindings(facts),
    ...listenerFindings(await certificateEndOf(config), now),
    ...backupFindings(facts, now)
  ]
}

/** Whether accounts come in from the LDAP server, where they should. */
async function examineLdap({ database: { dataSource }, installation }: Administration): Promise<readonly Finding[]> {
  if (!installation.config.directory.ldap.read.enabled) return []
  return ldapFindings(await ldapStanding(new LdapRunStore(dataSource), new LdapEntryStore(dataSource)))
}

function rankOf({ severity }: Finding): number {
  return severity === 'error' ? 0 : 1
}
