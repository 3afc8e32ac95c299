/** How long one batch keeps the next one waiting, in milliseconds: a connection that hangs holds up nobody else's. */
const PATIENCE = 100

interface Call<Key, Value> {
  readonly key: Key
  readonly resolve: (value: Value) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Makes one call of many: whatever is called in one turn of the event loop, and while a batch is on its way, goes to the
 * database together. A call never joins a batch that has been sent, so that nobody reads what is older than the question.
 *
 * @param take of so many calls that wait, how many make the next batch: one or more
 * @param run gives a value for each key, in the order of the keys; when it throws, all calls of the batch fail
 */
export function inBatches<Key, Value>(
  take: (waiting: number) => number,
  run: (keys: readonly Key[]) => Promise<readonly Value[]>
): (key: Key) => Promise<Value> {
  const waiting: Call<Key, Value>[] = []
  let isBusy = false
  const next = (): void => {
    isBusy = waiting.length > 0
    if (isBusy) setImmediate(send)
  }
  const send = (): void => {
    const calls = waiting.splice(0, take(waiting.length))
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      next()
    }
    const timer = setTimeout(end, PATIENCE)
    void settle(calls, run).finally(end)
  }
  return key =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject })
      if (!isBusy) next()
    })
}

async function settle<Key, Value>(
  calls: readonly Call<Key, Value>[],
  run: (keys: readonly Key[]) => Promise<readonly Value[]>
): Promise<void> {
  try {
    const values = await run(calls.map(({ key }) => key))
    for (const [index, { resolve }] of calls.entries()) resolve(values[index] as Value)
  } catch (error) {
    for (const { reject } of calls) reject(error)
  }
}

/** The most that go to the database together; more only make those wait that came first. */
const MOST = 32

/** A reader of many as one of one: {@link inBatches} for whatever `find` finds, the rest is undefined. */
export function findInBatches<Key, Row>(
  find: (keys: readonly Key[]) => Promise<ReadonlyMap<unknown, Row>>,
  nameOf: (key: Key) => unknown
): (key: Key) => Promise<Row | undefined> {
  return inBatches<Key, Row | undefined>(
    waiting => Math.min(waiting, MOST),
    async keys => {
      const found = await find([...new Map(keys.map(key => [nameOf(key), key])).values()])
      return keys.map(key => found.get(nameOf(key)))
    }
  )
}
