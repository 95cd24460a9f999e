/**
 * The values of a subscription as an async iterator: each in order, for a reader at its own pace.
 *
 * Beyond the limit the newest value replaces the last one that waits: a slow reader misses results
 * in between, never the latest.
 */

/** Results of a query that may wait for a slow reader. */
export const QUEUED_VALUES_MAX = 1000

export class ValueQueue<Value> implements AsyncIterableIterator<Value, undefined> {
  readonly #waiting: Value[] = []
  readonly #readers: ((result: IteratorResult<Value, undefined>) => void)[] = []
  readonly #onEnd: () => void
  #isEnded = false

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  push(value: Value): void {
    if (this.#isEnded) return
    const reader = this.#readers.shift()
    if (reader !== undefined) reader({ value, done: false })
    else if (this.#waiting.length < QUEUED_VALUES_MAX) this.#waiting.push(value)
    else this.#waiting[QUEUED_VALUES_MAX - 1] = value
  }

  /** What waits can still be read; after it the iterator is done. Idempotent. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true })
    this.#onEnd()
  }

  next(): Promise<IteratorResult<Value, undefined>> {
    if (this.#waiting.length > 0) {
      return Promise.resolve({ value: this.#waiting.shift() as Value, done: false })
    }
    if (this.#isEnded) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve) => this.#readers.push(resolve))
  }

  return(): Promise<IteratorResult<Value, undefined>> {
    this.#waiting.length = 0
    this.end()
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
