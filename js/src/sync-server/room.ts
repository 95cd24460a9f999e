/**
 * One store on this server: who pushes to it and who pulls it, over its log in a storage.
 *
 *     push ──► waiting ──► append (several at once, if each continues the one before) ──► head
 *                                                                                          │
 *     pull ◄── pages ◄── recent events, or read of the storage ◄───────────────── advance ─┘
 *
 * There is one order, the storage's: a pull knows how far it has come and sends what follows, so
 * that live events never overtake older ones, whatever appended them. Pulls are told of new events
 * before the push that brought them is answered.
 *
 * The head is never ahead of the log. It may be behind where other processes append to it, until
 * the storage says so or refuses an append.
 */

import { type EventJson, eventJson } from './event-json.js'
import type { Limits } from './limits.js'
import { Pull, type PullSink } from './pull.js'
import { RecentEvents } from './recent-events.js'
import type { StoredEvent, SyncStorage } from './storage.js'

export type PushOutcome =
  | { readonly taken: true }
  | { readonly taken: false; readonly head: number }

interface WaitingPush {
  readonly parent: number
  readonly events: readonly StoredEvent[]
  readonly json: readonly EventJson[]
  resolve(outcome: PushOutcome): void
  reject(error: unknown): void
}

export class Room {
  readonly storeId: string
  readonly backendId: string
  readonly limits: Limits
  readonly #storage: SyncStorage
  readonly #recent: RecentEvents
  readonly #pulls = new Set<Pull>()
  readonly #stopWatching: () => void
  #head: number
  #waiting: WaitingPush[] = []
  #appending = false
  readonly #idlers: (() => void)[] = []
  /** What the storage said of its head while an append was under way. */
  #heard = 0
  #closed = false

  private constructor(
    storeId: string,
    storage: SyncStorage,
    limits: Limits,
    { head, backendId }: { readonly head: number; readonly backendId: string },
    watched: { stop: () => void; advance?: (head: number) => void },
  ) {
    this.storeId = storeId
    this.backendId = backendId
    this.limits = limits
    this.#storage = storage
    this.#head = head
    this.#recent = new RecentEvents(limits.recentBytesMax)
    this.#stopWatching = watched.stop
    watched.advance = (known) => this.#hear(known)
  }

  /** @throws what the storage throws */
  static async open(storeId: string, storage: SyncStorage, limits: Limits): Promise<Room> {
    // Watching begins before the head is read, so that no append falls between the two.
    let seen = 0
    const watched: { stop: () => void; advance?: (head: number) => void } = { stop: () => {} }
    watched.stop = storage.watch(storeId, (head) => {
      seen = Math.max(seen, head)
      watched.advance?.(head)
    })
    try {
      const room = new Room(storeId, storage, limits, await storage.head(storeId), watched)
      room.#advance(seen)
      return room
    } catch (error) {
      watched.stop()
      throw error
    }
  }

  get head(): number {
    return this.#head
  }

  /** Asks the storage again: another process may have appended since it was last heard of. */
  async refresh(): Promise<void> {
    this.#hear((await this.#storage.head(this.storeId)).head)
  }

  /**
   * Appends `events`, which are contiguous and not empty, if the log ends at the parent of the
   * first.
   *
   * @throws (as a rejection) what the storage throws; nobody knows then whether they were appended
   */
  push(events: readonly StoredEvent[], json: readonly EventJson[]): Promise<PushOutcome> {
    if (this.#closed) return Promise.reject(new Error('the connection has been closed'))
    const parent = (events[0] as StoredEvent).parentSeqNum
    return new Promise((resolve, reject) => {
      this.#waiting.push({ parent, events, json, resolve, reject })
      void this.#append()
    })
  }

  async #append(): Promise<void> {
    if (this.#appending) return
    this.#appending = true
    // What is pushed in this turn of the event loop goes together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      await this.#appendSome(this.#takeSome())
      this.#advance(this.#heard)
    }
    this.#appending = false
    for (const resolve of this.#idlers.splice(0)) resolve()
  }

  /**
   * Resolves when no append is under way: a room that is closed earlier would tell nobody of it.
   */
  idle(): Promise<void> {
    if (!this.#appending) return Promise.resolve()
    return new Promise((resolve) => this.#idlers.push(resolve))
  }

  /** The first that waits, and those after it that continue it. */
  #takeSome(): WaitingPush[] {
    const [first, ...others] = this.#waiting as [WaitingPush, ...WaitingPush[]]
    const some = [first]
    let events = first.events.length
    let end = lastOf(first)
    for (const next of others) {
      events += next.events.length
      if (next.parent !== end || events > this.limits.appendEventsMax) break
      some.push(next)
      end = lastOf(next)
    }
    this.#waiting = this.#waiting.slice(some.length)
    return some
  }

  async #appendSome(pushes: readonly WaitingPush[]): Promise<void> {
    const { parent } = pushes[0] as WaitingPush
    // Heads only grow, so what is behind ours is behind the storage's.
    if (parent < this.#head) return this.#refuse(pushes, this.#head)
    const events = pushes.length === 1 ? pushes[0]!.events : pushes.flatMap((push) => push.events)
    try {
      const outcome = await this.#storage.append(this.storeId, parent, events)
      if (!outcome.taken) {
        this.#advance(outcome.head)
        return this.#refuse(pushes, outcome.head)
      }
    } catch (error) {
      for (const push of pushes) push.reject(error)
      return
    }
    if (this.#pulls.size > 0 && parent === this.#head) {
      for (const { json } of pushes) for (const event of json) this.#recent.add(event)
    }
    this.#advance(lastOf(pushes.at(-1) as WaitingPush))
    for (const push of pushes) push.resolve({ taken: true })
  }

  #refuse(pushes: readonly WaitingPush[], head: number): void {
    for (const push of pushes) push.resolve({ taken: false, head })
  }

  /** Of an append of ours the storage may tell before it answers: then the answer goes first. */
  #hear(head: number): void {
    if (this.#appending) this.#heard = Math.max(this.#heard, head)
    else this.#advance(head)
  }

  #advance(head: number): void {
    if (head <= this.#head || this.#closed) return
    this.#head = head
    for (const pull of this.#pulls) pull.wake()
  }

  /**
   * Will send what is after `after`, and what comes later if the pull is live, once it is woken.
   * One that has `begun` before does not say again that there is nothing.
   */
  pull(after: number, live: boolean, sink: PullSink, { begun = false } = {}): Pull {
    const pull = new Pull(this, after, live, sink, begun)
    this.#pulls.add(pull)
    return pull
  }

  /** Called by the pull when it has ended. */
  forget(pull: Pull): void {
    this.#pulls.delete(pull)
    if (this.#pulls.size === 0) this.#recent.clear()
  }

  /** The events after `after` that are in memory, at most `max`; undefined if the next is not. */
  recent(after: number, max: number): readonly EventJson[] | undefined {
    return this.#recent.after(after, max)
  }

  /** @throws what the storage throws */
  async read(after: number): Promise<readonly EventJson[]> {
    const { readEventsMax: events, readBytesMax: bytes } = this.limits
    return (await this.#storage.read(this.storeId, after, { events, bytes })).map(eventJson)
  }

  close(): void {
    this.#closed = true
    this.#stopWatching()
    for (const pull of this.#pulls) pull.stop()
  }
}

const lastOf = ({ events }: WaitingPush): number => (events.at(-1) as StoredEvent).seqNum
