import { describe, expect, it } from 'vitest'
import { makeAuditKey, readerOf, verifyLinks } from '../../../test/helpers/audit-chain.js'
import { encodeDetail, FIRST_PREVIOUS, hashOfLink, type HashedEvent } from './audit-hash.js'
import type { ChainLink } from './chain-verifier.js'
import { auditKeyId, type Checkpoint } from './checkpoint.js'

const key = makeAuditKey()
const at = new Date('2026-11-21T12:00:00Z')

function event(seq: number, actor = 'alice'): HashedEvent {
  const fixed = { at: '2026-11-21T12:00:00.000000Z', action: 'ca.created', objectType: 'ca', objectId: '1' }
  return { ...fixed, seq: String(seq), actor, outcome: 'success', detail: '{}' }
}

/** A chain over these events, with a checkpoint of the database where one is asked for. */
function chain(events: readonly HashedEvent[], checkpointsAt: readonly number[] = []): ChainLink[] {
  let hash = FIRST_PREVIOUS
  return events.map((linked, index) => {
    hash = hashOfLink(hash, linked)
    const link = { position: index + 1, seq: Number(linked.seq), hash, event: linked, checkpoint: undefined }
    return checkpointsAt.includes(link.position) ? { ...link, checkpoint: checkpointOf(link) } : link
  })
}

function checkpointOf({ position, hash, seq }: Pick<ChainLink, 'position' | 'hash' | 'seq'>): Checkpoint {
  return key.sign({ position, hash, settled: seq, at })
}

const events = [1, 2, 3, 4, 5, 6, 7, 8].map(seq => event(seq))
const trust = { keys: [key] }
const replaced = (links: readonly ChainLink[], position: number, change: Partial<ChainLink>): ChainLink[] =>
  links.map(link => (link.position === position ? { ...link, ...change } : link))

describe('a chain', () => {
  it('holds as it was made, with events that were committed late', async () => {
    const links = chain([event(1), event(3), event(2), event(4)], [3])
    expect(await verifyLinks(links, trust, 3)).toBeUndefined()
  })

  it('names the event that was changed, in whatever field', async () => {
    for (const field of Object.keys(event(4)) as (keyof HashedEvent)[]) {
      if (field === 'seq') continue
      const changed = { ...event(4), [field]: `${event(4)[field]} ` }
      const fault = await verifyLinks(replaced(chain(events), 4, { event: changed }), trust)
      expect(fault).toMatchObject({ kind: 'event_altered', position: 4, seq: 4 })
    }
  })

  it('tells fields apart whose texts run together', () => {
    const one = hashOfLink(FIRST_PREVIOUS, { ...event(1), actor: 'ab', action: 'c' })
    expect(hashOfLink(FIRST_PREVIOUS, { ...event(1), actor: 'a', action: 'bc' })).not.toEqual(one)
  })

  it('names the event that is gone, and the link that is', async () => {
    const links = chain(events)
    expect(await verifyLinks(replaced(links, 5, { event: undefined }), trust)).toMatchObject({
      kind: 'event_removed',
      position: 5,
      seq: 5
    })
    expect(await verifyLinks(links.toSpliced(4, 1), trust)).toMatchObject({ kind: 'link_missing', position: 5 })
  })

  it('names the first of two events that changed places', async () => {
    const links = chain(events)
    const [third, sixth] = [links[2] as ChainLink, links[5] as ChainLink]
    const swapped = replaced(replaced(links, 3, { seq: 6, event: sixth.event }), 6, { seq: 3, event: third.event })
    expect(await verifyLinks(swapped, trust)).toMatchObject({ kind: 'event_altered', position: 3, seq: 6 })
  })

  it('that was made anew over a changed event differs from what was signed', async () => {
    const original = chain(events, [3, 6])
    const forged = chain(events.with(4, event(5, 'mallory')), [3])
    const withOld = replaced(forged, 6, { checkpoint: original[5]?.checkpoint })
    expect(await verifyLinks(withOld, trust)).toMatchObject({ kind: 'chain_recomputed', position: 6, since: 4 })
    const resigned = { ...makeAuditKey().sign({ position: 6, hash: (forged[5] as ChainLink).hash, settled: 6, at }) }
    expect(await verifyLinks(replaced(forged, 6, { checkpoint: resigned }), trust)).toMatchObject({
      kind: 'checkpoint_invalid',
      position: 6
    })
    const borrowed = { ...resigned, keyId: auditKeyId(key.publicKey) }
    expect(await verifyLinks(replaced(forged, 6, { checkpoint: borrowed }), trust)).toMatchObject({
      kind: 'checkpoint_invalid'
    })
  })

  it('without its checkpoints is held against those of the file', async () => {
    const original = chain(events, [3, 6]).flatMap(({ checkpoint }) => checkpoint ?? [])
    const forged = chain(events.with(4, event(5, 'mallory')))
    expect(await verifyLinks(forged, { keys: [key], file: readerOf(original) })).toMatchObject({
      kind: 'checkpoint_missing',
      position: 3
    })
    const withFirst = replaced(forged, 3, { checkpoint: original[0] })
    expect(await verifyLinks(withFirst, { keys: [key], file: readerOf(original) })).toMatchObject({
      kind: 'chain_recomputed',
      position: 6
    })
  })

  it('that ends too early is told by the checkpoints of the database and of the file', async () => {
    const cut = chain(events.slice(0, 4), [3])
    expect(await verifyLinks(cut, trust, 6)).toMatchObject({ kind: 'chain_cut_off', position: 5 })
    const file = readerOf(chain(events, [3, 6]).flatMap(({ checkpoint }) => checkpoint ?? []))
    expect(await verifyLinks(cut, { keys: [key], file }, 3)).toMatchObject({
      kind: 'chain_cut_off',
      position: 5,
      message: expect.stringMatching(/position 4.*file is at 6.*older than the file/) as string
    })
  })

  it('that went on after an older database took its place is told by the file that goes back', async () => {
    const links = chain(events, [3, 6])
    const [first, second] = links.flatMap(({ checkpoint }) => checkpoint ?? []) as [Checkpoint, Checkpoint]
    const file = readerOf([second, first])
    expect(await verifyLinks(links, { keys: [key], file }, 6)).toMatchObject({
      kind: 'database_went_back',
      position: 3
    })
  })

  it('takes no event that is put among those that were settled', async () => {
    const links = chain([event(1), event(2), event(5), event(3)], [3])
    expect(await verifyLinks(links, trust)).toMatchObject({ kind: 'event_inserted', position: 4, seq: 3 })
  })
})

describe('the detail of an event', () => {
  it('is written as PostgreSQL prints jsonb: short names first, then by their octets', () => {
    const detail = { to: 'issued', from: 'sealed', é: 1, ab: [1, 'x'], a: null, z: 'a"\n' }
    expect(encodeDetail(detail)).toBe(
      '{"a": null, "z": "a\\"\\n", "ab": [1, "x"], "to": "issued", "é": 1, "from": "sealed"}'
    )
  })
})
