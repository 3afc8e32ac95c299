import type { RequestId } from '@app/core'

/** How long a notice is kept for a waiter that comes a moment late. */
const MEMORY_MILLISECONDS = 2000
/** More notices than come in that time. */
const MEMORY_SIZE = 4096

interface Waiter {
  readonly resolve: (told: boolean) => void
  readonly timer: NodeJS.Timeout
}

/**
 * Tells those who wait for a request in this process that it has an outcome. Nothing but a hint to look: the outcome
 * is in the database, other processes' outcomes are not told, and a notice may be of an earlier change.
 */
export class Outcomes {
  private readonly waiters = new Map<RequestId, Set<Waiter>>()
  private readonly recent = new Map<RequestId, number>()
  private readonly listeners: (() => void)[] = []
  private closed = false

  /** Has every notice of this process call `listener`, which returns at once. */
  onNotify(listener: () => void): void {
    this.listeners.push(listener)
  }

  /** Wakes everybody who waits for the request; who comes within two seconds need not wait. */
  notify(requestId: RequestId): void {
    for (const listener of this.listeners) listener()
    const waiters = this.waiters.get(requestId)
    if (waiters) {
      for (const waiter of waiters) this.release(requestId, waiter, true)
      return
    }
    this.recent.delete(requestId)
    this.recent.set(requestId, Date.now())
    if (this.recent.size > MEMORY_SIZE) this.recent.delete(this.recent.keys().next().value ?? requestId)
  }

  /** Resolves with true at a notice, with false after `milliseconds` or when the process ends. Never rejects. */
  wait(requestId: RequestId, milliseconds: number): Promise<boolean> {
    const told = this.recent.get(requestId)
    // A notice is used once, so that a caller in a loop does not spin.
    this.recent.delete(requestId)
    if (told !== undefined && Date.now() - told < MEMORY_MILLISECONDS) return Promise.resolve(true)
    if (milliseconds <= 0 || this.closed) return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiters = this.waiters.get(requestId) ?? new Set()
    const waiter: Waiter = {
      resolve,
      timer: setTimeout(() => {
        this.release(requestId, waiter, false)
      }, milliseconds)
    }
    waiters.add(waiter)
    this.waiters.set(requestId, waiters)
    return promise
  }

  /** Lets everybody go who waits; from now on nobody does. */
  close(): void {
    this.closed = true
    for (const [requestId, waiters] of this.waiters) {
      for (const waiter of waiters) this.release(requestId, waiter, false)
    }
  }

  /** Whether waiting has become useless, because the process ends. */
  get isClosed(): boolean {
    return this.closed
  }

  private release(requestId: RequestId, waiter: Waiter, told: boolean): void {
    clearTimeout(waiter.timer)
    const waiters = this.waiters.get(requestId)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.waiters.delete(requestId)
    waiter.resolve(told)
  }
}
