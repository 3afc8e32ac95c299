#!/usr/bin/env node
// Writes what the program is made of, as CycloneDX, to a file: dist/sbom.cdx.json, or the one that is named.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const target = resolve(process.argv[2] ?? join(root, 'dist', 'sbom.cdx.json'))
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const args = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--omit', 'dev']
const { status, stdout, error } = spawnSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 })
if (status !== 0) {
  process.stderr.write(
    `npm could not tell what the program is made of${error === undefined ? '' : `: ${error.message}`}\n`
  )
  process.exit(status ?? 1)
}

const bom = JSON.parse(stdout)
// npm takes the name of the folder.
Object.assign(bom.metadata.component, { name, version })
const bare = bom.components.filter(({ hashes, purl }) => hashes === undefined || purl === undefined)
if (bom.components.length === 0 || bare.length > 0) {
  process.stderr.write(`The list lacks hashes or package URLs of: ${bare.map(({ name: bad }) => bad).join(', ')}\n`)
  process.exit(1)
}
mkdirSync(dirname(target), { recursive: true })
writeFileSync(target, `${JSON.stringify(bom, undefined, 2)}\n`)
process.stderr.write(`${bom.components.length} components in ${target}\n`)
