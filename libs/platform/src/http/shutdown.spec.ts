import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createLogger } from '../logger/logger.js'
import { createShutdown, shutDownOnSignals } from './shutdown.js'

const logger = createLogger({ level: 'silent', format: 'json' })
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

describe('a shutdown', () => {
  it('ends the parts one after the other, the last added first', async () => {
    const events: string[] = []
    const shutdown = createShutdown({ graceSeconds: 1, logger })
    for (const name of ['database', 'steps', 'listener']) {
      shutdown.add(name, async () => {
        events.push(`${name} ends`)
        await sleep(5)
        events.push(`${name} has ended`)
      })
    }
    await shutdown.run('test')
    expect(events).toEqual([
      'listener ends',
      'listener has ended',
      'steps ends',
      'steps has ended',
      'database ends',
      'database has ended'
    ])
  })

  it('goes on when a part fails', async () => {
    const ended: string[] = []
    const shutdown = createShutdown({ graceSeconds: 1, logger })
    shutdown.add('first', () => {
      ended.push('first')
    })
    shutdown.add('rejecting', () => Promise.reject(new Error('no')))
    shutdown.add('throwing', () => {
      throw new Error('no')
    })
    await shutdown.run('test')
    expect(ended).toEqual(['first'])
  })

  it('gives each part what is left of the grace time', async () => {
    const graces: number[] = []
    const shutdown = createShutdown({ graceSeconds: 0.1, logger })
    shutdown.add('second', grace => {
      graces.push(grace)
    })
    shutdown.add('first', async grace => {
      graces.push(grace)
      await sleep(150)
    })
    await shutdown.run('test')
    expect(graces[0]).toBeGreaterThan(50)
    expect(graces[1]).toBe(0)
  })

  it('happens once', async () => {
    let times = 0
    const shutdown = createShutdown({ graceSeconds: 1, logger })
    shutdown.add('part', async () => {
      await sleep(5)
      times++
    })
    await Promise.all([shutdown.run('a'), shutdown.run('b'), shutdown.done])
    expect(times).toBe(1)
  })
})

describe('a signal', () => {
  it('begins one shutdown, also when the process group and a launcher both send it', () => {
    const reasons: string[] = []
    const before = signals.map(signal => process.listeners(signal))
    const run = (reason: string): Promise<void> => Promise.resolve(void reasons.push(reason))
    shutDownOnSignals({ add: () => undefined, run, done: Promise.resolve() })
    try {
      process.emit('SIGTERM', 'SIGTERM')
      process.emit('SIGTERM', 'SIGTERM')
      expect(reasons).toEqual(['SIGTERM'])
    } finally {
      for (const [index, signal] of signals.entries()) {
        const added = process.listeners(signal).filter(listener => before[index]?.includes(listener) !== true)
        for (const listener of added) process.off(signal, listener)
      }
    }
  })
})
