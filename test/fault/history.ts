import { appendFileSync } from 'node:fs'

/** What a client did and what it was told, in the order in which it was told. */
export type Entry =
  /** A request was recorded, as far as the client knows: it was answered with its number. */
  | {
      readonly op: 'submit'
      readonly requestId: number
      readonly key: string
      readonly disposition: number
      readonly archival: boolean
    }
  | { readonly op: 'retrieve'; readonly requestId: number; readonly disposition: number }
  /** The full response, with what the client found in it. */
  | { readonly op: 'response'; readonly requestId: number; readonly disposition: number; readonly digest: string }
  | {
      readonly op: 'accept'
      readonly requestId: number
      readonly serial: string
      readonly sha256: string
      readonly publicKey: string
    }
  | {
      readonly op: 'decide'
      readonly requestId: number
      readonly verdict: 'approve' | 'deny' | 'withdraw'
      readonly outcome: 'done' | 'conflict'
    }
  | { readonly op: 'revoke'; readonly serial: string; readonly outcome: 'done' | 'conflict' }
  | { readonly op: 'crl'; readonly front: string; readonly number: number; readonly serials: readonly string[] }
  | { readonly op: 'release'; readonly recoveryId: number; readonly outcome: 'done' | 'conflict' }
  | { readonly op: 'package'; readonly recoveryId: number; readonly requestId: number; readonly digest: string }
  /** Whether the key that was recovered is the one that was archived. */
  | { readonly op: 'recovered'; readonly recoveryId: number; readonly requestId: number; readonly isSame: boolean }
  /** An operation that did not come to its end in time, or that ended in a way that is no client's fault. */
  | { readonly op: 'stuck'; readonly what: string; readonly why: string }
  /** What the nemesis saw that must not be, such as a process that ended by itself. */
  | { readonly op: 'breach'; readonly invariant: string; readonly what: string }

/** An entry with its time: milliseconds since the run began. */
export type Recorded = Entry & { readonly at: number }

/** The history of a run, in memory and in a file, one JSON object a line. */
export class History {
  private readonly began = performance.now()
  readonly entries: Recorded[] = []

  /** @param path the file; without one the history is in memory alone */
  constructor(private readonly path?: string) {}

  add(entry: Entry): void {
    const recorded = { at: Math.round(performance.now() - this.began), ...entry }
    this.entries.push(recorded)
    if (this.path !== undefined) appendFileSync(this.path, `${JSON.stringify(recorded)}\n`)
  }

  /** The entries of an operation, in order. */
  of<O extends Entry['op']>(op: O): readonly Extract<Recorded, { readonly op: O }>[] {
    return this.entries.filter((entry): entry is Extract<Recorded, { readonly op: O }> => entry.op === op)
  }
}
