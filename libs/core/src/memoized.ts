/** Reads the value of each key once, a failure included; who asks meanwhile gets the same promise. */
export function memoized<K, V>(read: (key: K) => Promise<V>): (key: K) => Promise<V> {
  const known = new Map<K, Promise<V>>()
  return key => {
    const found = known.get(key) ?? read(key)
    known.set(key, found)
    return found
  }
}
