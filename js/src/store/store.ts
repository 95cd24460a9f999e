/**
 * The store: what an app commits to, queries and subscribes to.
 *
 *     commit ──► ClientSession (engine) ──► stale live queries ──► QueryGraph ──► subscribers
 *        └────────► SessionDriver ──► leader          ▲
 *                        └── news ────────────────────┘
 *
 * Everything here is synchronous but `flush` and `shutdown`: a commit is visible to every query
 * when it returns, and what the leader says later only ever arrives between two tasks of the app. A
 * call that fails throws, and leaves store and log as they were.
 *
 * It decides nothing about events: order, merging and what is stale are the engine's.
 */

import { isLiveStoreError, LiveStoreError, messageOf } from '../errors.js'
import {
  type LiveQuery,
  type Queryable,
  queryDb,
  type RawBinds,
  type SignalDef,
} from '../reactivity/definitions.js'
import {
  type BatchUpdates,
  Deliveries,
  type Receiver,
  reportToHost,
} from '../reactivity/deliveries.js'
import { queryError } from '../reactivity/query-error.js'
import { QueryGraph } from '../reactivity/query-graph.js'
import type { Instance } from '../reactivity/query-instance.js'
import type { QueryPlan } from '../reactivity/query-plan.js'
import type { AnySchema, SchemaOutput } from '../schema/codec.js'
import type { DefaultsSupport } from '../schema/default-sources.js'
import { logDeprecationWarnings } from '../schema/deprecation.js'
import { EventCodecSymbol, type EventInput } from '../schema/events.js'
import { getEventDef, type LiveStoreSchema } from '../schema/schema.js'
import { describe, isPlainObject, replaceSessionId } from '../schema/values.js'
import type {
  ClientSession,
  CommitEvent,
  FollowOutcome,
  Rejection,
} from '../wasm/client-session.js'
import type { Binds, SeqNum, SqlValue } from '../wasm/values.js'
import type { SessionLink, StorageMode } from './adapter.js'
import { type CommitOptions, commitArgs, type Transaction } from './commit-args.js'
import type { EventsOptions, LoggedEvent } from './logged-events.js'
import { type CommitResult, ReceiptBook } from './receipts.js'
import type { SessionDriver } from './session-driver.js'
import { nextOrder, Subscription } from './subscription.js'
import { ValueQueue } from './value-queue.js'

export type { CommitOptions, Transaction } from './commit-args.js'
export type { EventsOptions, LoggedEvent } from './logged-events.js'
export type { CommitReceipt, CommitResult } from './receipts.js'

/** How long `shutdown` waits for the leader to take what is pending. */
export const SHUTDOWN_DRAIN_MS_MAX = 10_000

/** Payload schemas of all libraries have no common hash. */
const EVENT_SCHEMA_HASH = 0

export const StoreInternalsSymbol: unique symbol = Symbol.for('livestore-wasm/store-internals')

/** For the framework bindings of this package. */
export interface StoreInternals {
  instance<Result>(query: Queryable<Result>): Instance<Result>
  /** `onChange` is called after a change has settled, until the returned function is called. */
  watch(instance: Instance<unknown>, onChange: () => void): () => void
  /** `listener` is called when the store is shut down; at once if it has been. */
  onShutdown(listener: () => void): () => void
  /** Live queries that the engine keeps for this store. */
  liveQueryCount(): number
}

/** Between this session and its leader. Positions are texts like `e3`, `e3.1` (client-only). */
export interface SyncStatus {
  readonly localHead: string
  readonly upstreamHead: string
  readonly pendingCount: number
  readonly isSynced: boolean
}

export interface SubscribeOptions<Result> {
  readonly onSubscribe?: ((query$: LiveQuery<Result>) => void) | undefined
  /** Called when the subscription is ended by its owner. The spelling is LiveStore's. */
  readonly onUnsubsubscribe?: (() => void) | undefined
  /** Only changes, not the result there is. */
  readonly skipInitialRun?: boolean | undefined
  /** For tools. */
  readonly label?: string | undefined
}

export type Unsubscribe = () => void

/** A statement of the app's own. Without `schema` its rows are as SQLite stores them. */
export interface RawStoreQuery<S extends AnySchema | undefined = AnySchema | undefined> {
  readonly query: string
  readonly bindValues?: RawBinds | undefined
  readonly schema?: S
}

export type RawRow = { readonly [column: string]: SqlValue }

/** Figures that LiveStore's engine takes; this one has its own. */
export interface StoreParams {
  readonly leaderPushBatchSize?: number | undefined
  readonly eventQueryBatchSize?: number | undefined
  readonly simulation?: unknown
}

/** What the parts of a store are; made by `createStorePromise`. */
export interface StoreParts<Schema, Context> {
  readonly storeId: string
  readonly schema: Schema
  readonly context: Context
  readonly params: StoreParams
  readonly session: ClientSession
  readonly link: SessionLink
  readonly isMaterializing: () => boolean
  /** For a schema that has defaults which are functions. */
  readonly defaults: DefaultsSupport | undefined
  readonly onRejected: ((rejected: readonly Rejection[]) => void) | undefined
  /** Told of what no call can throw. Never throws. */
  readonly report: (error: LiveStoreError) => void
}

/** What `createStorePromise` does with a store beyond what an app can do. */
export interface StoreControl {
  attach(driver: SessionDriver): void
  /** Where the leader that was joined keeps the data. */
  setStorageMode(storageMode: StorageMode): void
  /** Not used before the boot is over. */
  setBatchUpdates(batchUpdates: BatchUpdates): void
  /** The session has followed its leader. Never throws. */
  onFollow(outcome: FollowOutcome): void
  /** Never throws. */
  onStatus(): void
  /** The leader cannot store anything at the moment, or there is none. */
  onTrouble(error: LiveStoreError): void
  /** Events that the leader has not confirmed yet; 0 after the end. */
  pendingCount(): number
  /** The page may live to see no other task: journals what is pending. Never throws. */
  pageEnds(): void
  setClientId(id: string): void
  /** Shuts the store down because of `error`, which later calls throw. */
  end(error: LiveStoreError): void
}

export class Store<Schema extends LiveStoreSchema = LiveStoreSchema, Context = unknown> {
  readonly storeId: string
  readonly sessionId: string
  readonly schema: Schema
  readonly context: Context
  /** As given to `createStorePromise`. */
  readonly params: StoreParams
  readonly [StoreInternalsSymbol]: StoreInternals
  readonly #parts: StoreParts<Schema, Context>
  readonly #session: ClientSession
  readonly #graph: QueryGraph
  readonly #deliveries = new Deliveries()
  readonly #receipts: ReceiptBook
  readonly #statusReceivers = new Set<Receiver>()
  readonly #shutdownListeners = new Set<() => void>()
  /** Those that have read the log to its end. */
  readonly #logReaders = new Set<() => void>()
  #storageMode: StorageMode
  #clientId: string
  #driver: SessionDriver | undefined
  #shutdown: Promise<void> | undefined
  #cause: LiveStoreError | undefined
  #isEnded = false
  #isPageEnding = false

  private constructor(parts: StoreParts<Schema, Context>) {
    const { storeId, schema, context, session, link } = parts
    this.#parts = parts
    this.storeId = storeId
    this.#clientId = link.clientId
    this.sessionId = link.sessionId
    this.schema = schema
    this.context = context
    this.params = parts.params
    this.#session = session
    this.#receipts = new ReceiptBook(() => session.receipts())
    this.#storageMode = link.storageMode
    this.#graph = new QueryGraph({
      engine: session,
      sessionId: link.sessionId,
      createDocument: (plan) => this.#createDocument(plan),
    })
    this[StoreInternalsSymbol] = this.#internals()
  }

  /** @internal Use `createStorePromise`. */
  static open<Schema extends LiveStoreSchema, Context>(
    parts: StoreParts<Schema, Context>,
  ): { readonly store: Store<Schema, Context>; readonly control: StoreControl } {
    const store = new Store(parts)
    return {
      store,
      control: {
        attach: (driver) => {
          store.#driver = driver
        },
        setStorageMode: (storageMode) => {
          store.#storageMode = storageMode
        },
        setBatchUpdates: (batchUpdates) => {
          store.#deliveries.batchUpdates = batchUpdates
        },
        onFollow: (outcome) => store.#onFollow(outcome),
        onStatus: () => {
          store.#receipts.progressed()
          store.#onStatus()
        },
        onTrouble: (error) => store.#receipts.troubled(error),
        pendingCount: () => (store.#isEnded ? 0 : store.#session.syncStatus().pendingCount),
        pageEnds: () => store.#pageEnds(),
        setClientId: (id) => {
          console.warn(
            `livestore: another client has the id ${store.#clientId}, so this one is now ${id}`,
          )
          store.#clientId = id
        },
        end: (error) => {
          if (store.#shutdown !== undefined) return
          console.error(`livestore: the store is shut down (${error.code}): ${error.message}`)
          store.#cause = error
          void store.shutdown()
        },
      },
    }
  }

  /** This device. It changes when another one turns out to have the same id. */
  get clientId(): string {
    return this.#clientId
  }

  /** Where the leader keeps the data. `in-memory`: it is gone when the last tab closes. */
  get storageMode(): StorageMode {
    return this.#storageMode
  }

  /**
   * Commits events, all or none, as one change: visible in every query when this returns, and told
   * to each subscriber once.
   *
   * `commit((commit) => …)` collects what its function commits. Legal inside a subscriber; not
   * inside a materializer or a query function.
   *
   * @returns how far the events have come, for who wants to know. It may be returned wherever a
   *   function is to return nothing.
   * @throws LiveStoreError `UnknownEvent` `InvalidEventArgs` `MaterializerThrew` `Constraint` `Sql`
   *   `InvalidArgument` `LimitExceeded` `Nested` `Closed`; nothing has changed then
   */
  commit(...events: readonly EventInput[]): CommitResult
  commit(transaction: Transaction): CommitResult
  commit(options: CommitOptions, ...events: readonly EventInput[]): CommitResult
  commit(options: CommitOptions, transaction: Transaction): CommitResult
  commit(nothing: undefined): CommitResult
  commit(...args: readonly unknown[]): CommitResult {
    this.#checkChange('commit')
    const { options, events } = commitArgs(args)
    if (events.length === 0) return this.#receipts.committed(0)
    const { stale, receipt } = this.#apply(events, options.persisted)
    const refresh = () => this.#graph.invalidate(stale)
    if (options.skipRefresh) this.#deliveries.postpone(refresh)
    else this.#deliveries.together(refresh)
    return receipt
  }

  /**
   * Resolves when everything that this tab has committed so far is on disk; at once for a store in
   * memory.
   *
   * Rejects with `StorageFull` or another code of storage while the leader cannot write (it keeps
   * the events, goes on trying, and another `flush` may succeed); with the code of an event that it
   * could not take; with `Closed` if the store is shut down before.
   */
  async flush(): Promise<void> {
    this.#checkUse('flush')
    if (this.#storageMode === 'persisted') await this.#receipts.flushed()
  }

  /** Tells subscribers of the commits that were made with `skipRefresh`. */
  manualRefresh(): void {
    this.#checkChange('manualRefresh')
    this.#deliveries.deliver()
  }

  /**
   * Runs a query, or reads a signal. It leaves no live query behind.
   *
   * @throws LiveStoreError naming the query and its SQL
   */
  query<Result>(query: Queryable<Result>): Result
  query<S extends AnySchema>(query: RawStoreQuery<S> & { readonly schema: S }): SchemaOutput<S>
  query<Row = RawRow>(query: RawStoreQuery<undefined>): readonly Row[]
  query(query: Queryable<unknown> | RawStoreQuery): unknown {
    this.#checkUse('query')
    if (!isRawQuery(query)) return this.#graph.read(query as Queryable<unknown>)
    const { query: sql, bindValues = [], schema } = query
    if (schema !== undefined) return this.#graph.read(queryDb({ query: sql, bindValues, schema }))
    try {
      return this.#session.query(sql, replaceSessionId(bindValues, this.sessionId) as Binds)
    } catch (thrown) {
      throw queryError(thrown, sql, sql)
    }
  }

  /**
   * Calls `onUpdate` with the result now, and after every change that makes it another one. Without
   * a callback it returns the results as an async iterator.
   *
   * A callback that throws disturbs neither the commit nor other subscribers; its error is given to
   * `reportError`, and so is that of a query which fails later.
   *
   * @throws LiveStoreError if the query cannot be run now
   */
  subscribe<Result>(
    query: Queryable<Result>,
    onUpdate: (result: Result) => void,
    options?: SubscribeOptions<Result>,
  ): Unsubscribe
  subscribe<Result>(
    query: Queryable<Result>,
    options: SubscribeOptions<Result> & { readonly onUpdate: (result: Result) => void },
  ): Unsubscribe
  subscribe<Result>(
    query: Queryable<Result>,
    options?: SubscribeOptions<Result>,
  ): AsyncIterableIterator<Result, undefined>
  subscribe<Result>(
    query: Queryable<Result>,
    second?:
      | ((result: Result) => void)
      | (SubscribeOptions<Result> & { readonly onUpdate?: (result: Result) => void }),
    third?: SubscribeOptions<Result>,
  ): Unsubscribe | AsyncIterableIterator<Result, undefined> {
    this.#checkUse('subscribe')
    if (typeof second === 'function') return this.#subscribe(query, second, third ?? {})
    const { onUpdate, ...options } = second ?? {}
    if (onUpdate === undefined && (second === undefined || isPlainObject(second))) {
      return this.#iterate(query, options)
    }
    if (typeof onUpdate === 'function') return this.#subscribe(query, onUpdate, options)
    throw new LiveStoreError(
      'InvalidArgument',
      `subscribe: expected a callback or options, got ${describe(second)}`,
    )
  }

  /** Sets a signal, to `value` or to what a function makes of the current value. */
  setSignal<Value>(
    signal: SignalDef<Value> | LiveQuery<Value>,
    value: Value | ((current: Value) => Value),
  ): void {
    this.#checkChange('setSignal')
    const instance = this.#graph.signal(signal)
    const next =
      typeof value === 'function' ? (value as (current: Value) => Value)(instance.peek()) : value
    this.#deliveries.together(() => instance.set(next))
  }

  /**
   * The events of the log in their order, from `since` on, and those to come. Only what will never
   * be rolled back: with a sync backend, what it has put into its order. Client-only events, and
   * those that the schema does not know, are left out. It ends after `until`, or with the store.
   *
   * A reader goes on where it stopped by giving the `seqNum` of its last event as `since`.
   *
   * @throws LiveStoreError `InvalidArgument`, when the first event is asked for
   */
  events(options: EventsOptions = {}): AsyncIterable<LoggedEvent> {
    this.#checkUse('events')
    return this.#readEvents(options)
  }

  /** What the leader has confirmed, and how much it has not. */
  syncStatus(): SyncStatus {
    this.#checkUse('syncStatus')
    return this.#syncStatus()
  }

  /** Calls `onUpdate` with the sync status now and after every change. */
  subscribeSyncStatus(onUpdate: (status: SyncStatus) => void): Unsubscribe {
    this.#checkUse('subscribeSyncStatus')
    let last: SyncStatus | undefined
    const receiver = {
      order: nextOrder(),
      deliver: () => {
        if (!this.#statusReceivers.has(receiver)) return
        const status = this.#syncStatus()
        if (last !== undefined && isSameStatus(status, last)) return
        last = status
        onUpdate(status)
      },
    }
    this.#statusReceivers.add(receiver)
    receiver.deliver()
    return () => {
      this.#statusReceivers.delete(receiver)
      this.#deliveries.remove(receiver)
    }
  }

  /**
   * Ends the store. Every other call throws from now on; subscribers hear no more. The promise
   * resolves when the leader has what was pending (or `SHUTDOWN_DRAIN_MS_MAX` has passed) and the
   * connection to it is closed. Receipts that are open then are rejected with `Closed`. Events that
   * are not on disk then are journaled for the next leader, and `onError` is told how many, and
   * why. Later calls return the same promise.
   */
  shutdown(): Promise<void> {
    if (this.#shutdown === undefined) {
      this.#checkNotNested('shutdown')
      this.#shutdown = this.#end()
      for (const listener of [...this.#shutdownListeners]) listener()
      this.#shutdownListeners.clear()
    }
    return this.#shutdown
  }

  /** As `shutdown`. */
  shutdownPromise(): Promise<void> {
    return this.shutdown()
  }

  toJSON(): unknown {
    return { _tag: 'livestore.Store', storeId: this.storeId }
  }

  #internals(): StoreInternals {
    return {
      instance: (query) => {
        this.#checkUse('useQuery')
        return this.#graph.instance(query)
      },
      watch: (instance, onChange) => {
        const subscription = new Subscription(instance, this.#deliveries, onChange)
        return () => subscription.end()
      },
      onShutdown: (listener) => {
        if (this.#shutdown !== undefined) listener()
        else this.#shutdownListeners.add(listener)
        return () => this.#shutdownListeners.delete(listener)
      },
      liveQueryCount: () => this.#graph.liveCount,
    }
  }

  #onFollow({ stale, rejected }: FollowOutcome): void {
    this.#wakeLogReaders()
    this.#deliveries.together(() => this.#graph.invalidate(stale))
    if (rejected.length === 0) return
    this.#receipts.rejected(rejected)
    this.#reportRejected(rejected)
  }

  #onStatus(): void {
    this.#wakeLogReaders()
    for (const receiver of this.#statusReceivers) this.#deliveries.add(receiver)
  }

  async *#readEvents(options: EventsOptions): AsyncGenerator<LoggedEvent> {
    const { readEvents } = await import('./logged-events.js')
    yield* readEvents(this.schema, this.params, options, {
      read: async (after, count) => this.#driver?.readLog(after, count),
      changed: () =>
        new Promise((resolve) => {
          if (this.#shutdown !== undefined) resolve()
          else this.#logReaders.add(resolve)
        }),
    })
  }

  #wakeLogReaders(): void {
    for (const wake of this.#logReaders) wake()
    this.#logReaders.clear()
  }

  /** Encodes, commits and sends. Nothing has changed if it throws. */
  #apply(
    events: readonly EventInput[],
    persisted = true,
  ): { readonly stale: readonly number[]; readonly receipt: CommitResult } {
    const prepared = events.map((event) => this.#commitEvent(event))
    const commit = (list: readonly CommitEvent[]) => this.#session.commit(list, persisted)
    const stale = this.#parts.defaults?.commitWithDefaults(prepared, commit) ?? commit(prepared)
    const receipt = this.#receipts.committed(persisted ? events.length : 0)
    if (!persisted) {
      this.#driver?.sendPassing()
      return { stale, receipt }
    }
    this.#driver?.schedulePush()
    if (this.#isPageEnding) this.#journal()
    this.#onStatus()
    return { stale, receipt }
  }

  #commitEvent(event: EventInput): CommitEvent {
    const { name } = event
    const eventDef = getEventDef(this.schema, name)
    const { json, args } = eventDef[EventCodecSymbol].prepare(event, this.sessionId)
    const { clientOnly } = eventDef.options
    logDeprecationWarnings(eventDef, args)
    return { name, args, argsJson: json, clientOnly, schemaHash: EVENT_SCHEMA_HASH }
  }

  /** Reading a client document that does not exist creates it; subscribers hear of it later. */
  #createDocument(plan: QueryPlan): void {
    if (plan.createDocument === undefined) return
    this.#deliveries.checkRounds()
    const { stale } = this.#apply([plan.createDocument.event()])
    this.#graph.invalidate(stale)
  }

  #subscribe<Result>(
    query: Queryable<Result>,
    onUpdate: (result: Result) => void,
    options: SubscribeOptions<Result>,
  ): Unsubscribe {
    const instance = this.#graph.instance(query)
    let last: { readonly value: Result } | undefined
    const tell = (isInitial: boolean) => {
      const value = instance.peek()
      if (last !== undefined && Object.is(last.value, value)) return
      last = { value }
      if (!(isInitial && options.skipInitialRun)) onUpdate(value)
    }
    const subscription = new Subscription(instance, this.#deliveries, () => tell(false))
    const end = () => {
      this.#shutdownListeners.delete(end)
      subscription.end()
    }
    try {
      options.onSubscribe?.(instance)
      tell(true)
    } catch (thrown) {
      end()
      throw thrown
    }
    this.#shutdownListeners.add(end)
    let isOpen = true
    return () => {
      if (!isOpen) return
      isOpen = false
      end()
      options.onUnsubsubscribe?.()
    }
  }

  #iterate<Result>(
    query: Queryable<Result>,
    options: SubscribeOptions<Result>,
  ): AsyncIterableIterator<Result, undefined> {
    let unsubscribe: Unsubscribe | undefined
    const queue = new ValueQueue<Result>(() => {
      this.#shutdownListeners.delete(end)
      unsubscribe?.()
    })
    const end = () => queue.end()
    unsubscribe = this.#subscribe(query, (value) => queue.push(value), options)
    this.#shutdownListeners.add(end)
    return queue
  }

  #syncStatus(): SyncStatus {
    const { localHead, upstreamHead, pendingCount } = this.#session.syncStatus()
    return {
      localHead: seqNumText(localHead),
      upstreamHead: seqNumText(upstreamHead),
      pendingCount,
      isSynced: pendingCount === 0,
    }
  }

  #reportRejected(rejected: readonly Rejection[]): void {
    const { onRejected } = this.#parts
    if (onRejected === undefined) {
      for (const { counter, event, accepted, code, message } of rejected) {
        // Of an accepted one the session knows the place only.
        const which = accepted ? seqNumText(event.seqNum) : `'${event.name}'`
        const count = counter === 0 ? 'not persisted' : `number ${counter} of this session`
        console.error(
          `livestore: the event ${which} (${count}) was rejected and rolled back (${code}): ` +
            message,
        )
      }
      return
    }
    try {
      onRejected(rejected)
    } catch (error) {
      reportToHost(error)
    }
  }

  async #end(): Promise<void> {
    await this.#driver?.drained(SHUTDOWN_DRAIN_MS_MAX)
    this.#driver?.close()
    this.#wakeLogReaders()
    this.#reportLeft()
    const text = `the store '${this.storeId}' was shut down before this was known`
    this.#receipts.end(new LiveStoreError('Closed', text))
    this.#isEnded = true
    this.#graph.close()
    this.#session.close()
    await this.#parts.link.close()
  }

  /** Other listeners of the page's end may commit too, and are not all heard before this. */
  #pageEnds(): void {
    this.#journal()
    this.#isPageEnding = true
    setTimeout(() => {
      this.#isPageEnding = false
    })
  }

  /** Has effect when it returns. The page may also go on as if nothing was. */
  #journal(): void {
    const { link, report } = this.#parts
    if (link.journal === undefined || this.#isEnded || this.#storageMode === 'in-memory') return
    const push = this.#session.pendingAsPush()
    if (push === undefined) return
    let remove: () => void
    try {
      remove = link.journal.write(this.#session.instance, push)
    } catch (thrown) {
      const { pendingCount } = this.#session.syncStatus()
      const text = `${pendingCount} event(s) are not on disk yet, and cannot be journaled`
      const code = isLiveStoreError(thrown) ? thrown.code : 'Internal'
      report(new LiveStoreError(code, `${text}: ${messageOf(thrown)}`, { cause: thrown }))
      return
    }
    this.#receipts.settled().then(remove, () => undefined)
  }

  /** The end has come, and not everything is on disk. */
  #reportLeft(): void {
    const { pendingCount } = this.#session.syncStatus()
    if (pendingCount === 0) return
    this.#journal()
    const { code, message } = this.#receipts.trouble ?? {
      code: 'StorageBusy',
      message: `the leader did not take them within ${SHUTDOWN_DRAIN_MS_MAX} ms`,
    }
    const what = `${pendingCount} event(s) not on disk`
    const text = `the store '${this.storeId}' was shut down with ${what}: ${message}`
    this.#parts.report(new LiveStoreError(code, text))
  }

  #checkUse(operation: string): void {
    if (this.#shutdown !== undefined) {
      const cause = this.#cause
      throw new LiveStoreError(
        cause?.code ?? 'Closed',
        `${operation}: the store '${this.storeId}' has been shut down` +
          (cause === undefined ? '' : `: ${cause.message}`),
      )
    }
    if (this.#parts.isMaterializing()) {
      throw new LiveStoreError(
        'Nested',
        `${operation} was called inside a materializer, which may only use its context's query`,
      )
    }
  }

  #checkChange(operation: string): void {
    this.#checkUse(operation)
    this.#checkNotNested(operation)
    this.#deliveries.checkRounds()
  }

  #checkNotNested(operation: string): void {
    const where = this.#parts.isMaterializing()
      ? 'a materializer'
      : this.#graph.isEvaluating
        ? 'a query function'
        : undefined
    if (where === undefined) return
    throw new LiveStoreError(
      'Nested',
      `${operation} was called inside ${where}, which must not change anything`,
    )
  }
}

const isRawQuery = (value: unknown): value is RawStoreQuery =>
  isPlainObject(value) && typeof value.query === 'string'

const seqNumText = ({ global, client, generation }: SeqNum): string =>
  `e${global}${client > 0 ? `.${client}` : ''}${generation > 0 ? `r${generation}` : ''}`

const isSameStatus = (a: SyncStatus, b: SyncStatus): boolean =>
  a.localHead === b.localHead &&
  a.upstreamHead === b.upstreamHead &&
  a.pendingCount === b.pendingCount
