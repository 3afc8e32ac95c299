import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildFaultProgram, root } from './fault-build.js'

const call = /failpoint\s*\(/
const comment = /^\s*\/\/ failpoint: [a-z-]+(?:\.[a-z-]+)+$/

/** Every line of the compiled program that has the word. */
function linesWithFailpoints(directory: string): readonly string[] {
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.js'))
    .flatMap(entry => readFileSync(join(entry.parentPath, entry.name), 'utf8').split('\n'))
    .filter(line => line.includes('failpoint'))
}

let points: readonly string[]

beforeAll(() => {
  points = buildFaultProgram()
})

describe('failpoints', () => {
  it('are comments and nothing else in what ships', () => {
    const lines = linesWithFailpoints('dist')
    expect(lines.length).toBe(points.length)
    expect(lines.filter(line => call.test(line) || !comment.test(line))).toEqual([])
  })

  it('are calls in the fault build, all of them', () => {
    const called = linesWithFailpoints('dist-fault').map(line => /globalThis\.failpoint\('(.+)'\);$/.exec(line)?.[1])
    expect(called.toSorted((one, other) => (String(one) < String(other) ? -1 : 1))).toEqual(points)
    expect(points.length).toBeGreaterThan(70)
  })
})
