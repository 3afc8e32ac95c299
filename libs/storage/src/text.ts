/** Stands for what PostgreSQL's text cannot hold (Unicode, replacement character). */
const REPLACEMENT = '\uFFFD'

/** Text that PostgreSQL can hold: U+0000 and lone surrogates, which only hostile input has, are replaced. */
export function storableText(text: string): string {
  const wellFormed = text.toWellFormed()
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', REPLACEMENT) : wellFormed
}

/** JSON that PostgreSQL can hold as `jsonb`, its texts as {@link storableText}. */
export function storableJson(value: unknown): string {
  const json = JSON.stringify(value)
  if (!/\\u(?:0000|d[89a-f])/i.test(json)) return json
  return JSON.stringify(value, (_, member: unknown) => (typeof member === 'string' ? storableText(member) : member))
}
