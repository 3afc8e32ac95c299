import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyLocalAudit } from '../../apps/cli/src/administration/audit-actions.js'
import { examine } from '../../apps/cli/src/administration/doctor-actions.js'
import { administer } from '../helpers/administration.js'
import { archiveKey } from '../helpers/recoveries.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
  await archiveKey(server)
  await server.sql(`UPDATE certkeep.recovery_agent SET not_after = now() + interval '2 years'`)
})

afterAll(() => server.stop())

const checks = async (): Promise<readonly string[]> =>
  (await administer(server, examine)).map(({ check, severity }) => `${severity} ${check}`)

describe('certkeep doctor', () => {
  it('finds no fault with a server at work, but that its agents are linked to nobody yet', async () => {
    await expect.poll(checks, { timeout: 20_000 }).not.toContain('warning crl-missing')
    const found = await checks()
    // What the disk of the machine holds is not the test's affair.
    expect(found.filter(check => !/agent-not-alive|archived-keys-unrecoverable|disk-space/.test(check))).toEqual([])
  })

  it('finds what has ended, what is stuck and what nobody has done for long', async () => {
    await administer(server, () => verifyLocalAudit({}))
    writeFileSync(join(server.config.home, 'last-backup'), '')
    const old = new Date('2026-01-01')
    utimesSync(join(server.config.home, 'last-backup'), old, old)
    utimesSync(join(server.config.home, 'audit', 'last-verified'), old, old)
    await server.sql(`
      UPDATE certkeep.recovery_agent SET not_after = now() + interval '10 days' WHERE id = 1;
      ALTER TABLE certkeep.crl DISABLE TRIGGER USER;
      UPDATE certkeep.crl SET this_update = now() - interval '3 days', next_update = now() - interval '1 day'`)
    const found = await checks()
    expect(found).toEqual(
      expect.arrayContaining([
        'error crl-expired',
        'warning agent-certificate-expiring',
        'warning backup-age',
        'warning audit-verification-age'
      ])
    )
  })
})
