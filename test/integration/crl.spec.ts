import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OID } from '@app/oid'
import { systemClock, type CaId, type Clock } from '@app/core'
import { CLOCK, createLogger } from '@app/platform'
import { CrlStore, RevocationStore, type CrlEntryRow, type CrlKind } from '@app/storage'
import {
  decodeCertificate,
  decodeCrl,
  decodeCrlDistributionPoints,
  decodeCrlNumber,
  findExtension,
  serialHexOf,
  verifyCrlSignature,
  type CertificateList
} from '@app/x509'
import { CaRegistry } from '../../apps/authority/src/ca/ca-registry.js'
import { CrlSigner } from '../../apps/authority/src/crl/crl-signer.js'
import { CrlService } from '../../apps/authority/src/crl/crl.service.js'
import { startRoles } from '../../apps/cli/src/roles.js'
import { during } from '../helpers/database-faults.js'
import { revokeCertificateOf } from '../helpers/decisions.js'
import { callPlain } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let user: TestPrincipal

beforeAll(async () => {
  server = await startTestServer({ settings: { crl: { revocationDelaySeconds: 0 } } })
  user = await server.addPrincipal()
})

afterAll(() => server.stop())

async function enroll(): Promise<{ readonly serial: string; readonly requestId: number; readonly der: Uint8Array }> {
  await using client = server.connect(user)
  expect(await client.submit(await pkcs10Request({ template: 'UserSignature' }))).toBe(3)
  const der = await client.getCertificate()
  return { serial: decodeCertificate(der).serialHex, requestId: client.requestId, der }
}

async function published(path = '/crl/1-0.crl'): Promise<CertificateList> {
  const crl = decodeCrl((await callPlain(server.httpUrl, { path })).body)
  verifyCrlSignature(crl, server.ca.certificate.publicKey)
  return crl
}

const numberOf = (crl: CertificateList) =>
  Number(decodeCrlNumber(findExtension(crl, OID.id_ce_cRLNumber)?.value ?? new Uint8Array()))

const serialsOn = ({ entries }: CertificateList) => entries.map(({ serialNumber }) => serialHexOf(serialNumber))

/** Revokes and tells nobody, as a process does that ends at that moment. */
async function revokeQuietly(requestId: number): Promise<void> {
  await revokeCertificateOf(server, requestId, 1)
}

async function nextBase(after: number): Promise<CertificateList> {
  await expect.poll(async () => numberOf(await published()), { timeout: 20_000 }).toBeGreaterThan(after)
  return published()
}

describe('a revoked certificate', () => {
  it('is on the next CRL without anybody waking the authority, and on every later one, also after a restart', async () => {
    const { serial, requestId } = await enroll()
    const before = numberOf(await published())
    await revokeQuietly(requestId)
    const first = await nextBase(before)
    expect(serialsOn(first)).toContain(serial)
    await server.restart()
    await server.sql(`UPDATE certkeep.crl SET next_publish = now() - interval '1 minute'`)
    server.running.runtime.wakeups.nudge('crl')
    const second = await nextBase(numberOf(first))
    expect(serialsOn(second)).toContain(serial)
    const rows = await server.sql<{ number: string }>('SELECT number FROM certkeep.crl ORDER BY this_update, number')
    const numbers = rows.map(({ number }) => Number(number))
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
  })

  it('that has ended is on one more CRL and then on none', async () => {
    const { serial, requestId } = await enroll()
    await revokeQuietly(requestId)
    const listed = await nextBase(numberOf(await published()))
    expect(serialsOn(listed)).toContain(serial)
    await server.sql(`UPDATE certkeep.certificate SET not_after = now() WHERE request_id = $1`, [requestId])
    const again = async (after: CertificateList) => {
      await server.sql(`UPDATE certkeep.crl SET next_publish = now() - interval '1 minute'`)
      server.running.runtime.wakeups.nudge('crl')
      return nextBase(numberOf(after))
    }
    const once = await again(listed)
    expect(serialsOn(once)).toContain(serial)
    expect(serialsOn(await again(once))).not.toContain(serial)
  })
})

describe('a CRL', () => {
  it('with a higher number never knows less than one with a lower number, whoever signs at the same time', async () => {
    const { serial, requestId } = await enroll()
    const log = createLogger({ level: 'silent', format: 'json' })
    const roles = await startRoles(server.running.installation, ['authority'], log)
    try {
      const { dataSource } = await server.database.open('authority')
      const clock = roles.context.get<Clock>(CLOCK, { strict: false })
      const ca = await roles.context.get(CaRegistry, { strict: false }).getKey(server.ca.id, 0)
      const schedule = { base: 3_600_000, baseOverlap: 0, delta: 0, deltaOverlap: 0, revocationDelay: 0 }
      const publish = (revocations: RevocationStore) =>
        new CrlSigner(revocations, new CrlStore(dataSource), clock).publish(
          ca,
          'base',
          { ...schedule, onRevocation: 'none' },
          { actor: 'role:authority' }
        )
      /** Has read everything when somebody else revokes and publishes. */
      class Overtaken extends RevocationStore {
        override async *listForCrl(caId: CaId, keyIndex: number, time: Date) {
          const pages: (readonly CrlEntryRow[])[] = []
          for await (const page of super.listForCrl(caId, keyIndex, time)) pages.push(page)
          await revokeQuietly(requestId)
          await publish(new RevocationStore(dataSource))
          yield* pages
        }
      }
      await expect(publish(new Overtaken(dataSource))).rejects.toMatchObject({ code: 'conflict' })
      expect(serialsOn(await published())).toContain(serial)
    } finally {
      await roles.stop()
    }
  })

  it('lists a certificate once when its status changes while what has changed is read, with the newer status', async () => {
    const [first, second] = [await enroll(), await enroll()]
    const log = createLogger({ level: 'silent', format: 'json' })
    const roles = await startRoles(server.running.installation, ['authority'], log)
    try {
      const { dataSource } = await server.database.open('authority')
      /** Reads one row at a time, and somebody gives the first another reason after it was read. */
      class Changing extends RevocationStore {
        override async *listChanges(caId: CaId, keyIndex: number, after: number) {
          let read = 0
          for await (const page of super.listChanges(caId, keyIndex, after)) {
            yield page
            if (++read === 1) await revokeCertificateOf(server, first.requestId, 4)
          }
        }
      }
      const registry = roles.context.get(CaRegistry, { strict: false })
      const signer = new CrlSigner(new Changing(dataSource, 1), new CrlStore(dataSource), systemClock)
      const schedule = { base: 3_600_000, baseOverlap: 0, delta: 600_000, deltaOverlap: 0, revocationDelay: 0 }
      const publish = async (kind: CrlKind) => {
        const ca = await registry.getKey(server.ca.id, 0)
        return signer.publish(ca, kind, { ...schedule, onRevocation: 'none' }, { actor: 'role:authority' })
      }
      await server.sql('DELETE FROM certkeep.crl')
      await publish('base')
      for (const { requestId } of [first, second]) await revokeQuietly(requestId)
      const number = await publish('delta')
      const [row] = await server.sql<{ crl: Buffer }>('SELECT crl FROM certkeep.crl WHERE number = $1', [number])
      const { entries } = decodeCrl(row?.crl ?? new Uint8Array())
      expect(entries).toHaveLength(2)
      const reasons = new Map(entries.map(({ serialNumber, reason }) => [serialHexOf(serialNumber), reason]))
      expect(reasons.get(first.serial)).toBe('superseded')
      expect(reasons.get(second.serial)).toBe('keyCompromise')
    } finally {
      await roles.stop()
    }
  })

  it('is published for everybody who asks for one, however many do at once', async () => {
    const log = createLogger({ level: 'silent', format: 'json' })
    const roles = await startRoles(server.running.installation, ['authority'], log)
    try {
      const crls = roles.context.get(CrlService, { strict: false })
      const asked = await Promise.all([1, 2, 3].map(person => crls.publish(server.ca.id, `local:person${person}`)))
      expect(new Set(asked).size).toBe(3)
      expect(numberOf(await published())).toBeGreaterThanOrEqual(Math.max(...asked))
    } finally {
      await roles.stop()
    }
  })

  it('is on record before it is signed: a number that a fault has spent is never used again', async () => {
    const { serial, requestId } = await enroll()
    const before = numberOf(await published())
    const intents = () =>
      server.sql<{ number: string; digest: Buffer }>(
        `SELECT number, tbs_digest AS digest FROM certkeep.crl_intent WHERE number > $1 AND kind = 'base' ORDER BY number`,
        [before]
      )
    await during(server, { table: 'crl', on: 'INSERT', when: `NEW.kind = 'base'` }, async () => {
      await revokeQuietly(requestId)
      server.running.runtime.wakeups.nudge('crl')
      await expect.poll(async () => (await intents()).length, { timeout: 20_000 }).toBeGreaterThan(0)
      expect(numberOf(await published())).toBe(before)
    })
    const spent = await intents()
    const [first] = spent
    const crl = await nextBase(before)
    expect(serialsOn(crl)).toContain(serial)
    expect(numberOf(crl)).toBeGreaterThan(Number(first?.number))
    const stored = await server.sql(`SELECT FROM certkeep.crl WHERE number = $1`, [first?.number])
    expect(stored).toEqual([])
  })

  it('is told to caches with its end, and not sent again to who has it', async () => {
    const answer = await callPlain(server.httpUrl, { path: '/crl/1-0.crl' })
    const crl = decodeCrl(answer.body)
    expect(answer.headers).toMatchObject({
      'last-modified': crl.thisUpdate.toUTCString(),
      expires: crl.nextUpdate?.toUTCString()
    })
    const age = Number(/max-age=(\d+)/.exec(String(answer.headers['cache-control']))?.[1])
    expect(age).toBeGreaterThan(0)
    expect(age).toBeLessThanOrEqual(300)
    const headers = { 'if-none-match': String(answer.headers['etag']) }
    const again = await callPlain(server.httpUrl, { path: '/crl/1-0.crl', headers })
    expect([again.status, again.body.length]).toEqual([304, 0])
  })

  it('has a delta that names it as its base, and both are where certificates say', async () => {
    const { der } = await enroll()
    const certificate = decodeCertificate(der)
    const urlsOf = (oid: string) =>
      decodeCrlDistributionPoints(findExtension(certificate, oid)?.value ?? new Uint8Array())
    expect(urlsOf(OID.id_ce_cRLDistributionPoints)).toEqual([`${server.config.httpBaseUrl}/crl/1-0.crl`])
    expect(urlsOf(OID.id_ce_freshestCRL)).toEqual([`${server.config.httpBaseUrl}/crl/1-0+.crl`])
    const base = await published()
    await expect
      .poll(async () => numberOf(await published('/crl/1-0+.crl')), { timeout: 20_000 })
      .toBeGreaterThan(numberOf(base))
    const delta = await published('/crl/1-0+.crl')
    const value = (oid: string) => Number(decodeCrlNumber(findExtension(delta, oid)?.value ?? new Uint8Array()))
    expect(value(OID.szOID_CRL_VIRTUAL_BASE)).toBe(numberOf(base))
    expect(value(OID.id_ce_deltaCRLIndicator)).toBeLessThanOrEqual(numberOf(base))
    expect(delta.thisUpdate.getTime()).toBeGreaterThan(base.thisUpdate.getTime())
    expect(findExtension(delta, OID.id_ce_freshestCRL)).toBeUndefined()
  })

  it('is published once for many revocations at once', async () => {
    const many = [await enroll(), await enroll(), await enroll(), await enroll()]
    const before = numberOf(await published())
    const store = new RevocationStore((await server.database.open('console')).dataSource)
    await Promise.all(
      many.map(({ der }) => {
        const { serialNumber } = decodeCertificate(der)
        return store.revoke({ caId: server.ca.id, serialNumber }, { reason: 5 }, { actor: 'test' }, new Date())
      })
    )
    const crl = await nextBase(before)
    const all = many.map(({ serial }) => serial)
    await expect
      .poll(async () => serialsOn(await published()), { timeout: 20_000 })
      .toEqual(expect.arrayContaining(all))
    expect(numberOf(await published()) - numberOf(crl)).toBeLessThanOrEqual(4)
  })
})
