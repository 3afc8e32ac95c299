/** Collects what comes in and hands it on in batches, one batch at a time, as the steps of the pipeline do. */
export class Batches<T> {
  private waiting: { readonly item: T; readonly done: () => void; readonly failed: (error: unknown) => void }[] = []
  private isBusy = false

  constructor(
    private readonly size: number,
    private readonly run: (items: readonly T[]) => Promise<void>
  ) {}

  /** Resolves when the batch that has the item is done. */
  add(item: T): Promise<void> {
    return new Promise((done, failed) => {
      this.waiting.push({ item, done, failed })
      if (!this.isBusy) void this.work()
    })
  }

  private async work(): Promise<void> {
    this.isBusy = true
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.size)
      try {
        await this.run(batch.map(({ item }) => item))
        for (const { done } of batch) done()
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    this.isBusy = false
  }
}
