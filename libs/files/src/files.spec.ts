import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeNewFile } from './new-file.js'
import { readSecretFile } from './secret-file.js'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'certkeep-files-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

const secret = Buffer.from('secret')

function written(content: string, mode: number): string {
  const path = join(directory, 'secret')
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

describe('a new file', () => {
  it('has the content and exactly the permissions asked for, and leaves nothing beside it', async () => {
    await writeNewFile(join(directory, 'a'), secret, 0o646)
    expect(readFileSync(join(directory, 'a'))).toEqual(secret)
    expect(statSync(join(directory, 'a')).mode & 0o777).toBe(0o646)
    expect(readdirSync(directory)).toEqual(['a'])
  })

  it('never takes the place of another', async () => {
    writeFileSync(join(directory, 'a'), 'old')
    await expect(writeNewFile(join(directory, 'a'), secret, 0o600)).rejects.toMatchObject({ code: 'file_exists' })
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('old')
    expect(readdirSync(directory)).toEqual(['a'])
  })

  it('is written once when several try at the same moment', async () => {
    const tries = Array.from({ length: 8 }, (_, i) => writeNewFile(join(directory, 'a'), Buffer.from([i]), 0o600))
    const results = await Promise.allSettled(tries)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(readdirSync(directory)).toEqual(['a'])
  })

  it('is refused where there is no directory', async () => {
    await expect(writeNewFile(join(directory, 'x', 'a'), secret, 0o600)).rejects.toMatchObject({
      code: 'unavailable',
      evidence: { code: 'ENOENT' }
    })
  })
})

describe('a secret file', () => {
  it.each([
    ['pass word', 'pass word'],
    ['pass\n', 'pass'],
    ['pass\r\n', 'pass'],
    ['pass\n\n', 'pass\n'],
    [' pass ', ' pass ']
  ])('with %j gives %j', async (content, expected) => {
    expect(Buffer.from(await readSecretFile(written(content, 0o600))).toString()).toBe(expected)
  })

  it.each([0o640, 0o604, 0o620, 0o601])('of mode %o is refused with the remedy', async mode => {
    await expect(readSecretFile(written('pass', mode))).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('chmod 600') as string
    })
  })

  it.each([
    ['is empty', '', /is empty/],
    ['has only a line end', '\n', /is empty/],
    ['is too large', 'x'.repeat(70_000), /70000 bytes/]
  ])('that %s is refused', async (_, content, expected) => {
    await expect(readSecretFile(written(content, 0o600))).rejects.toThrow(expected)
  })

  it('that is a directory or missing is refused', async () => {
    chmodSync(directory, 0o700)
    await expect(readSecretFile(directory)).rejects.toThrow(/no regular file/)
    await expect(readSecretFile(join(directory, 'none'))).rejects.toThrow(/ENOENT/)
  })
})
