import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { areRunnable, completeLibraryLinks, getInstalledBinaries } from './binaries.js'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'certkeep-native-'))
})

afterEach(() => {
  rmSync(root, { recursive: true })
})

function packageOf(name: string): string {
  const native = join(root, name)
  mkdirSync(join(native, 'lib'), { recursive: true })
  writeFileSync(join(native, 'lib', 'libx.so.1.2'), 'library')
  const links = ['libx.so', 'libx.so.1'].map(link => ({
    source: 'native/lib/libx.so.1.2',
    target: `native/lib/${link}`
  }))
  writeFileSync(join(native, 'pg-symlinks.json'), JSON.stringify(links))
  return native
}

describe('the programs of PostgreSQL', () => {
  it('are installed for this platform, of one version, and run', async () => {
    const binaries = await getInstalledBinaries()
    expect(await completeLibraryLinks(binaries.native)).toBe(true)
    expect(areRunnable(binaries, undefined)).toBe(true)
    expect(areRunnable({ ...binaries, postgres: join(root, 'none') }, undefined)).toBe(false)
    expect(binaries.packageVersion).toMatch(/^\d+\.\d+/)
  })

  it.each(['native', 'a copy of it'])('get the links between libraries that npm left out, in %s', async name => {
    const native = packageOf(name)
    expect(await completeLibraryLinks(native)).toBe(true)
    for (const link of ['libx.so', 'libx.so.1']) {
      expect(readlinkSync(join(native, 'lib', link))).toBe('libx.so.1.2')
      expect(readFileSync(join(native, 'lib', link), 'utf8')).toBe('library')
    }
  })

  it('keep the links that are there', async () => {
    const native = packageOf('native')
    await completeLibraryLinks(native)
    const before = lstatSync(join(native, 'lib', 'libx.so')).ino
    expect(await completeLibraryLinks(native)).toBe(true)
    expect(lstatSync(join(native, 'lib', 'libx.so')).ino).toBe(before)
  })

  it('need none where the package lists none', async () => {
    mkdirSync(join(root, 'native'))
    expect(await completeLibraryLinks(join(root, 'native'))).toBe(true)
  })
})
