/**
 * When subscribers hear of a change: after everything that changed together has settled, each once,
 * in the order they subscribed, inside the app's `batchUpdates`.
 *
 * A subscriber may commit: what that changes is delivered in the next round, by the same loop. A
 * subscriber that throws disturbs nobody: the error goes to `reportError`, like that of an event
 * listener. It knows no query and no value.
 */

import { LiveStoreError } from '../errors.js'

export type BatchUpdates = (run: () => void) => void

/** Someone to be told. */
export interface Receiver {
  /** The order of telling. */
  readonly order: number
  deliver(): void
}

/** Rounds that follow each other without a pause. A subscriber that always commits never ends. */
export const DELIVERY_ROUNDS_MAX = 1000

/** Reports an error of the app that no caller can be given, as an event target does. */
export const reportToHost = (error: unknown): void => {
  const host = globalThis as { reportError?: (error: unknown) => void }
  if (host.reportError) host.reportError(error)
  else {
    setTimeout(() => {
      throw error
    })
  }
}

export class Deliveries {
  batchUpdates: BatchUpdates = (run) => run()
  readonly #waiting = new Set<Receiver>()
  /** Those who wait for the next `together` or `deliver`, whatever else is delivered before. */
  readonly #postponed = new Set<Receiver>()
  #held = 0
  #isPostponing = false
  #isDelivering = false
  #isScheduled = false
  #rounds = 0

  /** `receiver` hears of the change when the current `together` ends, or else in a microtask. */
  add(receiver: Receiver): void {
    if (this.#isPostponing) {
      this.#postponed.add(receiver)
      return
    }
    this.#waiting.add(receiver)
    if (this.#held === 0 && !this.#isDelivering) this.#schedule()
  }

  remove(receiver: Receiver): void {
    this.#waiting.delete(receiver)
    this.#postponed.delete(receiver)
  }

  /** Runs `change`, then delivers what it brought about. */
  together(change: () => void): void {
    this.#held += 1
    try {
      change()
    } finally {
      this.#held -= 1
    }
    this.deliver()
  }

  /** Runs `change` and leaves what it brought about for the next `together` or `deliver`. */
  postpone(change: () => void): void {
    this.#isPostponing = true
    try {
      change()
    } finally {
      this.#isPostponing = false
    }
  }

  /** Delivers now all that waits. Inside a delivery the loop of that one comes to it. */
  deliver(): void {
    for (const receiver of this.#postponed) this.#waiting.add(receiver)
    this.#postponed.clear()
    this.#run()
  }

  /** @throws LiveStoreError `LimitExceeded` for a change that subscribers cause without end. */
  checkRounds(): void {
    if (this.#rounds < DELIVERY_ROUNDS_MAX) return
    throw new LiveStoreError(
      'LimitExceeded',
      `subscribers changed the store ${DELIVERY_ROUNDS_MAX} times in a row: one of them makes a ` +
        'change every time it is told of one',
    )
  }

  #run(): void {
    if (this.#isDelivering || this.#held > 0 || this.#waiting.size === 0) return
    this.#isDelivering = true
    try {
      this.batchUpdates(() => this.#deliverRounds())
    } catch (error) {
      reportToHost(error)
    } finally {
      this.#isDelivering = false
      this.#rounds = 0
    }
  }

  #deliverRounds(): void {
    while (this.#waiting.size > 0) {
      this.#rounds += 1
      const round = [...this.#waiting].sort((a, b) => a.order - b.order)
      for (const receiver of round) {
        // An earlier receiver of this round may have ended this one.
        if (!this.#waiting.delete(receiver)) continue
        try {
          receiver.deliver()
        } catch (error) {
          reportToHost(error)
        }
      }
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#run()
    })
  }
}
