/**
 * One conversation with a sync backend, a pull or a push: it goes on until the backend has
 * answered, took too long, or nobody wants the answer any more. Whatever the backend does after
 * that is ignored.
 */

import type { Clock } from '../env.js'
import { LiveStoreError } from '../errors.js'

export class BackendCall {
  readonly #clock: Clock
  readonly #controller = new AbortController()
  #isUnwanted = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** For the backend: aborted when the call has ended. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The call was ended by whoever made it: its failure is of no interest. */
  get isUnwanted(): boolean {
    return this.#isUnwanted
  }

  /** Nobody waits for it any more. */
  drop(): void {
    this.#isUnwanted = true
    this.fail(new LiveStoreError('Closed', 'this call to the sync backend is not wanted any more'))
  }

  /** Everything that is waited for rejects with `why`. Does nothing after the first time. */
  fail(why: unknown): void {
    this.#controller.abort(why)
  }

  /** What `work` answers. The call fails when that takes more than `waitMs`. */
  wait<T>(what: string, work: () => T | PromiseLike<T>, waitMs?: number): Promise<T> {
    const { signal } = this.#controller
    return new Promise<T>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onAbort = () => {
        cancel()
        reject(signal.reason)
      }
      const cancel =
        waitMs === undefined
          ? () => undefined
          : this.#clock.after(waitMs, () => {
              const text = `${what} of the sync backend gave no answer within ${waitMs} ms`
              this.fail(new LiveStoreError('CallbackThrew', text))
            })
      signal.addEventListener('abort', onAbort, { once: true })
      const settled = () => {
        cancel()
        signal.removeEventListener('abort', onAbort)
      }
      new Promise<T>((answer) => answer(work())).then(
        (value) => {
          settled()
          resolve(value)
        },
        (thrown: unknown) => {
          settled()
          reject(thrown)
        },
      )
    })
  }
}
