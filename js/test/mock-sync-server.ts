/**
 * A sync server in memory, for tests: one order of events for all clients, and every fault that a
 * network or a backend may have.
 */

import {
  BackendIdMismatchError,
  EventRefusedError,
  IsOfflineError,
  type MakeSyncBackend,
  type PullPage,
  ServerAheadError,
  type SyncBackend,
  type SyncedEvent,
} from '../src/sync/backend.js'

export type Call = 'make' | 'connect' | 'pull' | 'page' | 'push' | 'ping'

/** A client's way to the server. */
export class Connection {
  /** While it is false every call fails with `IsOfflineError`, and running pulls do too. */
  #isOnline = true
  /** Runs before each call: it may throw, or return what is answered in place of the server. */
  trouble: (call: Call) => unknown = () => undefined
  /** The next push is taken, and fails all the same. */
  losesAnswer = false
  /** Whether the backend says by itself if it is connected. */
  saysIfConnected = false
  readonly calls: Call[] = []
  readonly #listeners = new Set<(isConnected: boolean) => void>()
  readonly #server: MockSyncServer
  /** What others broadcast, for the next page of a pull. */
  inbox: SyncedEvent[] = []

  constructor(server: MockSyncServer) {
    this.#server = server
    server.connections.push(this)
  }

  get isOnline(): boolean {
    return this.#isOnline
  }

  setOnline(isOnline: boolean): void {
    this.#isOnline = isOnline
    for (const listener of this.#listeners) listener(isOnline)
    this.#server.changed()
  }

  /** For `makeWorker` and `makeInMemoryAdapter`. */
  readonly make: MakeSyncBackend = async (args) => {
    this.#server.made.push(args)
    return ((await this.#call('make')) as SyncBackend | undefined) ?? this.#backend()
  }

  #backend(): SyncBackend {
    const listeners = this.#listeners
    const connection = this
    return {
      connect: async () => void (await this.#call('connect')),
      ping: async () => void (await this.#call('ping')),
      broadcast: (events) => this.#server.broadcast(this, events),
      pull: (cursor, { live, backendId, signal }) =>
        (this.#troubled('pull') as AsyncIterable<PullPage> | undefined) ??
        this.#pull(cursor?.eventSequenceNumber ?? 0, live, backendId, signal),
      push: async (batch, { backendId }) => {
        if ((await this.#call('push')) !== undefined) return
        this.#server.checkId(backendId)
        this.#server.take(batch)
        if (!this.losesAnswer) return
        this.losesAnswer = false
        throw new Error('the connection broke before the answer')
      },
      ...(this.saysIfConnected && {
        isConnected: {
          get value() {
            return connection.isOnline
          },
          subscribe(listener) {
            listeners.add(listener)
            return () => listeners.delete(listener)
          },
        },
      }),
    }
  }

  async #call(call: Call): Promise<unknown> {
    const answer = await this.#troubled(call)
    if (!this.#isOnline) throw new IsOfflineError()
    return answer
  }

  #troubled(call: Call): unknown {
    this.calls.push(call)
    return this.trouble(call)
  }

  async *#pull(
    cursor: number,
    live: boolean,
    backendId: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<PullPage> {
    let at = cursor
    let hasSaidNoMore = false
    while (!signal.aborted) {
      const wrong = await this.#call('page')
      if (wrong !== undefined) {
        yield wrong as PullPage
        continue
      }
      this.#server.checkId(backendId)
      const page = this.#server.page(at)
      at += page.batch.length
      const broadcast = this.inbox.splice(0)
      const isEmpty = page.batch.length + broadcast.length === 0
      if (!isEmpty || !hasSaidNoMore) yield { ...page, broadcast }
      hasSaidNoMore = page.pageInfo._tag === 'NoMore'
      if (!live && hasSaidNoMore) return
      if (hasSaidNoMore && this.#server.events.length === at && this.inbox.length === 0) {
        await this.#server.nextChange(signal)
      }
    }
  }
}

export class MockSyncServer {
  id = 'mock'
  pageSize = 100
  /** All that was taken, in order. */
  events: SyncedEvent[] = []
  readonly made: Parameters<MakeSyncBackend>[0][] = []
  /** The reason why an event is refused for good, if it is. */
  refuses: (event: SyncedEvent) => string | undefined = () => undefined
  readonly connections: Connection[] = []
  readonly #waiting = new Set<() => void>()

  /** `name` and arguments, in order, as they count for every client. */
  get log(): unknown[] {
    return this.events.map(({ args }) => (args as { id: string }).id)
  }

  checkId(expected: string | undefined): void {
    if (expected === undefined || expected === this.id) return
    throw new BackendIdMismatchError({ expected, received: this.id })
  }

  /** To every client that is there but its sender. */
  broadcast(from: Connection, events: readonly SyncedEvent[]): void {
    for (const one of this.connections) {
      if (one !== from && one.isOnline) one.inbox.push(...structuredClone(events))
    }
    this.changed()
  }

  take(batch: readonly SyncedEvent[]): void {
    const first = batch[0] as SyncedEvent
    if (first.parentSeqNum !== this.events.length) {
      const minimumExpectedNum = this.events.length + 1
      throw new ServerAheadError({ minimumExpectedNum, providedNum: first.seqNum })
    }
    batch.forEach((event, index) => {
      const reason = this.refuses(event)
      if (reason !== undefined) throw new EventRefusedError({ index, reason })
    })
    this.events.push(...structuredClone(batch))
    this.changed()
  }

  /** An event of a client that is not part of the test. */
  add(
    name: string,
    args: unknown,
    origin = { clientId: 'elsewhere', sessionId: 'elsewhere' },
  ): void {
    const parentSeqNum = this.events.length
    this.events.push({ name, args, seqNum: parentSeqNum + 1, parentSeqNum, ...origin })
    this.changed()
  }

  page(after: number): PullPage {
    const batch = this.events
      .slice(after, after + this.pageSize)
      .map((eventEncoded) => ({ eventEncoded, metadata: { at: eventEncoded.seqNum } }))
    const remaining = Math.max(this.events.length - after - batch.length, 0)
    return {
      batch: structuredClone(batch),
      pageInfo: remaining === 0 ? { _tag: 'NoMore' } : { _tag: 'MoreKnown', remaining },
      backendId: this.id,
    }
  }

  changed(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
    })
  }
}
