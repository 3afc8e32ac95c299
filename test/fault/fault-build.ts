import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The directory of the project. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** The entry of the fault build. */
export const faultProgram = join(root, 'dist-fault', 'apps', 'cli', 'src', 'main.js')

/** Makes the fault build of the sources as they are and gives the names of its failpoints, sorted. */
export function buildFaultProgram(): readonly string[] {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'bin', 'build-fault.mjs')], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`The fault build failed: ${stderr}`)
  return JSON.parse(readFileSync(join(root, 'dist-fault', 'failpoints.json'), 'utf8')) as readonly string[]
}
