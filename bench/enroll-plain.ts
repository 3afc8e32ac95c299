import { enrollmentBenchmark } from './enrollment.js'

/** Issuing a certificate whose private key stays with its owner. */
export const enrollPlain = enrollmentBenchmark(false)
