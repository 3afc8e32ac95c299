import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The root of the project. */
export const PROJECT = join(import.meta.dirname, '../..')

/** The documents for readers, by their path from the root. */
export function documents(): readonly string[] {
  const inDocs = readdirSync(join(PROJECT, 'docs'), { recursive: true, encoding: 'utf8' })
  const own = inDocs.filter(name => name.endsWith('.md')).map(name => join('docs', name))
  return ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', ...own.toSorted()]
}

/** The text of a document. */
export function readDocument(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8')
}

/** The fenced blocks of a language, without their fences. */
export function fencedBlocks(text: string, language: string): readonly string[] {
  return [...text.matchAll(/^```(\S*)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , block = '']) => block)
}

/** What stands in single backquotes outside of the fenced blocks. */
export function inlineCode(text: string): readonly string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
}

/** The lines of shell blocks that call the program, continued lines joined, without what stands before the call. */
export function certkeepCalls(text: string): readonly string[] {
  return fencedBlocks(text, 'sh')
    .flatMap(block => block.replace(/\\\n\s*/g, '').split('\n'))
    .flatMap(line => line.split(/&&|\||;/))
    .flatMap(line => /^(?:\s*[A-Z_]+=\S+)*\s*(?:npx )?certkeep (.*)$/.exec(line)?.[1] ?? [])
}

/** The words of a simple shell command: quotes taken off, redirections and comments left out. */
export function shellWords(command: string): readonly string[] {
  const bare = command.replace(/\s#.*$/, '').replace(/\s\d?[<>].*$/, '')
  return [...bare.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? ''
  )
}
