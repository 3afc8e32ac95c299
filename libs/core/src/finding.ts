/** Something about an installation that somebody should look at. */
export interface Finding {
  /** What was looked at, in kebab case; the same for every finding of one kind. */
  readonly check: string
  /** `error`: something is lost or does not work now; `warning`: it will be, or one more mishap is enough. */
  readonly severity: 'error' | 'warning'
  /** What is the case, in one sentence. */
  readonly cause: string
  /** What to do about it, in one sentence. */
  readonly remedy: string
}
