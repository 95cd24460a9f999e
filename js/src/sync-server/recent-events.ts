/**
 * The last events of a store, without gaps, up to a number of bytes: what live pulls are sent from,
 * so that twenty of them cost no read of the storage.
 */

import type { EventJson } from './event-json.js'

export class RecentEvents {
  readonly #bytesMax: number
  /** Ascending; begins at `#start`, what is before it has been dropped. */
  #events: EventJson[] = []
  #start = 0
  #bytes = 0
  /** The number before the first one that is held. */
  #before = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** `event` comes after all that were added since the last clear, but there may be a gap. */
  add(event: EventJson): void {
    const last = this.#events.at(-1)
    if (last === undefined || event.seqNum !== last.seqNum + 1) {
      this.clear()
      this.#before = event.seqNum - 1
    }
    this.#events.push(event)
    this.#bytes += event.bytes
    while (this.#bytes > this.#bytesMax && this.#start < this.#events.length - 1) {
      const dropped = this.#events[this.#start++] as EventJson
      this.#bytes -= dropped.bytes
      this.#before = dropped.seqNum
    }
    if (this.#start > 1000 && this.#start * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#start)
      this.#start = 0
    }
  }

  /** At most `max` events that follow `after`; undefined if the first of them is not held. */
  after(after: number, max: number): readonly EventJson[] | undefined {
    if (this.#events.length === 0 || after < this.#before) return undefined
    const from = this.#start + (after - this.#before)
    return this.#events.slice(from, from + max)
  }

  clear(): void {
    this.#events = []
    this.#start = 0
    this.#bytes = 0
    this.#before = 0
  }
}
