import type { Console } from '@app/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

let server: TestServer
let console: Console
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer({ agents: 1 })
  console = server.operate(await server.addOperator('administrator'))
  call = createCaller(server)
  const request = server.connect(await server.addPrincipal())
  await request.getCACertificate({ exchange: true })
  await request[Symbol.asyncDispose]()
})

afterAll(async () => {
  await call.close()
  await console[Symbol.asyncDispose]()
  await server.stop()
})

describe('a recovery drill', () => {
  it('runs by itself once the installation is some minutes old, and again when its time has come', async () => {
    expect((await console.keyDrills.list()).items).toEqual([])
    nudge()
    await server.running.runtime.steps.idle()
    expect((await console.keyDrills.list()).items).toEqual([])
    await server.sql(`UPDATE certkeep.ca SET created_at = now() - interval '11 minutes'`)
    const [first] = await drilled(1)
    expect(first).toMatchObject({ state: 'succeeded', requestedBy: 'role:archive', canaries: 2 })
    nudge()
    await server.running.runtime.steps.idle()
    expect((await console.keyDrills.list()).items).toHaveLength(1)
    await server.sql('ALTER TABLE certkeep.key_drill DISABLE TRIGGER key_drill_ends_once')
    await server.sql(`UPDATE certkeep.key_drill SET ended_at = ended_at - interval '25 hours'`)
    await server.sql('ALTER TABLE certkeep.key_drill ENABLE TRIGGER key_drill_ends_once')
    expect(await drilled(2)).toMatchObject([{ state: 'succeeded' }, { state: 'succeeded' }])
  })

  it('leaves no canary, counts in no list, and uses the same test agents again', async () => {
    expect(await server.sql('SELECT request_id FROM certkeep.sealed_key')).toEqual([])
    expect(await server.sql('SELECT * FROM certkeep.archive_coverage()')).toEqual([])
    expect(await server.sql('SELECT count(*)::int AS agents FROM certkeep.drill_agent')).toEqual([{ agents: 3 }])
  })

  it('fails and raises the alarm when the sealed form of a canary is damaged, until one succeeds', async () => {
    expect(await standing()).toEqual({ overdue: '0', check: 'ok' })
    await withDamage(async () => {
      await console.keyDrills.order()
      const [failed] = await drilled(3)
      expect(failed).toMatchObject({ state: 'failed', code: 'cms_decrypt_failed' })
    })
    expect(await console.keyDrills.list()).toMatchObject({ overdue: true })
    expect(await standing()).toEqual({ overdue: '1', check: 'warning' })
    await console.keyDrills.order()
    expect((await drilled(4))[0]).toMatchObject({ state: 'succeeded' })
    expect(await standing()).toEqual({ overdue: '0', check: 'ok' })
    expect(await server.sql('SELECT request_id FROM certkeep.sealed_key')).toEqual([])
  })

  it('is taken up again after it was broken off, and what was left of it goes', async () => {
    await server.sql(`
      INSERT INTO certkeep.sealed_key (request_id, mode, quorum, sealed, key_format, algorithm, bits, content_encryption,
        sealed_at, agent_ids) VALUES (-1000, 'any-agent', 1, '\\x01', 'x', 'rsa', 2048, 'x', now(), '{}')`)
    await server.sql(`INSERT INTO certkeep.key_drill (state, requested_by, due_at, lease_until)
      VALUES ('due', 'x', now(), now() + interval '5 minutes')`)
    expect(await console.keyDrills.order()).toEqual({ ordered: false })
    await server.running.runtime.steps.idle()
    expect((await console.keyDrills.list()).items[0]).toMatchObject({ state: 'due' })
    await server.sql(`UPDATE certkeep.key_drill SET lease_until = now() WHERE state = 'due'`)
    expect((await drilled(5))[0]).toMatchObject({ state: 'succeeded' })
    expect(await server.sql('SELECT request_id FROM certkeep.sealed_key')).toEqual([])
  })
})

function nudge(): void {
  server.running.runtime.wakeups.nudge('drill')
}

/** Waits until so many drills have ended; the newest first. */
async function drilled(count: number): Promise<readonly object[]> {
  const ended = async (): Promise<number> => {
    nudge()
    return (await console.keyDrills.list()).items.filter(({ state }) => state !== 'due').length
  }
  await expect.poll(ended, { timeout: 30_000, interval: 100 }).toBe(count)
  return (await console.keyDrills.list()).items
}

/** Damages the last octet of what is sealed while something happens. */
async function withDamage(work: () => Promise<void>): Promise<void> {
  await server.sql(`
    CREATE FUNCTION certkeep.damage() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE last integer := octet_length(NEW.sealed) - 1;
    BEGIN
      NEW.sealed := set_byte(NEW.sealed, last, get_byte(NEW.sealed, last) # 1);
      RETURN NEW;
    END $$`)
  await server.sql(`
    CREATE TRIGGER damage BEFORE INSERT ON certkeep.sealed_key FOR EACH ROW EXECUTE FUNCTION certkeep.damage()`)
  try {
    await work()
  } finally {
    await server.sql('DROP TRIGGER damage ON certkeep.sealed_key')
    await server.sql('DROP FUNCTION certkeep.damage()')
  }
}

/** What the metrics and the health check say. */
async function standing(): Promise<object> {
  const metrics = await (await fetch(`${server.metricsUrl}/metrics`)).text()
  const { checks } = (await call({ path: '/readyz' })).json<{ readonly checks: Readonly<Record<string, string>> }>()
  return { overdue: /^certkeep_recovery_drill_overdue (\d)$/m.exec(metrics)?.[1], check: checks['drill'] }
}
