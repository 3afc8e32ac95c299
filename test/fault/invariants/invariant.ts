import type { Certificate } from '@app/x509'
import type { RecoveryAgent } from '../../helpers/recovery-agent.js'
import type { TestDatabase } from '../../helpers/database.js'
import type { History } from '../history.js'

/** What the invariants are held against. Everything has come to rest. */
export interface Evidence {
  readonly database: TestDatabase
  readonly history: History
  readonly ca: Certificate
  readonly agents: readonly RecoveryAgent[]
  /** Below it is everything that the installation and its database have written. */
  readonly directory: string
  /** The home of the installation, with the keys that the audit log is signed with. */
  readonly home: string
  readonly sql: <Row>(text: string, values?: readonly unknown[]) => Promise<readonly Row[]>
}

/** What must hold after any fault. */
export interface Invariant {
  /** I1 to I13, as the design numbers them. */
  readonly id: string
  readonly name: string
  /** What breaks it, a sentence each; empty when it holds. */
  readonly find: (evidence: Evidence) => Promise<readonly string[]>
}

/** An invariant that a statement finds the breaches of: each row is one, told by its columns. */
export function sqlInvariant(id: string, name: string, text: string): Invariant {
  return {
    id,
    name,
    find: async ({ sql }) => (await sql<object>(text)).map(row => JSON.stringify(row))
  }
}
