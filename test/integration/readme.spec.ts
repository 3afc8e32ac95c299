import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as sdk from '@app/client'
import { configReference } from '@app/platform'
import { Command, CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../../apps/cli/src/program.js'
import {
  certkeepCalls,
  documents,
  fencedBlocks,
  inlineCode,
  PROJECT,
  readDocument,
  shellWords
} from '../helpers/markdown.js'

const readme = readDocument('README.md')

/** A build may come first. */
const DEMO_PATIENCE = 180_000

describe('the demonstration in the README', () => {
  it('runs as it is written and tells what the README shows', { timeout: DEMO_PATIENCE }, async () => {
    const written = fencedBlocks(readme, 'sh').find(block => block.includes('npm run demo')) ?? ''
    const command = written.trim().replace(/^npm ci && /, '')
    expect(command).toBe('npm run demo')
    const { code, lines } = await run(command)
    expect(code).toBe(0)
    const shown = fencedBlocks(readme, 'text').find(block => block.startsWith('Installation:')) ?? ''
    const told = lines.slice(lines.findIndex(line => line.startsWith('Installation:')))
    expect(told.map(withoutChance)).toEqual(shown.trim().split('\n').map(withoutChance))
  })
})

/** A line without what differs from run to run: random numbers and names, ports, and the sizes that depend on them. */
function withoutChance(line: string): string {
  return line
    .replace(/(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/, 'FINGERPRINT')
    .replace(/\b[0-9A-F]{30,}\b/, 'SERIAL')
    .replace(/\S*certkeep-demo-\w+/, 'FOLDER')
    .replace(/127\.0\.0\.1:\d+/, 'ADDRESS')
    .replace(/\d+ bytes/, 'SIZE')
    .replace(/(request(?: id)?) \d+/i, '$1 NUMBER')
}

async function run(command: string): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const child = spawn(command, { cwd: PROJECT, shell: true, stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  return { code: child.exitCode, lines: output.trimEnd().split('\n') }
}

describe('the code in the README', () => {
  it('imports what the SDK has', () => {
    const names = fencedBlocks(readme, 'ts')
      .flatMap(block => [...block.matchAll(/import \{([^}]*)\} from 'certkeep\/client'/g)])
      .flatMap(([, list = '']) => list.split(',').map(name => name.trim()))
    expect(names.length).toBeGreaterThan(5)
    expect(names.filter(name => !Object.hasOwn(sdk, name))).toEqual([])
  })
})

describe('the commands in the documents', () => {
  const calls = documents().flatMap(path => certkeepCalls(readDocument(path)).map(call => [path, call] as const))

  it('are some', () => {
    expect(calls.length).toBeGreaterThan(20)
  })

  it.each(calls)('are ones that the program takes, with everything they need: %s: %s', async (_path, call) => {
    expect(await complaintAbout(shellWords(call))).toBeUndefined()
  })

  it('are named in the text as they are', () => {
    const named = documents().flatMap(path =>
      inlineCode(readDocument(path))
        .flatMap(code => /^(?:npx )?certkeep ([a-z].*)$/.exec(code)?.[1] ?? [])
        .map(call => ({ path, call }))
    )
    expect(named.filter(({ call }) => unknownWordIn(shellWords(call)) !== undefined)).toEqual([])
  })

  it('come with variables that are settings', () => {
    const known = new Set([...configReference().matchAll(/CERTKEEP_[A-Z_]+/g)].map(([name]) => name))
    const others = [
      'PROFILE',
      'PASSWORD',
      'OUT_PASSWORD',
      'VECTORS',
      'INTEROP',
      'CONFIG',
      'FUZZ_SECONDS',
      'FUZZ_SEED',
      'TLS_SCAN'
    ]
    for (const name of others) known.add(`CERTKEEP_${name}`)
    const used = documents().flatMap(path =>
      [...readDocument(path).matchAll(/CERTKEEP_[A-Z_]+/g)].map(([name]) => ({ path, name }))
    )
    expect(used.filter(({ name }) => !known.has(name))).toEqual([])
  })
})

/** What the program says to a call that it does not take; its actions are not run. */
async function complaintAbout(words: readonly string[]): Promise<string | undefined> {
  const program = createProgram()
  disarm(program)
  try {
    await program.parseAsync(words, { from: 'user' })
    return undefined
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode !== 0) return error.message
    throw error
  }
}

function disarm(command: Command): void {
  command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
  if (command.commands.length === 0) command.action(() => undefined)
  command.commands.forEach(disarm)
}

/** The first word that is neither a command, nor an option of that command, nor the place of an argument. */
function unknownWordIn(words: readonly string[]): string | undefined {
  let command: Command = createProgram()
  for (const word of words) {
    const child = command.commands.find(candidate => candidate.name() === word)
    if (child !== undefined) command = child
    else if (word.startsWith('-')) {
      const known = [...command.options, ...createProgram().options].flatMap(({ long, short }) => [long, short])
      if (!known.includes(word)) return word
    } else if (command.commands.length > 0 && word !== '…') return word
  }
  return undefined
}
