/**
 * The condition that each of the words of a text, which stands at `?`, begins a word of a subject. Indices are on this
 * very expression of the column.
 */
export function subjectCondition(column: string): string {
  return `
  to_tsvector('simple', regexp_replace(${column}, '[^[:alnum:]]+', ' ', 'g')) @@ to_tsquery('simple', (
    SELECT string_agg(quote_literal(word) || ':*', ' & ')
    FROM regexp_split_to_table(lower(?), '[^[:alnum:]]+') AS word WHERE word <> ''))`
}
