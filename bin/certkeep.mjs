#!/usr/bin/env node
// Starts the program on the Node.js that comes with it (see docs/adr/0002), whatever the machine has.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const main = join(root, 'dist', 'apps', 'cli', 'src', 'main.js')
if (!existsSync(main)) {
  process.stderr.write(
    'certkeep: the program has not been built. Run "npm ci" or "npm run build" in its folder first.\n'
  )
  process.exit(1)
}

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(main)
} else {
  const pinned = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(pinned)) {
    process.stderr.write(
      `certkeep: Node.js 24 is needed, this is ${process.version}, and ${pinned} is missing. Run "npm ci".\n`
    )
    process.exit(1)
  }
  const child = spawn(pinned, ['--max-semi-space-size=64', main, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
}
