import type { JsonValue } from '@app/cmc'
import type { PreviewField, PreviewFieldName } from './preview-schema.js'

/** One thing that a request or a certificate says. */
export interface Statement {
  /** Statements of one name are set beside each other. */
  readonly name: string
  readonly value: JsonValue
  readonly critical?: boolean
  /** Why it is not taken from a request, where that is known of this one alone. */
  readonly objection?: string
}

/** What a request says of one field: as it came, and as officers left it. */
export interface Wanted {
  readonly submitted: readonly Statement[]
  /** The same array where no officer changed anything. */
  readonly edited: readonly Statement[]
}

/** Statements on one thing that belong together. */
interface Pair {
  readonly wanted?: Statement
  readonly issued?: Statement
}

/** What officers did, in the words of every field. */
const SET_BY_OFFICER = 'An officer put it so while the request waited.'
const REMOVED_BY_OFFICER = 'An officer took it out while the request waited.'

/**
 * Sets what is wanted beside what is issued, by name: equal values first, then the rest in its order. `explain` gives
 * the reason for a name where the statement has no objection of its own.
 */
export function compareStatements(
  field: PreviewFieldName,
  wanted: Wanted,
  issued: readonly Statement[],
  explain: (name: string) => string
): PreviewField[] {
  const { submitted, edited } = wanted
  const names = new Set([...edited, ...issued, ...submitted].map(({ name }) => name))
  return [...names].flatMap(name => {
    const of = (statements: readonly Statement[]): Statement[] =>
      statements.filter(statement => statement.name === name)
    const pairs = pairUp(of(edited), of(issued))
    const original = edited === submitted ? undefined : of(submitted)
    const rows = pairs.map(pair => rowOf(field, name, pair, original, explain(name)))
    return [...rows, ...(original ?? []).map(statement => removedRow(field, statement))]
  })
}

function pairUp(wanted: Statement[], issued: Statement[]): Pair[] {
  const pairs: { wanted?: Statement; issued?: Statement }[] = wanted.map(statement => {
    const same = takeEqual(issued, statement)
    return same === undefined ? { wanted: statement } : { wanted: statement, issued: same }
  })
  for (const pair of pairs) {
    // What the requester may not have at all is not what stands there instead.
    if (pair.issued !== undefined || pair.wanted?.objection !== undefined) continue
    const next = issued.shift()
    if (next !== undefined) pair.issued = next
  }
  return [...pairs, ...issued.map(statement => ({ issued: statement }))]
}

function takeEqual(statements: Statement[], { value }: Statement): Statement | undefined {
  const text = JSON.stringify(value)
  const position = statements.findIndex(candidate => JSON.stringify(candidate.value) === text)
  return position < 0 ? undefined : statements.splice(position, 1)[0]
}

/** `original` is undefined where no officer changed anything; what belongs to the row is taken out of it. */
function rowOf(
  field: PreviewFieldName,
  name: string,
  { wanted, issued }: Pair,
  original: Statement[] | undefined,
  reason: string
): PreviewField {
  const kept = original === undefined || wanted === undefined ? wanted : takeEqual(original, wanted)
  const isEdited = wanted !== undefined && kept === undefined
  const requested = isEdited ? original?.shift() : kept
  const change = changeOf(wanted, issued)
  const own = change === 'dropped' ? (wanted?.objection ?? reason) : reason
  return {
    field,
    name,
    ...(requested === undefined ? {} : { requested: requested.value }),
    ...(isEdited ? { edited: wanted.value } : {}),
    ...(issued === undefined ? {} : { issued: issued.value }),
    ...(issued?.critical === undefined ? {} : { critical: issued.critical }),
    change,
    reason: isEdited ? `${SET_BY_OFFICER} ${own}` : own
  }
}

function removedRow(field: PreviewFieldName, { name, value }: Statement): PreviewField {
  return { field, name, requested: value, edited: null, change: 'dropped', reason: REMOVED_BY_OFFICER }
}

function changeOf(wanted: Statement | undefined, issued: Statement | undefined): PreviewField['change'] {
  if (issued === undefined) return 'dropped'
  if (wanted === undefined) return 'added'
  const isSame =
    JSON.stringify(wanted.value) === JSON.stringify(issued.value) &&
    (wanted.critical === undefined || wanted.critical === issued.critical)
  return isSame ? 'same' : 'changed'
}
