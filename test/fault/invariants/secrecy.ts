import type { KeyObject } from 'node:crypto'
import { CanarySearch, needlesOf } from '../../helpers/canary-search.js'
import type { Invariant } from './invariant.js'

/** I13: the numbers of these private keys are in no file that the installation or its database has written. */
export function secrecyInvariant(keys: readonly KeyObject[]): Invariant {
  return {
    id: 'I13',
    name: 'no number of an archived private key is in a table, a log, a temporary file or an error',
    find: async ({ directory }) => {
      const search = new CanarySearch(keys.flatMap((key, index) => needlesOf(`archived key ${index}`, key)))
      const { found } = await search.searchDirectory(directory)
      return found.map(({ needle, place }) => `${needle} is in ${place}.`)
    }
  }
}
