import { randomBytes } from 'node:crypto'
import { AppError, equalBytes } from '@app/core'
import type { Console, OfferedShare, RecoveryDetail } from '@app/client'
import { transferPart } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { decodeCertificate, formatName } from '@app/x509'
import { EXIT } from '../exit-code.js'
import type { ApproveOptions } from '../key-options.js'
import { printFacts, tableOf, type Talk } from '../output.js'
import { withConsole } from './connection.js'
import { findKeyHolder } from './key-holder.js'
import { askAloud } from './password.js'
import { fingerprintOf } from './recipient-keys.js'

/** `key approve`. */
export function approveRecovery(id: number, options: ApproveOptions, talk: Talk): Promise<void> {
  return withConsole(options, async console => {
    const approved = await handOverShare(console, id, options, talk)
    await printFacts({ ...approved }, options.output)
    const { given, needed } = approved.approvals
    talk.say(`You have approved recovery ${id}. ${given} of ${needed} have.`)
    if (approved.state === 'requested') process.exitCode = EXIT.pending
  })
}

/**
 * An agent approves a recovery: opens its own share here and encrypts it to the recipient, after the person has seen whom it is
 * for. Where an agent opens keys alone there is no share, and the approval is a word. Throws `chain_invalid` when the
 * recipient is not the one that the officer told of, `invalid_argument` without the person's consent or for another agent's
 * key, and what `transferPart` and the server refuse it for.
 */
export async function handOverShare(
  { recoveries }: Console,
  id: number,
  options: Omit<ApproveOptions, 'output'>,
  talk: Talk
): Promise<RecoveryDetail> {
  const recovery = await recoveries.get(id)
  const offered = await recoveries.share(id, options.agentId)
  await confirm(recovery, offered, options, talk)
  const share = offered.mode === 'threshold' ? { share: await transfer(offered, options) } : {}
  return recoveries.approve(id, { agentId: offered.agentId, ...share })
}

/** Shows what is asked for and by whom, and goes on only when the person knows the recipient. */
async function confirm(
  recovery: RecoveryDetail,
  offered: OfferedShare,
  options: Omit<ApproveOptions, 'output'>,
  talk: Talk
): Promise<void> {
  const { id, subject, serialNumber, account, requestedBy, reason, ticket } = recovery
  const recipient = recipientOf(offered)
  const shown = { recovery: id, key: subject, serialNumber, account, requestedBy, reason, ticket, recipient }
  for (const line of tableOf(shown).trimEnd().split('\n')) talk.say(line)
  if (recipient === undefined) return confirmAloud(`Approve recovery ${id}?`, options.yes === true)
  const { sha256 } = recipient
  const told = options.recipientSha256?.replaceAll(':', '').toLowerCase()
  if (told === undefined) {
    return confirmAloud(`Is ${sha256} what ${requestedBy} told you? Hand over the share?`, false)
  }
  if (told === sha256) return
  throw new AppError(
    'chain_invalid',
    `The recipient's certificate has the fingerprint ${sha256}. Nothing was handed over.`
  )
}

function recipientOf({
  mode,
  recipient
}: OfferedShare): { readonly subject: string; readonly sha256: string } | undefined {
  if (mode === 'any-agent') return undefined
  if (recipient === undefined) throw new AppError('internal', 'The server names no recipient.')
  return { subject: formatName(decodeCertificate(recipient).subject), sha256: fingerprintOf(recipient) }
}

async function confirmAloud(question: string, isGiven: boolean): Promise<void> {
  if (isGiven || /^y(?:es)?$/i.test(await askAloud(`${question} [yes/no]`))) return
  throw new AppError('invalid_argument', 'Nothing was approved.')
}

async function transfer(offered: OfferedShare, options: Omit<ApproveOptions, 'output'>): Promise<Uint8Array> {
  const { agent: p12, agentKey: key, agentCert: certificate, passwordFile } = options
  const holder = await findKeyHolder({ p12, key, certificate, passwordFile })
  if (holder === undefined) throw new AppError('invalid_argument', 'Give the agent’s key: --agent or --agent-key.')
  const agent = decodeCertificate(offered.agentCertificate)
  const decrypter = decrypterOf(holder.privateKey)
  if (!equalBytes(decrypter.publicKey.raw, agent.publicKey.raw)) {
    throw new AppError(
      'invalid_argument',
      `The key is that of another agent; the share is of ${formatName(agent.subject)}.`
    )
  }
  const { held, recipient } = offered
  if (held === undefined || recipient === undefined) throw new AppError('internal', 'The server offers no share.')
  const entropy = { bytes: (length: number) => randomBytes(length) }
  return transferPart({ held, decrypter, successor: decodeCertificate(recipient), entropy })
}
