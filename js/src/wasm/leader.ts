/**
 * The leader engine, as the leader worker uses it.
 *
 * This file owns the C++ handle: no other file sees it, and `close()` is the one place that ends
 * it. Every method is synchronous because the engine is; js/src/leader makes it asynchronous for
 * sessions.
 */

import type {
  BackendRequestValue,
  DrainEntryValue,
  LeaderCountersValue,
  LeaderHandle,
  LeaderSyncStatusValue,
} from '../../../wasm/types/module.js'
import { errorFromReply, LiveStoreError } from '../errors.js'
import { decodeEvents } from './codec.js'
import { type EventReport, eventReport } from './event-report.js'
import { materializeCallback } from './materializer.js'
import type { Engine, StorageFile } from './module.js'
import { check, unwrap } from './reply.js'
import { Statements } from './statements.js'
import type { EventRecord, Materialize, SeqNum } from './values.js'

export type { StorageFile } from './module.js'

export interface LeaderOptions {
  /** What `schemaDescriptor()` made. */
  readonly schemaDescriptor: string
  /** Open handles, one per name of `leaderFileNames`, which the caller closes after `close()`. */
  readonly storage: readonly StorageFile[] | 'in-memory'
  readonly materialize: Materialize
  /** Without it nothing is ever synced. The seed is a uint32, different for each client. */
  readonly backend?: { readonly livePull: boolean; readonly jitterSeed: number } | undefined
  /** What to do when the backend is another one than the log was synced with. Default: reset. */
  readonly onBackendIdMismatch?: 'reset' | 'ignore' | undefined
  readonly clientId?: string | undefined
  /** For when another client turns out to have this one's id. */
  readonly spareClientId?: string | undefined
}

export interface BootProgress {
  readonly stage: 'migrating' | 'rehydrating' | 'done'
  readonly done: number
  readonly total: number
}

export type { EventReport } from './event-report.js'

/** What a drain has to tell. */
export interface DrainOutcome {
  /** In the order of the log. */
  readonly entries: readonly DrainEntry[]
  /** After the entries every session must join again: news for it were lost. */
  readonly rejoin: boolean
  /** Events that stay in the log without effect: their materializer failed here. */
  readonly skipped: readonly EventReport[]
  /** Events that the backend refused for good: they are in no log any more. */
  readonly refused: readonly EventReport[]
}

export type DrainEntry =
  | { readonly type: 'news'; readonly author: number; readonly news: Uint8Array }
  | {
      readonly type: 'push-result'
      readonly session: number
      readonly push: number
      readonly outcome: 'accepted' | 'rejected'
    }
  | {
      readonly type: 'push-result'
      readonly session: number
      readonly push: number
      readonly outcome: 'failed'
      readonly failedIndex: number
      readonly code: string
      readonly message: string
    }

/** What a session that joins is given; each in a buffer of its own. */
export interface Joined {
  readonly image: Uint8Array | undefined
  readonly history: Uint8Array
  /** What the session's events are to say from now on; empty if it is not known. */
  readonly clientId: string
}

/** One thing to do with the sync backend; its answer goes back with `number`. */
export type BackendRequest =
  | {
      readonly kind: 'pull'
      readonly number: number
      /** Of the backend that this log was synced with; empty if it is not known. */
      readonly backendId: string
      /** Everything after this global number, and go on if `live`. */
      readonly cursor: number
      /** What the backend said of the event at the cursor, as JSON text; empty for nothing. */
      readonly cursorMetadata: string
      readonly live: boolean
    }
  | { readonly kind: 'stop-pull'; readonly number: number }
  | {
      readonly kind: 'push'
      readonly number: number
      readonly backendId: string
      readonly events: readonly EventRecord[]
    }

export type BackendFailure = 'offline' | 'unavailable' | 'server-ahead'

/** In the order of BackendFailure in core/sync/backend_sync.h. */
const failureNumbers = { offline: 0, unavailable: 1, 'server-ahead': 2 } as const

/** The SQLite file of an eventlog of LiveStore, and its rollback journal, if any. */
export interface LiveStoreLog {
  readonly database: ArrayBuffer
  readonly journal: ArrayBuffer
  /** It is of 0.4, not of 0.3. */
  readonly generations: boolean
}

/** The files a leader's storage must hold. */
export const leaderFileNames = (engine: Engine): readonly string[] =>
  engine.module.Leader.fileNames()

const stages = ['migrating', 'rehydrating', 'done'] as const

export class Leader {
  readonly schemaHash: string
  readonly #engine: Engine
  readonly #slot: number
  readonly #pool: number
  #handle: LeaderHandle | undefined

  private constructor(engine: Engine, handle: LeaderHandle, pool: number, options: LeaderOptions) {
    this.#engine = engine
    this.#handle = handle
    this.#slot = handle.slot()
    this.#pool = pool
    this.schemaHash = handle.schemaHash()
    const statements = new Statements(engine.module, this.#slot)
    const noLocalEvent = (): never => {
      throw new LiveStoreError('Internal', 'a leader commits nothing of its own')
    }
    engine.materializers.set(
      this.#slot,
      materializeCallback(engine, statements, options.materialize, noLocalEvent, {
        clientId: '',
        sessionId: '',
      }),
    )
  }

  /**
   * Opens or creates the databases.
   *
   * @throws LiveStoreError `CorruptEventlog`, `NewerFormat` (the files are left untouched),
   * `StorageFull`,
   *   `StorageIo`, `InvalidSchema`
   */
  static open(engine: Engine, options: LeaderOptions): Leader {
    const { storage, schemaDescriptor, backend, onBackendIdMismatch } = options
    const pool = storage === 'in-memory' ? -1 : engine.registerStorage(storage)
    const handle = engine.module.Leader.create(pool)
    try {
      check(
        handle.open(
          schemaDescriptor,
          backend === undefined ? -1 : backend.livePull ? 1 : 0,
          backend?.jitterSeed ?? 0,
          onBackendIdMismatch === 'ignore' ? 1 : 0,
          options.clientId ?? '',
          options.spareClientId ?? '',
        ),
      )
      return new Leader(engine, handle, pool, options)
    } catch (error) {
      handle.delete()
      if (pool >= 0) engine.releaseStorage(pool)
      throw error
    }
  }

  /**
   * Takes over the eventlog of LiveStore, if this log never held anything; without one it never
   * will. Before the first `bootStep`. Returns how many events were taken over.
   *
   * @throws LiveStoreError `ImportFailed`, `StorageFull`, `StorageIo`; nothing was written then
   */
  importLiveStore(log?: LiveStoreLog): number {
    const bytes = (buffer = new ArrayBuffer()): Uint8Array => new Uint8Array(buffer)
    return unwrap(
      this.#live().importLiveStore(
        bytes(log?.database),
        bytes(log?.journal),
        log?.generations ?? true,
      ),
    )
  }

  /** Does a bounded piece of the boot; call until `done`. */
  bootStep(): BootProgress {
    const { stage, done, total } = unwrap(this.#live().bootStep())
    return { stage: stages[stage], done, total }
  }

  /**
   * Queues a push of the session with this number, which is not 0.
   *
   * @throws LiveStoreError `MalformedBytes`, `LimitExceeded`: the session is at fault.
   */
  submit(session: number, push: number, bytes: Uint8Array): void {
    check(this.#live().submit(session, push, bytes))
  }

  /** The same for `ClientSession.pendingAsPush` of a session that is no more. No answer comes. */
  submitOrphans(bytes: Uint8Array): void {
    check(this.#live().submitOrphans(bytes))
  }

  /**
   * Takes everything queued into the log, with one flush for all pushes; accepted means durable.
   *
   * @throws LiveStoreError `StorageFull`, `StorageIo`: everything stays queued, try again later.
   */
  drain(): DrainOutcome {
    const { entries, rejoin, skipped, refused } = unwrap(this.#live().drain())
    return {
      entries: entries.map(drainEntry),
      rejoin,
      skipped: skipped.map(eventReport),
      refused: refused.map(eventReport),
    }
  }

  /** A drain would do, or has to tell, something. */
  hasWork(): boolean {
    return this.#live().hasWork()
  }

  /**
   * What a session needs to follow this log: the history after `cursor`, which its `onLeaderChange`
   * gave; or, without one that the log holds, the image and the history after that. Every push it
   * sent before must have been answered.
   *
   * @throws LiveStoreError `MalformedBytes`; `StorageFull`, `StorageIo`: try again later
   */
  join(cursor: Uint8Array | undefined, instance: string): Joined {
    return unwrap(this.#live().join(cursor, instance))
  }

  // --- the sync backend: these do nothing without one, nor for numbers of the past -------------

  /** What to ask of the backend now. Call after each call below, each drain, and at `wakeAt`. */
  nextRequests(nowMs: number): readonly BackendRequest[] {
    return unwrap(this.#live().nextRequests(nowMs)).map(backendRequest)
  }

  wakeAt(nowMs: number): number | undefined {
    return this.#live().wakeAt(nowMs)
  }

  /**
   * Queues a page (`encodePage`) for the next drain.
   *
   * @throws LiveStoreError `MalformedBytes`, `UpstreamGap`, `LimitExceeded`; the pull then starts
   *   anew, after a while
   */
  onPulled(pull: number, page: Uint8Array, caughtUp: boolean, nowMs: number): void {
    check(this.#live().onPulled(pull, page, caughtUp, nowMs))
  }

  onPullEnded(pull: number, nowMs: number): void {
    this.#live().onPullEnded(pull, nowMs)
  }

  onPullFailed(pull: number, nowMs: number): void {
    this.#live().onPullFailed(pull, nowMs)
  }

  onPushTaken(push: number): void {
    this.#live().onPushTaken(push)
  }

  onPushFailed(push: number, failure: BackendFailure, nowMs: number): void {
    this.#live().onPushFailed(push, failureNumbers[failure], nowMs)
  }

  /** The backend refuses the event at `index` of the push for good. */
  onPushRefused(push: number, index: number, reason: string, nowMs: number): void {
    this.#live().onPushRefused(push, index, reason, nowMs)
  }

  /** The backend is another one than before, with this id, or '' for one without. */
  onBackendReplaced(id: string): void {
    this.#live().onBackendReplaced(id)
  }

  onConnection(online: boolean): void {
    this.#live().onConnection(online)
  }

  syncStatus(): LeaderSyncStatusValue {
    return this.#live().syncStatus()
  }

  /** The whole state as an SQLite database file. */
  image(): Uint8Array {
    return unwrap(this.#live().image())
  }

  /**
   * Up to `count` events after the synced one with this number, of those that will never be rolled
   * back, as `decodeEvents` reads them. None: there are no such events yet.
   *
   * @throws LiveStoreError `StorageFull`, `StorageIo`: try again later
   */
  settledAfter(global: number, count: number): Uint8Array {
    return unwrap(this.#live().settledAfter(global, count))
  }

  localHead(): SeqNum {
    return this.#live().localHead()
  }

  /** Work done so far, for benchmarks and tests. */
  counters(): LeaderCountersValue {
    return this.#live().counters()
  }

  /** Ends the engine object and closes its databases. Idempotent; later calls of others throw. */
  close(): void {
    if (this.#handle === undefined) return
    this.#handle.delete()
    this.#handle = undefined
    this.#engine.materializers.delete(this.#slot)
    if (this.#pool >= 0) this.#engine.releaseStorage(this.#pool)
  }

  #live(): LeaderHandle {
    if (this.#handle === undefined) throw new LiveStoreError('Closed', 'the leader has been closed')
    return this.#handle
  }
}

const drainEntry = (entry: DrainEntryValue): DrainEntry => {
  if ('author' in entry) return { type: 'news', ...entry }
  const { session, push } = entry
  if (entry.answer !== 2) {
    const outcome = entry.answer === 0 ? 'accepted' : 'rejected'
    return { type: 'push-result', session, push, outcome }
  }
  const { code, message } = errorFromReply(entry)
  const { failedIndex } = entry
  return { type: 'push-result', session, push, outcome: 'failed', failedIndex, code, message }
}

const backendRequest = (request: BackendRequestValue): BackendRequest => {
  const { number } = request
  if (request.kind === 1) return { kind: 'stop-pull', number }
  const { backendId } = request
  if (request.kind === 2) {
    return { kind: 'push', number, backendId, events: decodeEvents(request.events) }
  }
  const { cursor, cursorMetadata, live } = request
  return { kind: 'pull', number, backendId, cursor, cursorMetadata, live }
}
