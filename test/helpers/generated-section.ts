import { readFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'

/**
 * A document whose section between `<!-- made: NAME -->` and `<!-- end: NAME -->` has this content, formatted like every
 * other file. Compared with the document itself, it tells whether the section is up to date, and `-u` brings it there.
 */
export async function withSection(path: string, name: string, content: string): Promise<string> {
  const text = readFileSync(path, 'utf8')
  const [begin, end] = [`<!-- made: ${name} -->`, `<!-- end: ${name} -->`]
  const [before, rest] = text.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`${path} has no section ${name}.`)
  const whole = `${before}${begin}\n\n${content}\n\n${end}${after}`
  return format(whole, { ...(await resolveConfig(path)), parser: 'markdown' })
}

/** A table in Markdown. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}
