/**
 * A sync backend in memory, for the tests of apps: one order of events for all stores that use it,
 * a connection that comes and goes by command, and pushes that fail by command.
 */

import {
  EventRefusedError,
  IsOfflineError,
  type MakeSyncBackend,
  type PullPage,
  ServerAheadError,
  type SyncedEvent,
} from '../sync/backend.js'

export interface MockSyncBackend {
  /** For `makeWorker` and `makeInMemoryAdapter`. Every store shares the one log. */
  readonly makeSyncBackend: MakeSyncBackend
  /** From now on there is a connection. */
  connect(): void
  /** From now on there is none: pulls end, and what is asked fails with `IsOfflineError`. */
  disconnect(): void
  /**
   * Events of a client elsewhere, which continue the log.
   *
   * @throws ServerAheadError if they do not
   */
  advance(...events: readonly SyncedEvent[]): void
  /** The next `count` pushes fail with `error`. Default: an error that may pass. */
  failNextPushes(count: number, error?: Error): void
  /** From now on an event is refused for good if this returns a reason. */
  refuse(reasonFor: (event: SyncedEvent) => string | undefined): void
  /** All events, in order. */
  readonly events: readonly SyncedEvent[]
  /** What stores have pushed, from the begin on, and what they push from now on. Never ends. */
  readonly pushedEvents: AsyncIterable<SyncedEvent>
}

export interface MockSyncBackendOptions {
  /** Default: true. */
  readonly startConnected?: boolean
}

/** Returns a backend without events. Nothing needs to be closed. */
export const makeMockSyncBackend = ({
  startConnected = true,
}: MockSyncBackendOptions = {}): MockSyncBackend => {
  const log: SyncedEvent[] = []
  const pushed: SyncedEvent[] = []
  const waiting = new Set<() => void>()
  const listeners = new Set<(isConnected: boolean) => void>()
  let isConnected = startConnected
  let failures: Error[] = []
  let reasonFor: (event: SyncedEvent) => string | undefined = () => undefined

  const changed = (): void => {
    for (const wake of [...waiting]) wake()
  }
  const nextChange = (signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const wake = () => {
        waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      waiting.add(wake)
      signal?.addEventListener('abort', wake)
    })
  const setConnected = (value: boolean): void => {
    if (isConnected === value) return
    isConnected = value
    for (const listener of [...listeners]) listener(value)
    changed()
  }
  const checkConnected = (): void => {
    if (!isConnected) throw new IsOfflineError('the mock backend is disconnected')
  }
  const append = (events: readonly SyncedEvent[]): void => {
    let head = log.at(-1)?.seqNum ?? 0
    for (const { seqNum, parentSeqNum } of events) {
      if (parentSeqNum !== head || seqNum <= head) {
        throw new ServerAheadError({ minimumExpectedNum: head + 1, providedNum: seqNum })
      }
      head = seqNum
    }
    log.push(...structuredClone(events))
    changed()
  }

  async function* pull(
    after: number,
    live: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<PullPage> {
    let head = after
    let isFirst = true
    for (;;) {
      signal.throwIfAborted()
      checkConnected()
      const rest = log.filter(({ seqNum }) => seqNum > head)
      const batch = structuredClone(rest.slice(0, pageEventsMax))
      const remaining = rest.length - batch.length
      if (isFirst || batch.length > 0) {
        head = batch.at(-1)?.seqNum ?? head
        isFirst = false
        yield {
          batch: batch.map((eventEncoded) => ({ eventEncoded })),
          pageInfo: remaining > 0 ? { _tag: 'MoreKnown', remaining } : { _tag: 'NoMore' },
        }
      } else {
        await nextChange(signal)
      }
      if (remaining === 0 && !live) return
    }
  }

  return {
    makeSyncBackend: () => ({
      metadata: { name: 'mock', description: 'in memory, for tests' },
      isConnected: {
        get value() {
          return isConnected
        },
        subscribe(listener) {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
      },
      // A store waits for the connection itself.
      connect: () => undefined,
      ping: async () => checkConnected(),
      pull: (cursor, { live, signal }) => pull(cursor?.eventSequenceNumber ?? 0, live, signal),
      push: async (batch) => {
        checkConnected()
        const failure = failures.shift()
        if (failure !== undefined) throw failure
        batch.forEach((event, index) => {
          const reason = reasonFor(event)
          if (reason !== undefined) throw new EventRefusedError({ index, reason })
        })
        append(batch)
        pushed.push(...structuredClone(batch))
      },
    }),
    connect: () => setConnected(true),
    disconnect: () => setConnected(false),
    advance: (...events) => append(events),
    failNextPushes: (count, error = new Error('the mock backend fails as it was told to')) => {
      failures = Array.from({ length: count }, () => error)
    },
    refuse: (next) => {
      reasonFor = next
    },
    get events() {
      return structuredClone(log)
    },
    pushedEvents: {
      async *[Symbol.asyncIterator]() {
        for (let at = 0; ; at++) {
          while (at >= pushed.length) await nextChange()
          yield pushed[at] as SyncedEvent
        }
      },
    },
  }
}

const pageEventsMax = 100
