import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ERROR_CODES, type ErrorCode } from '@app/core'
import { HRESULTS, hresultOf, formatHresult } from '@app/cmc'
import { configReference } from '@app/platform'
import { everyFlag, FLAG_MEMBERS, TEMPLATE_ATTRIBUTES, TEMPLATE_RULES, templateSchema } from '@app/templates'
import { describe, expect, it } from 'vitest'
import { errorReference } from '../helpers/error-reference.js'
import { documents, fencedBlocks, inlineCode, PROJECT, readDocument } from '../helpers/markdown.js'

describe('docs/errors.md', () => {
  it('is what the tables of the program say', async () => {
    await expect(await errorReference()).toMatchFileSnapshot(join(PROJECT, 'docs/errors.md'))
  })
})

describe('docs/operations.md', () => {
  it('has the reference of the configuration as the program prints it', () => {
    expect(fencedBlocks(readDocument('docs/operations.md'), 'text')).toContain(configReference())
  })
})

describe('docs/templates.md', () => {
  const text = readDocument('docs/templates.md').replace(/ +/g, ' ')
  const heeders = { ca: 'the CA', client: 'clients', nobody: 'nobody', refused: 'refused' }

  it.each(FLAG_MEMBERS)('says of each flag of %s what the program says', member => {
    const rows = everyFlag(member).map(
      ({ flag, name, heededBy, meaning }) => `| \`${flag}\` | ${name} | ${heeders[heededBy]} | ${meaning} |`
    )
    expect(rows.filter(row => !text.includes(row))).toEqual([])
  })

  it('has every rule of the linter with its severity and remedy', () => {
    const missing = TEMPLATE_RULES.filter(
      ({ rule, severity, remedy }) => !text.includes(`| \`${rule}\` | ${severity} |`) || !text.includes(`| ${remedy} |`)
    )
    expect(missing.map(({ rule }) => rule)).toEqual([])
  })

  it('has every attribute beside each of its members', () => {
    const pairs = TEMPLATE_ATTRIBUTES.flatMap(({ attribute, members }) =>
      members.map(member => ({ attribute, member }))
    )
    const missing = pairs.filter(({ attribute, member }) => !text.includes(`| \`${member}\` | \`${attribute}\` |`))
    expect(missing).toEqual([])
    expect(Object.keys(templateSchema.shape).filter(member => !text.includes(`| \`${member}\` |`))).toEqual([])
  })
})

describe('the documents', () => {
  it('name an HRESULT beside an error code only where the code has it', () => {
    const rows = documents()
      .filter(path => path !== 'docs/errors.md')
      .flatMap(path => readDocument(path).split('\n'))
      .filter(line => line.startsWith('| '))
    const told = rows.flatMap(row => {
      const codes = inlineCode(row).filter((code): code is ErrorCode => Object.hasOwn(ERROR_CODES, code))
      const symbols = Object.keys(HRESULTS).filter(symbol => new RegExp(`\\b${symbol}\\b`).test(row))
      return codes.length === 0 || symbols.length === 0 ? [] : [{ row, codes, symbols }]
    })
    expect(told.length).toBeGreaterThan(20)
    const wrong = told.filter(({ row, codes, symbols }) => {
      const right = new Set(codes.map(code => hresultOf(code).symbol as string))
      const values = new Set(codes.map(code => formatHresult(hresultOf(code).value)))
      const numbers = row.match(/0x[0-9a-f]{8}/g) ?? []
      return symbols.some(symbol => !right.has(symbol)) || numbers.some(number => !values.has(number))
    })
    expect(wrong).toEqual([])
  })

  it('name no spec that does not exist', () => {
    const named = documents().flatMap(path =>
      inlineCode(readDocument(path)).filter(code => /^[\w./-]+\.spec\.ts$/.test(code))
    )
    expect(named.length).toBeGreaterThan(30)
    expect(named.filter(path => !existsSync(join(PROJECT, path)))).toEqual([])
  })

  it('name nothing that the sources do not have', () => {
    const sources = sourceText()
    const unknown = documents().flatMap(path =>
      inlineCode(readDocument(path))
        .filter(code => /^[a-z]+(?:_[a-z0-9]+)+$/i.test(code) && !sources.includes(code))
        .map(code => `${path}: ${code}`)
    )
    expect(unknown).toEqual([])
  })

  it('link to files that are there', () => {
    const broken = documents().flatMap(path =>
      [...readDocument(path).matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)]
        .map(([, target = '']) => target)
        .filter(target => !existsSync(join(PROJECT, dirname(path), target)))
        .map(target => `${path}: ${target}`)
    )
    expect(broken).toEqual([])
  })
})

/** Everything that names a setting, a code, a table, a constraint or a constant. */
function sourceText(): string {
  const files = ['apps', 'libs', 'migrations'].flatMap(folder =>
    readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' }).map(name => join(folder, name))
  )
  const sources = files.filter(name => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
  // Settings are joined together from their keys, so they stand in no source as they are written.
  return [configReference(), ...sources.map(name => readFileSync(join(PROJECT, name), 'utf8'))].join('\n')
}
