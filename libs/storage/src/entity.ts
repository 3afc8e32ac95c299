import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm'
import { SCHEMA } from './schema.js'

type Column = EntitySchemaColumnOptions

/** Column types as the tables have them. What may be null and what must be unique is said by the migrations alone. */
export const column = {
  integer: { type: 'integer' },
  bigint: { type: 'bigint' },
  boolean: { type: 'boolean' },
  text: { type: 'text' },
  texts: { type: 'text', array: true },
  bytes: { type: 'bytea' },
  byteStrings: { type: 'bytea', array: true },
  time: { type: 'timestamptz' },
  uuid: { type: 'uuid' },
  json: { type: 'jsonb' },
  /** Given by the database when a row is inserted. */
  serial: { type: 'integer', primary: true, generated: 'increment' },
  /** Computed by the database from other columns. */
  computed: { type: 'boolean', insert: false, update: false }
} as const satisfies Record<string, Column>

/** A column of the primary key that the program fills. */
export function key(type: Column): Column {
  return { ...type, primary: true }
}

/** Maps the rows of a table to plain objects. A column's name is its member's in snake case. */
export function entity<Row extends object>(
  table: string,
  columns: Readonly<Record<keyof Row & string, Column>>
): EntitySchema<Row> {
  const named = Object.entries<Column>(columns).map(([member, type]) => [member, { ...type, name: snakeCase(member) }])
  return new EntitySchema<Row>({
    name: table,
    schema: SCHEMA,
    columns: Object.fromEntries(named) as { [Member in keyof Row]: Column }
  })
}

/** Columns for a SELECT or RETURNING list, each named as the row's member: `r.ca_id AS "caId"`. */
export function selectList<Row extends object>(
  of: EntitySchema<Row>,
  alias: string,
  members: readonly (keyof Row & string)[] = membersOf(of)
): string {
  return members.map(member => `${alias}.${snakeCase(member)} AS "${member}"`).join(', ')
}

/** As {@link selectList} with all members, each named under a prefix, for the second table of a join. */
export function selectPrefixed<Row extends object>(of: EntitySchema<Row>, alias: string, prefix: string): string {
  return membersOf(of)
    .map(member => `${alias}.${snakeCase(member)} AS "${prefix}.${member}"`)
    .join(', ')
}

/** The members that {@link selectPrefixed} has put under a prefix. */
export function pickPrefixed<Row extends object>(of: EntitySchema<Row>, joined: object, prefix: string): Row {
  const values = joined as Readonly<Record<string, unknown>>
  return Object.fromEntries(membersOf(of).map(member => [member, values[`${prefix}.${member}`]])) as Row
}

function membersOf<Row extends object>(of: EntitySchema<Row>): readonly (keyof Row & string)[] {
  return Object.keys(of.options.columns) as (keyof Row & string)[]
}

/** `requestDigest` as `request_digest`. */
export function snakeCase(member: string): string {
  return member.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
