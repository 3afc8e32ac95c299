import { enrollmentBenchmark } from './enrollment.js'

/** Issuing a certificate whose private key stays with its owner. */
export const enrollPlain = enrollmentBenchmark({
  name: 'enroll-plain',
  archived: false,
  subscriberKey: 'rsa-2048',
  caKey: 'rsa-2048'
})
