import type { CaId } from '@app/core'

/**
 * Tells within this process that the status of a certificate of a CA has changed, so that nobody goes on with what he
 * remembers of it. Nothing but a hint to look: other processes' changes are not told.
 */
export class StatusChanges {
  private readonly listeners: ((caId: CaId) => void)[] = []

  /** Has the listener called at every change. */
  onChange(listener: (caId: CaId) => void): void {
    this.listeners.push(listener)
  }

  /** Call it once the change is committed. */
  notify(caId: CaId): void {
    for (const listener of this.listeners) listener(caId)
  }
}
