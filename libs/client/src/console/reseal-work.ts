import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromBase64, isAppError, type Entropy } from '@app/core'
import { transferPart, verifyPart, type AgentPart } from '@app/escrow'
import type { Decrypter } from '@app/keys'
import type { Certificate } from '@app/x509'
import type { KeyPart, Reseal, Reseals } from './reseals.js'

/** So many parts are in memory at a time. */
const BATCH = 100
/** How often the server is asked again while it prepares more, and how long without getting any, in milliseconds. */
const PAUSE = 200
const PATIENCE = 20_000

/** What both sides of a reseal need. */
export interface ResealWork {
  readonly reseals: Reseals
  readonly id: string
  /** The private key of whose side it is. */
  readonly decrypter: Decrypter
  /** Called after each batch. */
  readonly onProgress?: (done: number, reseal: Reseal) => void
}

/** What came of a side's work. */
export interface ResealResult {
  /** Parts that were handed on, or found right. */
  readonly done: number
  /** Keys whose part does not open or is not the right one; for the successor, those that go back to the agent. */
  readonly wrong: readonly number[]
  readonly reseal: Reseal
}

/**
 * The agent's side of a reseal, on the agent's own machine: decrypts its parts of keys and encrypts them to the successor,
 * batch by batch, until none is left. Broken off and called again it goes on where it was. Throws what the server says.
 */
export async function handOnParts(
  work: ResealWork & { readonly successor: Certificate; readonly entropy: Entropy }
): Promise<ResealResult> {
  const { reseals, id, decrypter, successor, entropy } = work
  return everyPart(work, {
    next: after => reseals.parts(id, { after, limit: BATCH }),
    isMoreToCome: ({ keys, total }) => total === undefined || sumOf(keys) < total,
    work: async items => {
      const parts: { requestId: number; part: Uint8Array }[] = []
      const wrong: number[] = []
      for (const item of items) {
        const part = await orWrong(transferPart({ held: decoded(item), decrypter, successor, entropy }))
        if (part === undefined) wrong.push(item.requestId)
        else parts.push({ requestId: item.requestId, part })
      }
      return { done: parts.length === 0 ? 0 : await reseals.handOn(id, parts), wrong }
    }
  })
}

/**
 * The successor's side, on the successor's own machine: opens what has been handed on and says of each whether it is
 * right; only then do old sealed forms end. Goes on while the archive has parts to come that were handed on already.
 */
export function verifyParts(work: ResealWork): Promise<ResealResult> {
  const { reseals, id, decrypter } = work
  return everyPart(work, {
    next: after => reseals.newParts(id, { after, limit: BATCH }),
    isMoreToCome: ({ keys }) => keys.handedOn > 0,
    work: async items => {
      const verdicts: { requestId: number; sha256: string; right: boolean }[] = []
      for (const item of items) {
        const held = decoded(item)
        const right = (await orWrong(verifyPart(held, decrypter).then(() => true))) === true
        verdicts.push({ requestId: item.requestId, sha256: hash('sha256', held.part), right })
      }
      const { right } = await reseals.judge(id, verdicts)
      return { done: right, wrong: verdicts.filter(verdict => !verdict.right).map(({ requestId }) => requestId) }
    }
  })
}

interface Side {
  readonly next: (after: number) => Promise<{ readonly items: readonly KeyPart[] }>
  readonly isMoreToCome: (reseal: Reseal) => boolean
  readonly work: (items: readonly KeyPart[]) => Promise<{ readonly done: number; readonly wrong: readonly number[] }>
}

/** Each part at most once in a call, in the order of the keys' numbers, so that what is wrong does not come for ever. */
async function everyPart({ reseals, id, onProgress }: ResealWork, side: Side): Promise<ResealResult> {
  let after = 0
  let done = 0
  const wrong: number[] = []
  let patience = PATIENCE
  for (;;) {
    const { items } = await side.next(after)
    const reseal = await reseals.show(id)
    const last = items.at(-1)
    if (last !== undefined) {
      const result = await side.work(items)
      done += result.done
      wrong.push(...result.wrong)
      after = last.requestId
      patience = PATIENCE
      onProgress?.(done, reseal)
      continue
    }
    if (reseal.state !== 'open' || patience <= 0 || !side.isMoreToCome(reseal)) return { done, wrong, reseal }
    await sleep(PAUSE)
    patience -= PAUSE
  }
}

/** Undefined where a part does not open, is not the right one, or is damaged. */
async function orWrong<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const isOfPart = isAppError(error) && /^(?:cms_|der_|x509_|recovery_share_invalid$)/.test(error.code)
    if (isOfPart) return undefined
    throw error
  }
}

function decoded({ mode, part, binding }: KeyPart): AgentPart {
  return { mode, part: fromBase64(part) ?? new Uint8Array(), binding: fromBase64(binding) ?? new Uint8Array() }
}

function sumOf(keys: Reseal['keys']): number {
  return Object.values(keys).reduce((sum, number) => sum + number, 0)
}
