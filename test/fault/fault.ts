import type { SeededRandom } from './random.js'
import type { World } from './world.js'

/** What the nemesis did. */
export interface Strike {
  readonly fault: string
  readonly target: string
  /** Whether it came to pass: a point may not be reached in its time. */
  readonly hit: boolean
}

/** What came of one try. */
export type Outcome = Omit<Strike, 'fault'>

/** One kind of fault. */
export interface Fault {
  readonly name: string
  readonly weight: number
  /** Whether there can be such a fault here. */
  readonly isPossible?: (world: World) => boolean
  /** Does it and ends it; afterwards everything works again, or is on its way to. */
  readonly strike: (world: World, random: SeededRandom) => Promise<Outcome>
}
