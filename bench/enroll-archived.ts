import type { Benchmark } from './benchmark.js'
import { enrollmentBenchmark } from './enrollment.js'

/** Issuing a certificate whose private key is archived, for each kind of key that is asked for, and at either kind of CA. */
export const enrollArchived: readonly Benchmark[] = [
  { name: 'enroll-archived', subscriberKey: 'rsa-2048', caKey: 'rsa-2048' } as const,
  { name: 'enroll-archived-rsa-3072', subscriberKey: 'rsa-3072', caKey: 'rsa-2048' } as const,
  { name: 'enroll-archived-p-256', subscriberKey: 'p-256', caKey: 'rsa-2048' } as const,
  { name: 'enroll-archived-p-256-ca', subscriberKey: 'rsa-2048', caKey: 'p-256' } as const
].map(variant => enrollmentBenchmark({ ...variant, archived: true }))
