/**
 * The client session engine, as the store uses it.
 *
 * This file owns the C++ handle: no other file sees it, and `close()` is the one place that ends
 * it. Every method is synchronous because the engine is. Errors are thrown as LiveStoreError;
 * nothing has changed then.
 */

import type {
  ClientSessionHandle,
  EngineModule,
  FollowOutcomeValue,
} from '../../../wasm/types/module.js'
import { type ErrorCode, errorNumbers, LiveStoreError } from '../errors.js'
import { type NewEvent, readIds, readRows, type Target, writeNewEvents } from './codec.js'
import { eventReport } from './event-report.js'
import { KeptRows } from './kept-rows.js'
import { type LocalEvent, materializeCallback } from './materializer.js'
import type { Engine } from './module.js'
import { check, unwrap } from './reply.js'
import { Statements } from './statements.js'
import type {
  Binds,
  EventRecord,
  Materialize,
  Receipts,
  RowKey,
  RowShape,
  SeqNum,
  StatementInfo,
  StateReader,
} from './values.js'

/** An event of a commit. `args` is what `materialize` gets; `argsJson` is what is logged. */
export interface CommitEvent extends NewEvent, LocalEvent {}

/** An event of this session that was dropped and rolled back, and why. */
export interface Rejection {
  /** Which of the events committed by this session, counted from 1. */
  readonly counter: number
  /** As it stood last. Of an accepted one only the position is known. */
  readonly event: EventRecord
  /** The leader had it, and the sync backend refused it for good. */
  readonly accepted: boolean
  readonly code: ErrorCode
  readonly message: string
}

/** What following the leader brought. */
export interface FollowOutcome {
  /** Live queries to run again. */
  readonly stale: readonly number[]
  readonly rejected: readonly Rejection[]
  /** Ask the leader for an image and give it to `loadImage`. */
  readonly needImage: boolean
}

export interface ClientSessionOptions {
  readonly clientId: string
  readonly sessionId: string
  /**
   * Names this one object, never used before: the leader tells by it what it has of its events. At
   * most 256 bytes.
   */
  readonly instance: string
  /** What `schemaDescriptor()` made. */
  readonly schemaDescriptor: string
  readonly materialize: Materialize
}

export class ClientSession implements StateReader {
  readonly schemaHash: string
  readonly instance: string
  readonly #engine: Engine
  readonly #module: EngineModule
  readonly #slot: number
  readonly #statements: Statements
  readonly #input: Target
  readonly #liveColumns = new Map<number, readonly string[]>()
  readonly #keptRows = new Map<number, KeptRows>()
  #handle: ClientSessionHandle | undefined
  #committing: readonly CommitEvent[] = []
  readonly #origin: { clientId: string; readonly sessionId: string }
  #busy = false

  private constructor(engine: Engine, handle: ClientSessionHandle, options: ClientSessionOptions) {
    const { module } = engine
    this.#engine = engine
    this.#module = module
    this.#handle = handle
    this.#slot = handle.slot()
    this.#statements = new Statements(module, this.#slot)
    this.#input = { module, reserve: (bytes) => module._ls_input(bytes) }
    this.schemaHash = handle.schemaHash()
    this.instance = options.instance
    this.#origin = { clientId: options.clientId, sessionId: options.sessionId }
    engine.materializers.set(
      this.#slot,
      materializeCallback(
        engine,
        this.#statements,
        options.materialize,
        (index) => this.#committing[index] as CommitEvent,
        this.#origin,
      ),
    )
  }

  /** @throws LiveStoreError `InvalidSchema` */
  static open(engine: Engine, options: ClientSessionOptions): ClientSession {
    const { clientId, sessionId, instance, schemaDescriptor } = options
    const handle = engine.module.ClientSession.create()
    try {
      check(handle.open(clientId, sessionId, instance, schemaDescriptor))
    } catch (error) {
      handle.delete()
      throw error
    }
    return new ClientSession(engine, handle, options)
  }

  /**
   * Replaces the state by the leader's `image`, with what is pending on top of it. `history` is
   * what the leader says of its log from the image on.
   *
   * @throws LiveStoreError `MalformedBytes`, `SchemaMismatch`, `NewerFormat`, `UpstreamGap`
   */
  loadImage(image: Uint8Array, history: Uint8Array): FollowOutcome {
    return this.#guarded((handle) => followOutcome(unwrap(handle.loadImage(image, history))))
  }

  /** For the events that are committed from now on. */
  setClientId(id: string): void {
    this.#origin.clientId = id
    this.#guarded((handle) => handle.setClientId(id))
  }

  /**
   * Applies `events` as one transaction; every query sees them when this returns.
   *
   * @returns the live queries to run again.
   * @throws LiveStoreError with the code of what failed: the schema, a materializer, SQLite.
   */
  commit(events: readonly CommitEvent[], persisted = true): readonly number[] {
    return this.#guarded(() => {
      this.#committing = events
      try {
        const bytes = writeNewEvents(this.#input, events, persisted)
        if (this.#module._ls_commit(this.#slot, bytes) < 0) throw this.#statements.lastError()
        return readIds(this.#module)
      } finally {
        this.#committing = []
      }
    })
  }

  /** Events just committed that are not persisted, for other sessions. */
  nextPassing(): Uint8Array | undefined {
    return this.#live().nextPassing()
  }

  /**
   * Shows events of another session that are not persisted. One that fails here is rejected.
   *
   * @throws LiveStoreError `MalformedBytes`
   */
  onPassing(events: Uint8Array): FollowOutcome {
    return this.#guarded((handle) => followOutcome(unwrap(handle.onPassing(events))))
  }

  /**
   * The next push for the leader, in a buffer of its own; undefined while one is unanswered, or a
   * history or image is awaited.
   */
  nextPush(): Uint8Array | undefined {
    return this.#live().nextPush()
  }

  /** @throws LiveStoreError `UpstreamGap` when no such push was in flight: say hello again. */
  onPushAccepted(): void {
    check(this.#live().onPushAccepted())
  }

  /** @throws LiveStoreError `UpstreamGap` when nothing explains it: say hello again. */
  onPushRejected(): void {
    check(this.#live().onPushRejected())
  }

  onPushFailed(failedIndex: number, code: string, message: string): FollowOutcome {
    const number = Object.hasOwn(errorNumbers, code)
      ? errorNumbers[code as ErrorCode]
      : errorNumbers.Internal
    return this.#guarded((handle) =>
      followOutcome(unwrap(handle.onPushFailed(failedIndex, number, message))),
    )
  }

  /**
   * What became of the leader's log.
   *
   * @throws LiveStoreError `UpstreamGap` (say hello again), `MalformedBytes`
   */
  onNews(news: Uint8Array): FollowOutcome {
    return this.#guarded((handle) => followOutcome(unwrap(handle.onNews(news))))
  }

  /** What the leader says of its log after the cursor of `onLeaderChange`. Throws as `onNews`. */
  onHistory(history: Uint8Array): FollowOutcome {
    return this.#guarded((handle) => followOutcome(unwrap(handle.onHistory(history))))
  }

  /** Forgets the push in flight. Returns the cursor for `hello`, in a buffer of its own. */
  onLeaderChange(): Uint8Array {
    return this.#live().onLeaderChange()
  }

  /** Everything pending as one push, for a later leader's `submitOrphans`, if anything is. */
  pendingAsPush(): Uint8Array | undefined {
    return this.#live().pendingAsPush()
  }

  /** How far the events committed here have come. */
  receipts(): Receipts {
    return this.#live().receipts()
  }

  query(sql: string, binds: Binds, shape?: RowShape): unknown[] {
    this.#live()
    return this.#statements.query(sql, binds, shape)
  }

  prepare(sql: string): StatementInfo {
    this.#live()
    return this.#statements.prepare(sql)
  }

  /**
   * Returns the number of a live query, to be ended with `closeLive`. With a `rowKey`, a commit
   * that changes no row of that key leaves it alone.
   */
  openLive(sql: string, binds: Binds, rowKey?: RowKey): number {
    this.#live()
    const { info, bytes } = this.#statements.bind(sql, binds)
    const id = this.#module._ls_live_open(
      this.#slot,
      info.id,
      bytes,
      rowKey?.column ?? 0,
      rowKey?.parameter ?? 0,
    )
    if (id < 0) throw this.#statements.lastError()
    this.#liveColumns.set(id, info.columns)
    return id
  }

  /**
   * Runs a live query; undefined if the rows are the same as at its last run. Rows that are as they
   * were are the same objects. Every run of a query has the same `shape`.
   */
  runLive(id: number, shape: RowShape = {}): unknown[] | undefined {
    this.#live()
    const changed = this.#module._ls_live_run(this.#slot, id)
    if (changed < 0) throw this.#statements.lastError()
    const columns = this.#liveColumns.get(id) ?? []
    let kept = this.#keptRows.get(id)
    if (kept === undefined) {
      kept = new KeptRows(columns, shape)
      this.#keptRows.set(id, kept)
    }
    const { pluck = false } = shape
    return kept.next(changed === 0 ? undefined : readRows(this.#module, columns, { pluck }))
  }

  closeLive(id: number): void {
    if (this.#handle === undefined) return
    this.#liveColumns.delete(id)
    this.#keptRows.delete(id)
    this.#module._ls_live_close(this.#slot, id)
  }

  syncStatus(): { localHead: SeqNum; upstreamHead: SeqNum; pendingCount: number } {
    return this.#live().syncStatus()
  }

  /** The whole state as an SQLite database file. */
  image(): Uint8Array {
    return unwrap(this.#live().image())
  }

  /** Ends the engine object. Idempotent; any other call afterwards throws `Closed`. */
  close(): void {
    if (this.#handle === undefined) return
    if (this.#busy)
      throw new LiveStoreError('Nested', 'a session cannot be closed from inside a materializer')
    this.#engine.materializers.delete(this.#slot)
    this.#handle.delete()
    this.#handle = undefined
  }

  #live(): ClientSessionHandle {
    if (this.#handle === undefined)
      throw new LiveStoreError('Closed', 'the client session has been closed')
    return this.#handle
  }

  /** The engine refuses nested calls too, but by then the buffers would have been overwritten. */
  #guarded<T>(call: (handle: ClientSessionHandle) => T): T {
    const handle = this.#live()
    if (this.#busy) throw new LiveStoreError('Nested', 'a materializer may only query')
    this.#busy = true
    try {
      return call(handle)
    } finally {
      this.#busy = false
    }
  }
}

const followOutcome = ({ stale, rejected, needImage }: FollowOutcomeValue): FollowOutcome => ({
  stale,
  needImage,
  rejected: rejected.map((rejection) => {
    const { counter, accepted } = rejection
    return { counter, accepted, ...eventReport(rejection) }
  }),
})
