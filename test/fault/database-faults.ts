import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault, Outcome } from './fault.js'
import type { SeededRandom } from './random.js'
import type { World } from './world.js'

/** As a power failure of the database's machine, save that the disk keeps what was written. */
async function stopImmediately(world: World): Promise<Outcome> {
  const pid = world.postmaster()
  process.kill(pid, 'SIGQUIT')
  // It is started again by whoever holds it; this waits until it answers.
  await sleep(200)
  await world.sql('SELECT 1')
  return { target: `process ${pid}`, hit: true }
}

/** Of one role or of all. What they were at is rolled back, or was committed and nobody has heard of it. */
async function cutConnections(world: World, random: SeededRandom): Promise<Outcome> {
  const role = random.pick(['certkeep_front', 'certkeep_console', 'certkeep_authority', 'certkeep_archive', '%'])
  const rows = await world.sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE $1 AND usename LIKE 'certkeep\\_%'
     AND usename <> 'certkeep_owner' AND pid <> pg_backend_pid()`,
    [role]
  )
  return { target: `${rows.length} of ${role}`, hit: rows.length > 0 }
}

/** The statements that run at this moment end as after a serialization failure or a time limit. */
async function cancelStatements(world: World): Promise<Outcome> {
  let cancelled = 0
  for (let round = 0; round < 200 && cancelled < 3; round++) {
    const rows = await world.sql(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state IN ('active', 'idle in transaction')
       AND usename LIKE 'certkeep\\_%' AND usename <> 'certkeep_owner'`
    )
    cancelled += rows.length
    await sleep(5)
  }
  return { target: `${cancelled} statements`, hit: cancelled > 0 }
}

const TABLES = [
  'request',
  'archived_key_envelope',
  'sealed_key',
  'sealed_key_agent',
  'certificate',
  'response',
  'request_decision',
  'recovery',
  'recovery_share',
  'recovery_approval',
  'recovery_package',
  'crl_intent',
  'crl',
  'audit_event',
  'audit_link',
  'audit_checkpoint'
]

/** One row is refused: the first, or the next after some. A sequence counts, since it is not rolled back. */
async function refuseInsert(world: World, random: SeededRandom): Promise<Outcome> {
  const [table, nth] = [random.pick(TABLES), random.between(1, 4)]
  // Some of these pass by themselves, as far as a program can know, and some are defects.
  const sqlstate = random.pick(['53100', '40001', '40P01', '57014', 'P0001'])
  const hit = await withTrigger(world, table, `nextval('certkeep.fault_count') = ${nth}`, sqlstate, async () => {
    for (let waited = 0; waited < 4000; waited += 50) {
      const [row] = await world.sql<{ last: string }>(`SELECT last_value AS last FROM certkeep.fault_count`)
      if (Number(row?.last) > nth) break
      await sleep(50)
    }
    const [row] = await world.sql<{ last: string; called: boolean }>(
      'SELECT last_value AS last, is_called AS called FROM certkeep.fault_count'
    )
    return row?.called === true && Number(row.last) >= nth
  })
  return { target: `${table} ${sqlstate}`, hit }
}

/** Nothing can be written to the audit log for a while; then nothing may be signed either. */
async function refuseAudit(world: World): Promise<Outcome> {
  const ledger = `SELECT (SELECT count(*) FROM certkeep.certificate) + (SELECT count(*) FROM certkeep.crl_intent) AS count`
  const refused = await withTrigger(world, 'audit_event', `nextval('certkeep.fault_count') > 0`, 'P0001', async () => {
    const before = await world.sql<{ count: string }>(ledger)
    await sleep(2000)
    const after = await world.sql<{ count: string }>(ledger)
    if (before[0]?.count !== after[0]?.count) {
      const what = `The ledger grew from ${before[0]?.count} to ${after[0]?.count} while no event could be written.`
      world.history.add({ op: 'breach', invariant: 'I10', what })
    }
    const [row] = await world.sql<{ called: boolean }>('SELECT is_called AS called FROM certkeep.fault_count')
    return row?.called === true
  })
  return { target: 'audit_event', hit: refused }
}

/** Lets the insertions fail for which the condition is true while something happens. */
async function withTrigger(
  world: World,
  table: string,
  condition: string,
  sqlstate: string,
  work: () => Promise<boolean>
): Promise<boolean> {
  try {
    await world.sql(`
      CREATE SEQUENCE certkeep.fault_count;
      CREATE FUNCTION certkeep.fault() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
      BEGIN
        IF ${condition} THEN
          RAISE EXCEPTION 'the nemesis refuses this row' USING ERRCODE = '${sqlstate}';
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER fault BEFORE INSERT ON certkeep.${table} FOR EACH ROW EXECUTE FUNCTION certkeep.fault()`)
    return await work()
  } finally {
    await world.sql(`
      DROP TRIGGER IF EXISTS fault ON certkeep.${table};
      DROP FUNCTION IF EXISTS certkeep.fault();
      DROP SEQUENCE IF EXISTS certkeep.fault_count`)
  }
}

/**
 * The disk of the database and of the keys is full for a while. PostgreSQL refuses what needs new pages, and ends itself
 * when its write-ahead log finds no room; it comes back when there is room again.
 */
async function fillDisk(world: World, random: SeededRandom): Promise<Outcome> {
  if (world.disk === undefined) return { target: 'no disk of its own', hit: false }
  const ballast = join(world.disk, 'ballast')
  const file = openSync(ballast, 'w')
  let filled = 0
  let code = ''
  try {
    const block = Buffer.alloc(1 << 20, 0x5a)
    for (;;) filled += writeSync(file, block)
  } catch (error) {
    code = (error as NodeJS.ErrnoException).code ?? ''
  } finally {
    closeSync(file)
  }
  try {
    await sleep(random.between(1000, 3000))
  } finally {
    rmSync(ballast)
  }
  await world.sql('SELECT 1')
  const free = execFileSync('df', ['--output=avail', '-BM', world.disk], { encoding: 'utf8' }).split('\n')[1]?.trim()
  return { target: `${code} after ${filled >> 20} MiB, ${free} free now`, hit: code === 'ENOSPC' }
}

/** What can happen to the database. */
export const DATABASE_FAULTS: readonly Fault[] = [
  { name: 'PostgreSQL immediate stop', weight: 2, strike: stopImmediately },
  { name: 'cut connections', weight: 3, strike: cutConnections },
  { name: 'cancelled statements', weight: 1, strike: cancelStatements },
  { name: 'refused INSERT', weight: 4, strike: refuseInsert },
  { name: 'unwritable audit log', weight: 1, strike: refuseAudit },
  { name: 'full disk', weight: 1, isPossible: ({ disk }) => disk !== undefined, strike: fillDisk }
]
