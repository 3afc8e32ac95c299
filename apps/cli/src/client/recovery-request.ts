import { randomBytes } from 'node:crypto'
import { AppError, isAppError, systemClock } from '@app/core'
import {
  certificatesIn,
  makeRecoveryRecipient,
  type ArchivedKeyItem,
  type Console,
  type RecoveryDetail
} from '@app/client'
import type { KeyCriteriaOptions, RecoverOptions } from '../key-options.js'
import { printFacts, type Talk } from '../output.js'
import { readBytes, withConsole } from './connection.js'
import { criteriaOf } from './recovery-actions.js'
import { dropRecipient, fingerprintOf, keepRecipient } from './recipient-keys.js'

const LOST: ReadonlySet<string> = new Set(['server_unreachable', 'unavailable', 'internal'])

/** Longer than any recovery stays open. */
const recipientDays = 30

/** `key recover`. */
export function requestRecovery(options: RecoverOptions, talk: Talk): Promise<void> {
  return withConsole(options, async console => {
    const { recovery, recipient } = await askForKey(console, options, talk)
    await printFacts({ ...recovery }, options.output)
    const { given, needed } = recovery.approvals
    talk.say(`Recovery ${recovery.id} waits: ${given} of ${needed} agents have approved it.`)
    if (recipient === undefined) return
    talk.say('Tell the agents this fingerprint yourself; it is how they know that they encrypt to you and nobody else:')
    talk.say(`  ${fingerprintOf(recipient)}`)
  })
}

/** A recovery that was asked for, and the certificate (DER) that its agents encrypt to. */
export interface AskedRecovery {
  readonly recovery: RecoveryDetail
  readonly recipient?: Uint8Array
}

/**
 * An officer asks for one archived key, to be delivered to a key that is the officer's own: where several agents open it
 * together and no certificate is named, one that is made here, kept for the officer alone, and used once. Throws `not_found`
 * or `invalid_argument` when not exactly one key is found, and what the server refuses it for.
 */
export async function askForKey(
  console: Console,
  options: Omit<RecoverOptions, 'output'>,
  talk: Talk
): Promise<AskedRecovery> {
  const key = await findKey(console, options)
  const { subject, serialNumber, account } = key
  talk.say(`The key of ${subject}${account === undefined ? '' : ` (${account})`}, serial number ${serialNumber}.`)
  const { certificate, drop } = await recipientFor(key, options, talk)
  const recipient = certificate === undefined ? {} : { recipient: certificate }
  const wanted = { key: { request: key.requestId, ca: key.ca }, reason: options.reason, ticket: options.ticket }
  try {
    return { recovery: await console.recoveries.request({ ...wanted, ...recipient }), ...recipient }
  } catch (error) {
    // When the answer was lost, the recovery may be there, and nothing but this key will open it.
    if (isAppError(error) && !LOST.has(error.code)) await drop()
    throw error
  }
}

/** The one key that all criteria fit. */
async function findKey({ archivedKeys }: Console, options: KeyCriteriaOptions): Promise<ArchivedKeyItem> {
  const criteria = criteriaOf(options)
  if (Object.keys(criteria).every(name => name === 'ca')) {
    throw new AppError(
      'invalid_argument',
      'Say whose key: --serial, --subject, --upn, --account, --digest or --request.'
    )
  }
  const { items } = await archivedKeys.list({ ...criteria, limit: 10 })
  const [only, ...others] = items
  if (only === undefined) throw new AppError('not_found', 'No archived key is found by that.')
  if (others.length === 0) return only
  const list = items.map(({ requestId, serialNumber, subject }) => `${requestId} (${serialNumber}, ${subject})`)
  throw new AppError('invalid_argument', `Several keys are found; name one with --request: ${list.join('; ')}.`)
}

/** Whom the agents encrypt to; nobody where one of them opens the key alone and no certificate is named. */
interface Recipient {
  readonly certificate?: Uint8Array
  /** After a request that was not taken. */
  readonly drop: () => Promise<void>
}

async function recipientFor(
  { mode, requestId }: ArchivedKeyItem,
  { recipient: file }: Pick<RecoverOptions, 'recipient'>,
  talk: Talk
): Promise<Recipient> {
  if (file !== undefined) {
    const [certificate] = certificatesIn(await readBytes(file))
    return { ...(certificate === undefined ? {} : { certificate }), drop: () => Promise.resolve() }
  }
  if (mode === 'any-agent') return { drop: () => Promise.resolve() }
  const made = await makeRecoveryRecipient({
    name: `Recovery of the key of request ${requestId}`,
    validitySeconds: recipientDays * 86_400,
    clock: systemClock,
    entropy: { bytes: length => randomBytes(length) }
  })
  talk.say(`A key for this recovery alone is in ${await keepRecipient(made)}. Keep it until the recovery is opened.`)
  return { certificate: made.certificate, drop: () => dropRecipient(made) }
}
