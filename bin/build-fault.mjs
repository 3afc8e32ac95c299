#!/usr/bin/env node
// Makes dist-fault/ of dist/: the same program, in which every comment "// failpoint: NAME" is a call. What ships has none.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const mark = /^(\s*)\/\/ failpoint: ([a-z-]+(?:\.[a-z-]+)+)$/gm

function filesBelow(directory, extension) {
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith(extension))
    .map(entry => join(entry.parentPath, entry.name))
}

function marksIn(paths) {
  return paths.flatMap(path => [...readFileSync(path, 'utf8').matchAll(mark)].map(([, , name]) => name)).toSorted()
}

const built = spawnSync(process.execPath, [join(root, 'bin', 'build.mjs'), '--if-stale'], { stdio: 'inherit' })
if (built.status !== 0) process.exit(built.status ?? 1)

const [dist, fault] = [join(root, 'dist'), join(root, 'dist-fault')]
const made = join(fault, 'failpoints.json')
const changed = Math.max(...[join(dist, '.built'), fileURLToPath(import.meta.url)].map(path => statSync(path).mtimeMs))
const isMade = () => existsSync(made) && statSync(made).mtimeMs > changed
// Processes may run what is there.
if (isMade()) process.exit(0)

const unfinished = `${fault}.${process.pid}`
for (const path of filesBelow('dist', '.js')) {
  const copy = path.replace(dist, unfinished)
  mkdirSync(dirname(copy), { recursive: true })
  writeFileSync(copy, readFileSync(path, 'utf8').replaceAll(mark, "$1globalThis.failpoint('$2');"))
}

// A mark that the compiler dropped, or one that is there twice, would be a point that is never tried.
const marked = marksIn(['apps', 'libs'].flatMap(directory => filesBelow(directory, '.ts')))
const twice = marked.filter((name, index) => marked.indexOf(name) !== index)
const kept = new Set(marksIn(filesBelow('dist', '.js')))
const lost = marked.filter(name => !kept.has(name))
if (twice.length > 0 || lost.length > 0) {
  rmSync(unfinished, { recursive: true })
  process.stderr.write(`Failpoints that are there twice: ${twice.join(', ')}; that were lost: ${lost.join(', ')}\n`)
  process.exit(1)
}
writeFileSync(join(unfinished, 'failpoints.json'), `${JSON.stringify(marked, undefined, 2)}\n`)

// Another process may have made it meanwhile.
if (!isMade()) {
  rmSync(fault, { recursive: true, force: true })
  renameSync(unfinished, fault)
}
rmSync(unfinished, { recursive: true, force: true })
