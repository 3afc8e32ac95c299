import {
  HeldSecurityContexts,
  MessageQueues,
  type ContextSource,
  type Delegation,
  type HeldMessageKey,
  type MessageLevel
} from '@app/client'
import { decodeDerPemOrBase64 } from '@app/der'
import { writeNewFile } from '@app/files'
import { decodeCertificate } from '@app/x509'
import type { ConnectionOptions } from '../client-options.js'
import { findConnection, readBytes, readSecret, type Connection } from './connection.js'

/** What `context key` takes. */
export interface KeyMaking extends ConnectionOptions {
  readonly kind: 'internal' | 'external'
}

/** What `context delegate` takes. */
export interface Delegating extends ConnectionOptions {
  readonly days: number
  readonly tokenOut: string
}

/** What `context send` takes. */
export interface ContextSending extends ConnectionOptions {
  readonly certificate?: string
  readonly onBehalfOf?: string
  readonly level: Exclude<MessageLevel, 'none'>
  readonly label?: string
}

/** `context keys` */
export function listHeldKeys(options: ConnectionOptions): Promise<readonly HeldMessageKey[]> {
  return withContexts(options, contexts => contexts.listKeys())
}

/** `context key` */
export function makeHeldKey({ kind, ...options }: KeyMaking): Promise<object> {
  return withContexts(options, contexts => contexts.makeKey(kind))
}

/** `context destroy` */
export function destroyHeldKey(id: string, options: ConnectionOptions): Promise<void> {
  return withContexts(options, contexts => contexts.destroyKey(id))
}

/** `context register`: an internal certificate of a key that the server makes. */
export function registerHeldKey(options: ConnectionOptions): Promise<object> {
  return withContexts(options, async contexts => {
    const { serialHex, notAfter } = decodeCertificate(await contexts.registerInternal())
    return { serial: serialHex, notAfter: notAfter.toISOString() }
  })
}

/** `context delegate`: the token that the other account acts by goes to a file alone. */
export function delegate(sid: string, { days, tokenOut, ...options }: Delegating): Promise<object> {
  return withContexts(options, async contexts => {
    const until = new Date(Date.now() + days * 86_400_000)
    const { subjectToken, ...delegation } = await contexts.delegate(sid, until)
    try {
      await writeNewFile(tokenOut, Buffer.from(subjectToken), 0o600)
    } catch (error) {
      // Nobody could ever act by it.
      await contexts.revokeDelegation(delegation.id)
      throw error
    }
    return delegation
  })
}

/** `context delegations` */
export function listDelegations(options: ConnectionOptions): Promise<readonly Delegation[]> {
  return withContexts(options, contexts => contexts.listDelegations())
}

/** `context revoke` */
export function revokeDelegation(id: string, options: ConnectionOptions): Promise<void> {
  return withContexts(options, contexts => contexts.revokeDelegation(id))
}

/** `context send`: the files are signed under one context, which is freed afterwards. */
export function sendUnderContext(
  queue: string,
  files: readonly string[],
  { certificate, onBehalfOf, level, label, ...options }: ContextSending
): Promise<object> {
  return withContexts(options, async (contexts, { settings }) => {
    const wanted = certificate === undefined ? {} : { certificate: decodeDerPemOrBase64(await readBytes(certificate)) }
    const obtain = (source: ContextSource) => source.getSecurityContextEx(wanted)
    const bodies = await Promise.all(files.map(readBytes))
    await using context =
      onBehalfOf === undefined
        ? await obtain(contexts)
        : await contexts.withImpersonation(await readSecret(onBehalfOf), obtain)
    await using queues = new MessageQueues(settings)
    const messages = bodies.map(body => ({ body, ...(label === undefined ? {} : { label }) }))
    const messageIds = await queues.sendAll(queue, messages, { level, securityContext: context })
    return { queue, sender: context.sid, messageIds }
  })
}

async function withContexts<T>(
  options: ConnectionOptions,
  work: (contexts: HeldSecurityContexts, connection: Connection) => Promise<T>
): Promise<T> {
  const connection = await findConnection(options)
  await using contexts = new HeldSecurityContexts(connection.settings)
  return await work(contexts, connection)
}
