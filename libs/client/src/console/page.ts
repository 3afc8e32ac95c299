/** One page of a list. */
export interface ListPage<Item> {
  readonly items: readonly Item[]
  /** What the next call takes as its cursor; absent on the last page. */
  readonly next?: string
}

/** Which page of a list is wanted. */
export interface PageOptions {
  /** 1 to 200; 50 if absent. */
  readonly limit?: number
  readonly cursor?: string
}

/** Every item of a list, page after page. */
export async function* everyItem<Item>(
  page: (cursor: string | undefined) => Promise<ListPage<Item>>
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | undefined
  do {
    const { items, next } = await page(cursor)
    yield* items
    cursor = next
  } while (cursor !== undefined)
}

/** Every item of a list, at once. */
export async function allItems<Item>(
  page: (cursor: string | undefined) => Promise<ListPage<Item>>
): Promise<readonly Item[]> {
  const items: Item[] = []
  for await (const item of everyItem(page)) items.push(item)
  return items
}
