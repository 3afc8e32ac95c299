import { toHex, type CaId } from '@app/core'
import type { CertificateStatusRow, RevocationStore } from '@app/storage'

/** Serial numbers that are looked up at once at most. */
const BATCH = 256

interface Waiting {
  readonly serialNumber: Uint8Array
  readonly answers: PromiseWithResolvers<CertificateStatusRow | undefined>
}

/** Looks up statuses for many who ask at the same time with one statement: what comes while one is under way waits. */
export class StatusLookup {
  private waiting = new Map<string, Waiting>()
  private isRunning = false

  constructor(
    private readonly revocations: RevocationStore,
    private readonly caId: CaId
  ) {}

  /** The status as it was committed at the call or later; undefined for a number that the CA has not used. */
  find(serialNumber: Uint8Array): Promise<CertificateStatusRow | undefined> {
    const key = toHex(serialNumber)
    let entry = this.waiting.get(key)
    if (entry === undefined) {
      entry = { serialNumber, answers: Promise.withResolvers() }
      this.waiting.set(key, entry)
      if (!this.isRunning) void this.run()
    }
    return entry.answers.promise
  }

  private async run(): Promise<void> {
    this.isRunning = true
    // Whoever asks in this turn of the event loop is in the first statement.
    await Promise.resolve()
    while (this.waiting.size > 0) {
      const batch = [...this.waiting].slice(0, BATCH)
      for (const [key] of batch) this.waiting.delete(key)
      await this.answer(batch)
    }
    this.isRunning = false
  }

  private async answer(batch: readonly (readonly [string, Waiting])[]): Promise<void> {
    try {
      const serialNumbers = batch.map(([, { serialNumber }]) => serialNumber)
      const rows = await this.revocations.findStatuses(this.caId, serialNumbers)
      const found = new Map(rows.map(row => [toHex(row.serialNumber), row]))
      for (const [key, { answers }] of batch) answers.resolve(found.get(key))
    } catch (error) {
      for (const [, { answers }] of batch) answers.reject(error)
    }
  }
}
