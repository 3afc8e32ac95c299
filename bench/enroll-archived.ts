import { enrollmentBenchmark } from './enrollment.js'

/** Issuing a certificate whose private key is archived. */
export const enrollArchived = enrollmentBenchmark(true)
