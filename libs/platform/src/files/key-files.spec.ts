import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKeyFiles } from './key-files.js'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'certkeep-files-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

const secret = Buffer.from('secret')

describe('key files', () => {
  it('are written for their owner alone, read back and removed', async () => {
    const files = createKeyFiles(join(directory, 'keys'))
    expect(await files.read('ca.key')).toBeUndefined()
    await files.write('ca.key', secret)
    expect(await files.read('ca.key')).toEqual(secret)
    expect(statSync(join(directory, 'keys')).mode & 0o777).toBe(0o700)
    expect(statSync(join(directory, 'keys', 'ca.key')).mode & 0o777).toBe(0o600)
    await files.remove('ca.key')
    await files.remove('ca.key')
    expect(await files.read('ca.key')).toBeUndefined()
  })

  it('are never overwritten', async () => {
    const files = createKeyFiles(directory)
    await files.write('ca.key', secret)
    await expect(files.write('ca.key', Buffer.from('other'))).rejects.toMatchObject({ code: 'file_exists' })
    expect(await files.read('ca.key')).toEqual(secret)
  })

  it.each(['', '.', '..', '.hidden', '../a', 'a/b', 'a\\b', 'a\0', 'A', 'a..b', 'a.', 'a'.repeat(101)])(
    'have no name like %j',
    async name => {
      const files = createKeyFiles(directory)
      await expect(files.write(name, secret)).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(files.read(name)).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(files.remove(name)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  )
})
