import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeCheckpointLine, encodeKeyLine } from '@app/audit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeAuditKey } from '../../../../test/helpers/audit-chain.js'
import { appendCheckpointLines, openCheckpointFile, readCheckpointFile } from './checkpoint-file.js'

const key = makeAuditKey()
const checkpoint = (position: number) =>
  key.sign({ position, hash: Buffer.alloc(32, position), settled: position, at: new Date('2026-11-21T12:00:00Z') })
let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'certkeep-checkpoints-'))
  path = join(directory, 'audit', 'checkpoints.jsonl')
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

describe('the file of checkpoints', () => {
  it('is made for its owner alone, and gives back in order what was added', async () => {
    await appendCheckpointLines(path, encodeKeyLine(key) + encodeCheckpointLine(checkpoint(1)))
    await appendCheckpointLines(path, encodeCheckpointLine(checkpoint(2)))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const file = await openCheckpointFile(path)
    expect(file?.next).toEqual(checkpointLike(1))
    await file?.advance()
    expect(file?.next).toEqual(checkpointLike(2))
    await file?.advance()
    expect(file?.next).toBeUndefined()
    expect(file?.keys.map(({ publicKey }) => Buffer.from(publicKey))).toEqual([key.publicKey])
  })

  it('loses a line that a crash left unfinished, and nothing else', async () => {
    await appendCheckpointLines(path, encodeCheckpointLine(checkpoint(1)))
    appendFileSync(path, '{"position":2,"ha')
    expect((await readCheckpointFile(path)).last?.position).toBe(1)
    await appendCheckpointLines(path, encodeCheckpointLine(checkpoint(3)))
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3)
    expect((await readCheckpointFile(path)).last?.position).toBe(3)
  })

  it('with a line that is no checkpoint is refused', async () => {
    await appendCheckpointLines(path, '{"position":1}\n')
    await appendCheckpointLines(path, encodeCheckpointLine(checkpoint(3)))
    await expect(readCheckpointFile(path)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('that is missing is told from one that cannot be read', async () => {
    expect(await openCheckpointFile(path)).toBeUndefined()
    await expect(openCheckpointFile(directory)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

function checkpointLike(position: number): object {
  const { hash, keyId, ...rest } = checkpoint(position)
  return { ...rest, hash: Buffer.from(hash), keyId: Buffer.from(keyId), signature: expect.any(Buffer) as Buffer }
}
