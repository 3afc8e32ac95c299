import { createHash, randomBytes } from 'node:crypto'
import {
  allItems,
  handOnParts,
  verifyParts,
  type Console,
  type CoverageReport,
  type Reseal,
  type ResealResult
} from '@app/client'
import { AppError, toHex, type Entropy } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { judgeAgentCertificate } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { decodeCertificate, formatName, type Certificate } from '@app/x509'
import type { ConnectionOptions } from '../client-options.js'
import { EXIT } from '../exit-code.js'
import { print, printData, printJson, rowsOf, gridOf, tableOf, type Talk, type WithOutput } from '../output.js'
import { readBytes, withConsole } from './connection.js'
import { findKeyHolder, type KeyHolder } from './key-holder.js'

/** What `agent reseal` takes. */
export interface ResealOptions extends ConnectionOptions {
  readonly from: string
  readonly passwordFile?: string
  readonly to: string
  readonly resume?: boolean
}

/** What `agent verify-reseal` takes. */
export interface VerifyOptions extends ConnectionOptions {
  readonly agent: string
  readonly passwordFile?: string
}

const entropy: Entropy = { bytes: length => randomBytes(length) }

/** Prints which archived keys can be opened and what is lost when. The exit code is 1 when some cannot be opened. */
export function showCoverage({ output, ca, ...options }: WithOutput<ConnectionOptions>): Promise<void> {
  return withConsole(options, async ({ recoveryAgents }) => {
    const report = await recoveryAgents.coverage(ca === undefined ? {} : { ca })
    await (output === 'json' ? printJson(report) : print(textOf(report)))
    if (report.findings.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.failure
  })
}

/** Starts a reseal. */
export function startReseal(
  { from, to, reason }: { readonly from: number; readonly to: number; readonly reason: string },
  options: ConnectionOptions
): Promise<Reseal> {
  return withConsole(options, ({ reseals }) => reseals.start({ fromAgent: from, toAgent: to, reason }))
}

/** The reseals, newest first. */
export function listReseals(
  state: Reseal['state'] | undefined,
  options: ConnectionOptions
): Promise<readonly object[]> {
  return withConsole(options, async ({ reseals }) => {
    const query = { limit: 200, ...(state === undefined ? {} : { state }) }
    const found = await allItems(cursor => reseals.list({ ...query, ...(cursor === undefined ? {} : { cursor }) }))
    return found.map(({ id, state: is, from, to, startedBy, startedAt, total, keys }) => ({
      id,
      state: is,
      from: from.name,
      to: to.name,
      startedBy,
      startedAt,
      ...(total === undefined ? {} : { total }),
      ...keys
    }))
  })
}

/** Ends a reseal. */
export function cancelReseal(id: string, options: ConnectionOptions): Promise<Reseal> {
  return withConsole(options, ({ reseals }) => reseals.cancel(id))
}

/** `agent reseal`: the agent's side. The successor is who the file says, whatever the server says. */
export function handOnKeys(options: WithOutput<ResealOptions>, talk: Talk): Promise<void> {
  return withConsole(options, async console => {
    const { holder, certificate } = await holderOf(options.from, options.passwordFile)
    const successor = decodeCertificate(decodeDerPemOrBase64(await readBytes(options.to)))
    const judgement = judgeAgentCertificate(successor, new Date())
    if (!judgement.usable) throw new AppError('invalid_argument', `${options.to}: ${judgement.detail}`)
    const reseal = await findOpen(console, ({ from }) => from.sha256 === fingerprintOf(certificate))
    if (reseal.to.sha256 !== fingerprintOf(successor)) {
      throw new AppError(
        'chain_invalid',
        `The reseal is to ${reseal.to.name}, whose certificate is another than ${options.to}. Nothing was handed on.`
      )
    }
    const begun = reseal.keys.handedOn + reseal.keys.stored + reseal.keys.verified + reseal.keys.done
    if (begun > 0 && options.resume !== true) {
      throw new AppError('conflict', `${begun} keys have been handed on already. Go on with --resume.`)
    }
    talk.say(`Handing on to ${formatName(successor.subject)}.`)
    const result = await handOnParts({
      reseals: console.reseals,
      id: reseal.id,
      decrypter: decrypterOf(holder.privateKey),
      successor,
      entropy,
      onProgress: (done, { total }) => talk.progress(`${done + begun} of ${total ?? '?'} keys`)
    })
    await tell(result, options.output, talk, 'handed on')
    talk.say(
      'The old form of each key stays until the successor has confirmed the new one: certkeep agent verify-reseal.'
    )
  })
}

/** `agent verify-reseal`: the successor's side. */
export function verifyKeys(options: WithOutput<VerifyOptions>, talk: Talk): Promise<void> {
  return withConsole(options, async console => {
    const { holder, certificate } = await holderOf(options.agent, options.passwordFile)
    const reseal = await findOpen(console, ({ to }) => to.sha256 === fingerprintOf(certificate))
    const result = await verifyParts({
      reseals: console.reseals,
      id: reseal.id,
      decrypter: decrypterOf(holder.privateKey),
      onProgress: (done, { keys }) => talk.progress(`${done} keys confirmed, ${keys.stored} to look at`)
    })
    await tell(result, options.output, talk, 'confirmed')
    const { prepared } = result.reseal.keys
    if (prepared > 0) talk.say(`${prepared} keys wait for the agent to hand them on.`)
  })
}

async function tell(
  { done, wrong, reseal }: ResealResult,
  output: WithOutput['output'],
  talk: Talk,
  what: string
): Promise<void> {
  await printData({ ...reseal, [what === 'confirmed' ? 'confirmed' : 'handedOn']: done, wrong }, output)
  talk.say(`${done} keys are ${what}.`)
  if (wrong.length === 0) return
  talk.say(`${wrong.length} could not be: their part does not open, or is not the right one.`)
  process.exitCode = EXIT.verification
}

async function findOpen({ reseals }: Console, isMeant: (reseal: Reseal) => boolean): Promise<Reseal> {
  const open = await allItems(cursor =>
    reseals.list({ state: 'open', limit: 200, ...(cursor === undefined ? {} : { cursor }) })
  )
  const found = open.filter(isMeant)
  const [reseal, ...others] = found
  if (reseal === undefined) {
    throw new AppError(
      'not_found',
      'No reseal with this agent is open. An administrator starts one: agent start-reseal.'
    )
  }
  // The oldest first: another agent may hand on to the same successor.
  return others.at(-1) ?? reseal
}

async function holderOf(
  p12: string,
  passwordFile: string | undefined
): Promise<{ readonly holder: KeyHolder; readonly certificate: Certificate }> {
  const holder = await findKeyHolder({ p12, passwordFile })
  if (holder?.certificate === undefined) {
    throw new AppError('invalid_argument', `${p12} has no certificate for its key.`)
  }
  return { holder, certificate: holder.certificate }
}

function fingerprintOf({ raw }: Certificate): string {
  return toHex(createHash('sha256').update(raw).digest())
}

function textOf({ keys, byMode, agents, losses, findings }: CoverageReport): string {
  const rows = agents.map(({ id, name, account = '', fault = '', notAfter, keys: sealed, lostWithout }) => ({
    id,
    name,
    account,
    notAfter,
    keys: sealed,
    lostWithout,
    fault
  }))
  const parts = [
    tableOf({ keys, 'any-agent': byMode['any-agent'], threshold: byMode.threshold }),
    gridOf(rowsOf(rows)),
    ...(losses.length === 0 ? [] : [gridOf(rowsOf(losses.map(loss => ({ ...loss, agents: loss.agents.join(', ') }))))]),
    ...findings.map(({ severity, cause, remedy }) => `${severity}: ${cause}\n  ${remedy}\n`)
  ]
  return parts.join('\n')
}
