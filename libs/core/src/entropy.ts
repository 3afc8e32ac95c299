/** Where randomness comes from. Needs a cryptographically secure source. */
export interface Entropy {
  /** Exactly `length` fresh random bytes. */
  bytes(length: number): Uint8Array
}
