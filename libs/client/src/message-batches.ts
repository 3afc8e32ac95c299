/** At most so many messages in a call, and so many characters of them, which every server takes. */
const BATCH = { messages: 500, characters: 180_000 } as const

/** Items in their order, in batches that a call takes. */
export function batchesOf<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  const batches: Item[][] = []
  let room = 0
  for (const item of items) {
    const size = JSON.stringify(item).length
    const last = batches.at(-1)
    if (last === undefined || last.length >= BATCH.messages || size > room) {
      batches.push([item])
      room = BATCH.characters - size
    } else {
      last.push(item)
      room -= size
    }
  }
  return batches
}

type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> }

/** The members that are defined. */
export function definedOnly<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>
}
