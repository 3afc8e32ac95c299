import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '@app/platform'
import { AuditChainStore } from '@app/storage'
import { verifyLocalAudit } from '../../apps/cli/src/administration/audit-actions.js'
import { CheckpointArchive } from '../../apps/authority/src/audit/checkpoint-archive.js'
import { startRoles } from '../../apps/cli/src/roles.js'
import { administer } from '../helpers/administration.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

const TABLES = ['audit_event', 'audit_link', 'audit_key', 'audit_checkpoint'] as const

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
  const client = server.connect(await server.addPrincipal())
  await client.submit(await pkcs10Request({ template: 'UserSignature' }), { wait: 10 })
  await signEnd()
  await client.submit(await pkcs10Request({ template: 'UserSignature' }), { wait: 10 })
  await client[Symbol.asyncDispose]()
  // What another transaction of the cluster may still come before is linked later.
  do await signEnd()
  while ((await numberOf(UNLINKED)) > 0)
  copyFileSync(checkpointFile(), `${checkpointFile()}.saved`)
  for (const table of TABLES) await server.sql(`CREATE TABLE public.${table} AS SELECT * FROM certkeep.${table}`)
})

afterAll(() => server.stop())

afterEach(async () => {
  const restore = TABLES.map(
    table =>
      `DELETE FROM certkeep.${table}; INSERT INTO certkeep.${table} OVERRIDING SYSTEM VALUE SELECT * FROM public.${table}`
  )
  await tamper(restore.join(';'))
  copyFileSync(`${checkpointFile()}.saved`, checkpointFile())
})

const verify = () => administer(server, () => verifyLocalAudit({}))
const checkpointFile = () => join(server.config.home, 'audit', 'checkpoints.jsonl')
const lines = () => readFileSync(checkpointFile(), 'utf8').trimEnd().split('\n')

/** What only the owner of the database can do, who takes the triggers away. */
async function tamper(sql: string): Promise<void> {
  await server.sql(`SET session_replication_role = replica; ${sql}; RESET session_replication_role`)
}

/** An authority that starts and ends: it links what there is, and signs. */
async function signEnd(): Promise<void> {
  const log = createLogger({ level: 'silent', format: 'json' })
  const roles = await startRoles(server.running.installation, ['authority'], log)
  await roles.stop()
}

async function numberOf(sql: string): Promise<number> {
  const [row] = await server.sql<{ readonly number: number }>(`SELECT (${sql}) AS number`)
  return row?.number ?? 0
}

const UNLINKED = `SELECT count(*)::integer FROM certkeep.audit_event AS e
  WHERE NOT EXISTS (SELECT FROM certkeep.audit_link AS l WHERE l.seq = e.seq)`
const LAST_ISSUED = `SELECT max(seq) FROM certkeep.audit_event WHERE action = 'request.issued'`

describe('the audit log of a server', () => {
  it('is chained, signed with the key of the authority, and as it was written', async () => {
    const report = await verify()
    expect(report).toMatchObject({ intact: true, checkpointFile: checkpointFile() })
    expect(report.vouched).toBeGreaterThan(15)
    expect(report.checkpoints).toBeGreaterThanOrEqual(4)
    expect(report.keys).toHaveLength(1)
    expect(lines()[0]).toContain(report.keys[0])
  })

  it('has each checkpoint in its file once, in order, although several authorities share the file', async () => {
    const chain = new AuditChainStore((await server.database.open('authority')).dataSource)
    const log = createLogger({ level: 'silent', format: 'json' })
    const others = [1, 2].map(() => new CheckpointArchive(chain, server.config, log))
    const update = async () => {
      const end = await numberOf('SELECT max(position) FROM certkeep.audit_link')
      await Promise.all(others.map(other => other.update(end)))
    }
    await update()
    const before = lines().length
    await server.addPrincipal()
    do await signEnd()
    while ((await numberOf(UNLINKED)) > 0)
    // One that knew the file as it was before does not add what another has added meanwhile.
    await update()
    expect(await verify()).toMatchObject({ intact: true })
    expect(lines().length).toBeGreaterThan(before)
  })

  it('names the event that was changed, and the one that is gone', async () => {
    const seq = await numberOf(LAST_ISSUED)
    await tamper(`UPDATE certkeep.audit_event SET detail = detail || '{"to": "denied"}' WHERE seq = ${seq}`)
    expect(await verify()).toMatchObject({ intact: false, fault: { kind: 'event_altered', seq } })
    await tamper(`DELETE FROM certkeep.audit_event WHERE seq = ${seq}`)
    expect(await verify()).toMatchObject({ intact: false, fault: { kind: 'event_removed', seq } })
  })

  it('names the event that was put in where one was missing', async () => {
    const seq = await numberOf(`SELECT max(seq) FROM certkeep.audit_event WHERE action = 'request.submitted'`)
    // As if the number had been lost in a transaction that was rolled back, the chain made without it and signed.
    await tamper(`DELETE FROM certkeep.audit_event WHERE seq = ${seq};
                  DELETE FROM certkeep.audit_link; DELETE FROM certkeep.audit_checkpoint`)
    rmSync(checkpointFile())
    await signEnd()
    expect((await verify()).intact).toBe(true)
    await tamper(`INSERT INTO certkeep.audit_event OVERRIDING SYSTEM VALUE
                  SELECT ${seq}, at, 'mallory', action, object_type, object_id, outcome, detail
                  FROM certkeep.audit_event WHERE seq = ${seq - 1}`)
    expect(await verify()).toMatchObject({ intact: false, fault: { kind: 'event_inserted', seq } })
    await signEnd()
    expect(await verify()).toMatchObject({ intact: false, fault: { kind: 'event_inserted', seq } })
  })

  it('that was made anew over a change differs from the checkpoints, and from those of the file when they are gone', async () => {
    const seq = await numberOf(LAST_ISSUED)
    const chain = new AuditChainStore((await server.database.open('owner')).dataSource)
    const relink = async (): Promise<void> => {
      await tamper(`UPDATE certkeep.audit_event SET actor = 'mallory' WHERE seq = ${seq};
                    DELETE FROM certkeep.audit_link WHERE seq >= ${seq}`)
      await chain.link(0, 10_000)
    }
    await relink()
    const { fault } = await verify()
    expect(fault).toMatchObject({ kind: 'chain_recomputed' })
    const link = await numberOf(`SELECT position FROM certkeep.audit_link WHERE seq = ${seq}`)
    expect(fault?.since).toBeLessThanOrEqual(link)
    expect(fault?.position).toBeGreaterThanOrEqual(link)
    await tamper('DELETE FROM certkeep.audit_checkpoint')
    expect(await verify()).toMatchObject({ intact: false, fault: { kind: 'checkpoint_missing' } })
  })

  it('signed with a key that the authority does not have is not believed', async () => {
    await tamper(`UPDATE certkeep.audit_key SET key_reference = 'audit-0000000000000000.key'`)
    expect(await verify()).toMatchObject({ intact: false, fault: { kind: 'checkpoint_invalid' } })
  })

  it('of a database that was restored from an older backup is behind the file', async () => {
    const position = await numberOf('SELECT min(position) FROM certkeep.audit_checkpoint')
    await tamper(`
      DELETE FROM certkeep.audit_event WHERE seq IN (SELECT seq FROM certkeep.audit_link WHERE position > ${position});
      DELETE FROM certkeep.audit_link WHERE position > ${position};
      DELETE FROM certkeep.audit_checkpoint WHERE position > ${position}`)
    const { fault } = await verify()
    expect(fault).toMatchObject({ kind: 'chain_cut_off', position: position + 1 })
    expect(fault?.message).toMatch(/checkpoint of the file.*restored from a backup older than the file/)
    renameSync(checkpointFile(), `${checkpointFile()}.before-restoration`)
    expect(await verify()).toMatchObject({ intact: true, checkpointFile: null })
  })

  it('has its checkpoints in the file again after a crash that came between the two', async () => {
    const before = lines()
    writeFileSync(checkpointFile(), `${before.slice(0, -1).join('\n')}\n{"position":`)
    await signEnd()
    expect(lines()).toEqual(before)
    rmSync(checkpointFile())
    await signEnd()
    expect(lines()).toEqual(before)
    expect((await verify()).intact).toBe(true)
  })
})
