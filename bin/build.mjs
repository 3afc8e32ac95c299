#!/usr/bin/env node
// Compiles the program into dist/. With --if-stale it does so only when a source is newer than the last build.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'dist', '.built')

function newest(path) {
  if (!existsSync(path)) return 0
  const entry = statSync(path)
  if (!entry.isDirectory()) return entry.mtimeMs
  return Math.max(0, ...readdirSync(path).map(name => newest(join(path, name))))
}

const sources = ['apps', 'libs', 'migrations', 'bench', 'tsconfig.json', 'tsconfig.build.json', 'package.json']
const changed = Math.max(...sources.map(name => newest(join(root, name))))
const stale = !existsSync(stamp) || statSync(stamp).mtimeMs < changed

if (stale || !process.argv.includes('--if-stale')) {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const nest = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js')
  const { status } = spawnSync(process.execPath, [nest, 'build', 'cli'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
  writeFileSync(stamp, '')
}
