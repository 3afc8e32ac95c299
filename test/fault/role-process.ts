import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProcessRole } from '@app/storage'
import { faultProgram, root } from './fault-build.js'
import type { Order, Word } from './preload.js'

/** How a process ended. */
interface End {
  readonly code: number | null
  readonly signal: string | null
  /** Whether it had been ready, and nobody here had ended it. */
  readonly isUnasked: boolean
  /** The last lines that it said. */
  readonly lastWords: string
}

/** What a process runs with. */
export interface ProcessPlan {
  readonly name: string
  readonly role: ProcessRole
  readonly settings: Readonly<Record<string, string>>
  readonly directory: string
  readonly onEnd: (end: End) => void
  readonly onWord: (word: Word) => void
}

const READY_MILLISECONDS = 90_000

/** A process of one role, from the fault build, that is started again whenever it ends, as a service manager does it. */
export class RoleProcess {
  private child: ChildProcess | undefined
  private readonly log: WriteStream
  private isWanted = true
  private isEnding = false
  private isReady = false
  private starts = 0
  private tail = ''

  constructor(private readonly plan: ProcessPlan) {
    this.log = createWriteStream(join(plan.directory, `${plan.name}.log`), { flags: 'a' })
  }

  get name(): string {
    return this.plan.name
  }

  get role(): ProcessRole {
    return this.plan.role
  }

  /** Whether it serves at the moment. */
  get ready(): boolean {
    return this.isReady
  }

  /** How often it has been started. */
  get startCount(): number {
    return this.starts
  }

  start(): void {
    this.isEnding = false
    this.starts++
    const preload = join(root, 'test', 'fault', 'preload.ts')
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--import', preload, faultProgram, 'serve'],
      {
        cwd: this.plan.directory,
        env: { PATH: process.env['PATH'], HOME: this.plan.directory, NO_COLOR: '1', ...this.plan.settings },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc']
      }
    )
    this.child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.log.write(text)
        this.tail = (this.tail + text).slice(-4000)
        if (text.includes('"message":"Ready."')) this.isReady = true
      })
    }
    child.on('message', word => {
      this.plan.onWord(word as Word)
    })
    // A channel that breaks while something is said into it says nothing that the end does not say.
    child.on('error', () => undefined)
    child.once('close', (code, signal) => {
      void this.ended(code, signal)
    })
  }

  /** Tells it what is to happen. Nothing happens when it does not run. */
  order(order: Order): void {
    if (this.child?.connected === true) this.child.send(order, () => undefined)
  }

  /** Ends it as a power failure would. It is started again. */
  kill(): void {
    this.isEnding = true
    this.child?.kill('SIGKILL')
  }

  /** That it will kill itself. */
  expectDeath(): void {
    this.isEnding = true
  }

  /** Asks it to end; gives how that went. It is started again. */
  async terminate(): Promise<{ readonly code: number | null; readonly milliseconds: number }> {
    const { child } = this
    if (child === undefined || child.exitCode !== null) return { code: 0, milliseconds: 0 }
    this.isEnding = true
    const begun = performance.now()
    child.kill('SIGTERM')
    await once(child, 'close')
    return { code: child.exitCode, milliseconds: performance.now() - begun }
  }

  /** Waits until it serves. Throws with its last words when that takes too long. */
  async untilReady(): Promise<void> {
    const deadline = performance.now() + READY_MILLISECONDS
    while (!this.isReady) {
      if (performance.now() > deadline) throw new Error(`${this.name} does not become ready: ${this.tail}`)
      await sleep(20)
    }
  }

  /** Asks it to end for good; gives how that went. */
  async retire(): Promise<{ readonly code: number | null; readonly milliseconds: number }> {
    this.isWanted = false
    return this.terminate()
  }

  /** Ends it for good, if it has not ended. */
  async stop(): Promise<void> {
    this.isWanted = false
    this.isEnding = true
    const { child } = this
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'close')
    }
    await new Promise<void>(resolve => this.log.end(resolve))
  }

  private async ended(code: number | null, signal: string | null): Promise<void> {
    const isUnasked = this.isReady && !this.isEnding
    this.isReady = false
    this.plan.onEnd({ code, signal, isUnasked, lastWords: this.tail.slice(-1500) })
    // One that could not start, as while its database is down, is not started again at once.
    await sleep(signal === null && code !== 0 ? 500 : 50)
    if (this.isWanted) this.start()
  }
}
