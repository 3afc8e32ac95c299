import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodePublicKey } from '@app/x509'
import { sealToThreshold } from '@app/escrow'
import { publicHalfOf } from '@app/keys'
import { GroupSealedKeys1795231100000 } from '../../migrations/1795231100000-group-sealed-keys.js'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'
import { freshEntropy, sampleRsaKey, transportCertificate } from '../helpers/escrow-samples.js'
import { prepareSetting, requestsIn } from '../helpers/storage-samples.js'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

describe('a database whose keys were sealed before their quorum was recorded', () => {
  it('learns it from the sealed keys', async () => {
    const setting = await prepareSetting(database)
    const [first, second] = await requestsIn(database, setting, 'sealed', { count: 2 })
    const owner = (await database.open('owner')).dataSource
    const runner = owner.createQueryRunner()
    const migration = new GroupSealedKeys1795231100000()
    await migration.down(runner)
    const certificates = [1, 2, 3].map(serialNumber => transportCertificate(sampleRsaKey(0), { serialNumber }))
    const publicKey = decodePublicKey(publicHalfOf(sampleRsaKey(0)).raw)
    const sealed = await sealToThreshold({
      plaintext: Buffer.alloc(40),
      publicKey,
      agents: certificates,
      threshold: 3,
      entropy: freshEntropy
    })
    await runner.query(`
      INSERT INTO certkeep.recovery_agent (ca_id, name, certificate, sha256, subject, issuer, serial_number, not_before, not_after, state, added_at)
      SELECT ca_id, name, certificate, sha256(number::text::bytea), subject, issuer, serial_number, not_before, not_after, state, added_at
      FROM certkeep.recovery_agent, generate_series(2, 3) AS number`)
    await runner.query(
      `INSERT INTO certkeep.sealed_key_agent SELECT $1, id FROM certkeep.recovery_agent ON CONFLICT DO NOTHING`,
      [first]
    )
    await runner.query(`UPDATE certkeep.sealed_key SET mode = 'threshold', sealed = $2 WHERE request_id = $1`, [
      first,
      Buffer.from(sealed)
    ])
    await migration.up(runner)
    const rows = await runner.query(
      `SELECT request_id AS id, agent_ids AS agents, quorum FROM certkeep.sealed_key ORDER BY 1`
    )
    await runner.release()
    expect(rows).toEqual([
      { id: first, agents: [1, 2, 3], quorum: 3 },
      { id: second, agents: [1], quorum: 1 }
    ])
  })
})
