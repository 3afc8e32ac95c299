/**
 * The steps of the pipeline that can be woken, each with the role whose process runs it. A role has one queue, so a
 * process needs one worker for all of its steps.
 */
export const STEPS = {
  evaluate: 'authority',
  seal: 'archive',
  import: 'archive',
  purge: 'archive',
  drill: 'archive',
  issue: 'authority',
  respond: 'authority',
  acknowledge: 'authority',
  expire: 'authority',
  crl: 'authority',
  'exchange-keys': 'archive',
  reseal: 'archive',
  'exchange-certificates': 'authority',
  recoveries: 'archive',
  'recovery-packages': 'authority',
  audit: 'authority',
  webhooks: 'front',
  publish: 'front',
  registrations: 'console',
  'read-ldap': 'console'
} as const

/** A step of {@link STEPS}. */
export type Step = keyof typeof STEPS

/** The name of a queue: that of the role whose steps it wakes. */
export type QueueName = (typeof STEPS)[Step]

/** What a run of a step found, once it is committed. */
export interface StepRun {
  /** Whether more rows may be due, so that the step runs again at once: it took as many as it takes at a time. */
  readonly more: boolean
  /** The steps that some of the rows are due for now. */
  readonly next: readonly Step[]
}

/** Whether a job's name is that of a step; a newer program may have added others. */
export function isStep(name: string): name is Step {
  return Object.hasOwn(STEPS, name)
}

/** Where this library tells of what it cannot do at the moment. The program's log has this shape. */
export interface QueueLog {
  error(facts: object, message: string): void
  warn(facts: object, message: string): void
}
