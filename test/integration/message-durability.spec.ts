import { randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { asPrincipalId } from '@app/core'
import { encodePlainEnvelope, parseMessageFields } from '@app/messaging'
import { MessageQueueStore, MessageStore, PrincipalStore } from '@app/storage'
import { createOwnDatabase, type TestDatabase } from '../helpers/database.js'

const because = { actor: 'test' }
const now = new Date()
const ownerId = asPrincipalId(randomUUID())

/** A queue that takes messages. */
async function makeQueue(database: TestDatabase): Promise<string> {
  const { dataSource } = await database.open('owner')
  const principal = {
    id: ownerId,
    kind: 'user',
    sid: 'S-1-5-21-1-2-3-4',
    accountName: 'alice',
    domain: 'EXAMPLE'
  } as const
  const names = { displayName: 'Alice', distinguishedName: null, upn: null, mail: null, dnsName: null, groupNames: [] }
  await new PrincipalStore(dataSource).add({ ...principal, ...names, createdAt: now }, because)
  const id = randomUUID()
  const rules = {
    authenticate: false,
    privacy: 'optional',
    journaling: false,
    encryptionKey: null,
    access: []
  } as const
  const queue = { id, name: 'orders', ownerId, ...rules, quota: 1_000_000, journalQuota: 0, createdAt: now }
  await new MessageQueueStore(dataSource).create(queue, 1, because)
  return id
}

/** A message that the front takes: an express one does not wait for the disk. */
async function put(database: TestDatabase, queueId: string, isExpress: boolean): Promise<string> {
  const front = await database.open('front')
  const messages = new MessageStore(front.dataSource)
  const messageId = randomUUID()
  const given = { messageId, destinationQueue: 'orders', level: 'none', sentAt: now.toISOString() }
  const envelope = encodePlainEnvelope(parseMessageFields(given), Buffer.from('x'))
  await front.transaction(async unit => {
    if (isExpress) await messages.hurry(unit)
    const common = { queueId, place: 'queue', class: 0, level: 'none', senderSid: null, submittedBy: ownerId } as const
    await messages.put(unit, [{ ...common, priority: 3, messageId, envelope, arrivedAt: now, receiveBefore: null }])
  })
  return messageId
}

/** Kills every process of the PostgreSQL whose data is in the directory, with what they had in memory. */
async function kill(data: string): Promise<void> {
  const [postmaster = ''] = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
  const children = readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && parentOf(pid) === postmaster)
  for (const pid of [postmaster, ...children]) process.kill(Number(pid), 'SIGKILL')
  while (parentOf(postmaster) !== undefined) await sleep(50)
}

function parentOf(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? undefined : parent
  } catch {
    return undefined
  }
}

it(
  '004-4 A recoverable message that was taken is there after PostgreSQL has been killed.',
  { timeout: 60_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'certkeep-durable-'))
    chmodSync(directory, 0o755)
    const database = await createOwnDatabase(directory)
    const queueId = await makeQueue(database)
    const first = await put(database, queueId, true)
    const ids: string[] = []
    for (let count = 0; count < 20; count++) ids.push(await put(database, queueId, false))
    await kill(join(directory, 'postgres', 'data'))
    await database.drop().catch(() => undefined)
    const again = await createOwnDatabase(directory)
    try {
      const { dataSource } = await again.open('front')
      const waiting = await new MessageStore(dataSource).listWaiting(queueId, 50, new Date())
      // What an express message before them has lost, they have saved: the log of the database is one.
      expect(waiting.map(({ messageId }) => messageId)).toEqual([first, ...ids])
    } finally {
      await again.drop()
      rmSync(directory, { recursive: true, force: true })
    }
  }
)
