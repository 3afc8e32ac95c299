import type { Finding } from '@app/core'
import type { Transport } from '../transport.js'

/** What somebody should look at. */
export interface HealthReport {
  /** The worst of the findings. */
  readonly status: 'good' | 'warning' | 'error'
  readonly findings: readonly Finding[]
}

/** What is wrong with the installation, or will be. */
export class Health {
  constructor(private readonly transport: Transport) {}

  /** Every finding there is, the errors first. */
  show(): Promise<HealthReport> {
    return this.transport.json({ path: '/api/v1/health' })
  }
}
