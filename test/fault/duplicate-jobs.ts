import { randomUUID } from 'node:crypto'
import { STEPS, type Step } from '@app/queue'
import { createPostgresBackend, withBackend, type PostgresPoolConfig } from 'bullmq'
import type { SeededRandom } from './random.js'
import type { World } from './world.js'

const { Queue } = withBackend(createPostgresBackend)

/** Wakes every step several times at once, by jobs that no id holds together: whatever runs twice must do nothing twice. */
export async function wakeInVain(
  { database }: World,
  random: SeededRandom
): Promise<{ readonly target: string; readonly hit: boolean }> {
  const { host, port, user, password, database: name } = database.settings.owner
  const connection = { host, port, user, password, database: name, max: 2, schema: 'bullmq' }
  const copies = random.between(2, 5)
  for (const role of new Set(Object.values(STEPS))) {
    const queue = new Queue(role, { connection: connection as PostgresPoolConfig })
    queue.on('error', () => undefined)
    try {
      for (const step of (Object.keys(STEPS) as Step[]).filter(step => STEPS[step] === role)) {
        const jobs = Array.from({ length: copies }, () => ({
          name: step,
          data: {},
          opts: { jobId: randomUUID(), removeOnComplete: true, removeOnFail: true }
        }))
        await queue.addBulk(jobs)
      }
    } finally {
      await queue.close()
    }
  }
  return { target: `${copies} of each step`, hit: true }
}
