import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { profilePath, readProfile } from './profile.js'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'certkeep-profile-'))
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true })
})

function written(text: string): string {
  const path = join(directory, 'profile.json')
  writeFileSync(path, text)
  return path
}

describe('a profile', () => {
  it.each([
    [{ CERTKEEP_PROFILE: '/a/b.json', XDG_CONFIG_HOME: '/x' }, '/a/b.json'],
    [{ CERTKEEP_PROFILE: '', XDG_CONFIG_HOME: '/x' }, '/x/certkeep/profile.json'],
    [{ CERTKEEP_PROFILE: '', XDG_CONFIG_HOME: '' }, join(homedir(), '.config', 'certkeep', 'profile.json')]
  ])('with %j is found at %s', (environment, path) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
    expect(profilePath()).toBe(path)
  })

  it('that is not there says nothing', async () => {
    expect(await readProfile(join(directory, 'none.json'))).toEqual({})
  })

  it('names files from where it is itself', async () => {
    const path = written('{"url":"https://a","trust":"root.pem","tokenFile":"/etc/token"}')
    expect(await readProfile(path)).toEqual({
      url: 'https://a',
      trust: join(directory, 'root.pem'),
      tokenFile: '/etc/token'
    })
  })

  it.each(['', '[', '"text"', '{"uri":"https://a"}', '{"url":1}'])('is refused when it is %j', async text => {
    await expect(readProfile(written(text))).rejects.toMatchObject({ code: 'config_invalid' })
  })
})
