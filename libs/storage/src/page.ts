/** One page of a list. */
export interface Page<Row, Cursor> {
  readonly rows: readonly Row[]
  /** What the next call takes; absent on the last page. */
  readonly next?: Cursor
}

/** A page from up to `limit + 1` rows; the extra one tells that there are more. */
export function pageOf<Row, Cursor>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => Cursor
): Page<Row, Cursor> {
  const last = rows[limit - 1]
  if (rows.length <= limit || last === undefined) return { rows }
  return { rows: rows.slice(0, limit), next: cursorOf(last) }
}

/** Conditions of a WHERE clause with their parameters, in step. */
export class Conditions {
  private readonly texts: string[] = []
  readonly values: unknown[] = []

  /** Adds a condition on a value, which stands at `?` in the text; none when the value is undefined. */
  add(text: string, value: unknown): this {
    if (value === undefined) return this
    this.texts.push(text.replaceAll('?', `$${this.values.push(value)}`))
    return this
  }

  /** Takes a value and gives the place where it stands, for a condition with several. */
  place(value: unknown): string {
    return `$${this.values.push(value)}`
  }

  /** Adds a condition without a parameter. */
  addText(text: string | undefined): this {
    if (text !== undefined) this.texts.push(text)
    return this
  }

  /** The WHERE clause, or nothing. */
  where(): string {
    return this.texts.length === 0 ? '' : `WHERE ${this.texts.join(' AND ')}`
  }

  /** The LIMIT clause for {@link pageOf}. Comes last. */
  limit(rows: number): string {
    return `LIMIT $${this.values.push(rows + 1)}`
  }
}
