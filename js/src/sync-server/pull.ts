/**
 * One pull: sends the pages of a log from where its client is to the head, and then, if it is live,
 * whatever comes.
 *
 * It has one place in the log and moves only forward, so its pages are in order and without gaps,
 * whoever wakes it. At most `pagesUnackedMax` pages are on their way; a client that does not
 * acknowledge them costs nothing further, because what it has not got is in the storage.
 */

import { type EventJson, pageJson } from './event-json.js'
import type { Room } from './room.js'

/** Where pages go. None of these throws; nothing is called after `stop`, `end` or `fail`. */
export interface PullSink {
  page(json: string): void
  /** The pull is not live and has come to the head. */
  end(): void
  /** The storage failed. */
  fail(error: unknown): void
}

export class Pull {
  readonly #room: Room
  readonly live: boolean
  readonly #sink: PullSink
  #sent: number
  #unacked = 0
  /** The first page is sent even if it is empty: it says that the client is up to date. */
  #begun: boolean
  #reading = false
  #stopped = false
  /** Read of the storage and not sent yet. */
  #read: readonly EventJson[] = []

  constructor(room: Room, after: number, live: boolean, sink: PullSink, begun: boolean) {
    this.#room = room
    this.#begun = begun
    this.live = live
    this.#sink = sink
    this.#sent = after
  }

  /** The number of the last event that was sent, or what the pull began after. */
  get sent(): number {
    return this.#sent
  }

  /** There may be something to send. */
  wake(): void {
    while (!this.#stopped && !this.#reading) {
      if (this.#unacked >= this.#room.limits.pagesUnackedMax) return
      if (this.#sent >= this.#room.head) {
        if (!this.#begun) this.#send([])
        if (!this.live) this.#end(() => this.#sink.end())
        return
      }
      const next = this.#next()
      if (next === undefined) {
        void this.#readOn()
        return
      }
      this.#send(next)
    }
  }

  /** The client has one page more. */
  ack(): void {
    if (this.#unacked > 0) this.#unacked -= 1
    this.wake()
  }

  stop(): void {
    this.#end(() => {})
  }

  /** The next page's events, as far as they are in memory. */
  #next(): readonly EventJson[] | undefined {
    const { pageEventsMax, pageBytesMax } = this.#room.limits
    let events = this.#read
    if (events.length === 0) events = this.#room.recent(this.#sent, pageEventsMax) ?? []
    let count = 0
    let bytes = 0
    while (count < events.length && count < pageEventsMax) {
      bytes += (events[count] as EventJson).bytes
      if (count > 0 && bytes > pageBytesMax) break
      count += 1
    }
    if (count === 0) return undefined
    this.#read = events === this.#read ? events.slice(count) : []
    return events.slice(0, count)
  }

  async #readOn(): Promise<void> {
    this.#reading = true
    try {
      const events = await this.#room.read(this.#sent)
      if (this.#stopped) return
      if (events.length === 0) throw new Error('the log ends before its head')
      this.#read = events
    } catch (error) {
      this.#end(() => this.#sink.fail(error))
      return
    } finally {
      this.#reading = false
    }
    this.wake()
  }

  #send(events: readonly EventJson[]): void {
    this.#begun = true
    this.#unacked += 1
    this.#sent = events.at(-1)?.seqNum ?? this.#sent
    const remaining = Math.max(this.#room.head - this.#sent, 0)
    this.#sink.page(pageJson(events, { remaining, backendId: this.#room.backendId }))
  }

  #end(say: () => void): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#read = []
    this.#room.forget(this)
    say()
  }
}
