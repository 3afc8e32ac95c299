import { randomBytes } from 'node:crypto'
import { AppError, systemClock } from '@app/core'
import { certificatesIn, makeRecoveryRecipient, type ArchivedKeyItem, type Console } from '@app/client'
import type { RecoverOptions } from '../key-options.js'
import { printFacts, type Talk } from '../output.js'
import { readBytes, withConsole } from './connection.js'
import { criteriaOf } from './recovery-actions.js'
import { dropRecipient, fingerprintOf, keepRecipient } from './recipient-keys.js'

/** Longer than any recovery stays open. */
const recipientDays = 30

/** `key recover`: an officer asks for one archived key, to be delivered to a key that is the officer's own. */
export function requestRecovery(options: RecoverOptions, talk: Talk): Promise<void> {
  return withConsole(options, async console => {
    const key = await findKey(console, options)
    const { subject, serialNumber, account, mode, quorum, agents } = key
    talk.say(`The key of ${subject}${account === undefined ? '' : ` (${account})`}, serial number ${serialNumber}.`)
    const recipient = await recipientFor(key, options, talk)
    const { reason, ticket, output } = options
    const wanted = { key: { request: key.requestId, ca: key.ca }, reason, ticket }
    const certificate = recipient.certificate
    const recovery = await console.recoveries
      .request({ ...wanted, ...(certificate === undefined ? {} : { recipient: certificate }) })
      .catch(async (error: unknown) => {
        await recipient.drop()
        throw error
      })
    await printFacts({ ...recovery }, output)
    const who =
      mode === 'threshold' ? `${quorum} of ${agents.length} agents hand over their shares` : `${quorum} approve`
    talk.say(`Recovery ${recovery.id} waits until ${who}, with "certkeep key approve ${recovery.id}".`)
    if (certificate === undefined) return
    talk.say('Tell them this fingerprint yourself; it is how they know that they encrypt to you and nobody else:')
    talk.say(`  ${fingerprintOf(certificate)}`)
  })
}

/** The one key that all criteria fit. */
async function findKey({ archivedKeys }: Console, options: RecoverOptions): Promise<ArchivedKeyItem> {
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
  drop(): Promise<void>
}

async function recipientFor(
  { mode, requestId }: ArchivedKeyItem,
  { recipient: file }: RecoverOptions,
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
