/**
 * All live queries and signals of one store: finds the instance of a definition, runs queries, and
 * turns "these live queries of the engine are stale" into "these subscribers are to be told".
 *
 * Dependencies, caching and the order of recomputation are signals-core's. What is ours: one live
 * query in the engine per statement and binds, ended when nobody watches it any more. The end waits
 * for a microtask, so that a component that unmounts and mounts again keeps its results.
 */

import { batch, signal, untracked } from '@preact/signals-core'
import { LiveStoreError } from '../errors.js'
import { isQueryBuilder } from '../query/builder.js'
import { describe } from '../schema/values.js'
import {
  builderKey,
  isLiveQuery,
  isQueryDef,
  isSignalDef,
  type LiveQueryDef,
  LiveQuerySymbol,
  type Queryable,
  QueryDefSymbol,
  queryDb,
  type SignalDef,
} from './definitions.js'
import {
  type Instance,
  type InstanceHost,
  QueryInstance,
  type QueryReader,
  SignalInstance,
} from './query-instance.js'
import type { QueryPlan } from './query-plan.js'
import { type QueryEngine, SqlSource } from './sql-source.js'

export interface GraphOptions {
  readonly engine: QueryEngine
  readonly sessionId: string
  readonly createDocument: (plan: QueryPlan) => void
}

export class QueryGraph implements InstanceHost {
  readonly sessionId: string
  readonly #engine: QueryEngine
  readonly #createDocument: (plan: QueryPlan) => void
  readonly #sources = new Map<string, SqlSource>()
  readonly #sourceByLiveId = new Map<number, SqlSource>()
  readonly #instances = new Map<string, QueryInstance<unknown>>()
  readonly #signals = new WeakMap<SignalDef<unknown>, SignalInstance<unknown>>()
  readonly #unwatched = new Set<SqlSource | Instance<unknown>>()
  readonly #changed = new Set<SqlSource>()
  #evaluations = 0
  #isClosed = false

  constructor(options: GraphOptions) {
    this.sessionId = options.sessionId
    this.#engine = options.engine
    this.#createDocument = options.createDocument
  }

  /** True while a function of the app runs that may read and must not change anything. */
  get isEvaluating(): boolean {
    return this.#evaluations > 0
  }

  /** Live queries that the engine keeps for this store. */
  get liveCount(): number {
    return this.#sourceByLiveId.size
  }

  /** The current result. Leaves nothing behind. */
  read<Result>(query: Queryable<Result>): Result {
    return untracked(() => this.#find(query).peek())
  }

  /** The instance of a query; it is kept for as long as somebody watches it. */
  instance<Result>(query: Queryable<Result>): Instance<Result> {
    const instance = this.#find(query)
    if (instance instanceof QueryInstance) {
      this.#instances.set(instance.key, instance)
      if (!instance.isWatched) this.onUnwatched(instance)
    }
    return instance
  }

  /** @throws LiveStoreError `InvalidQuery` if `query` is not a signal */
  signal<Value>(query: SignalDef<Value> | Queryable<Value>): SignalInstance<Value> {
    const instance = this.#find<Value>(query)
    if (instance instanceof SignalInstance) return instance
    throw new LiveStoreError(
      'InvalidQuery',
      `'${instance.label}' is not a signal and cannot be set`,
    )
  }

  /** Tells whoever depends on these live queries of the engine. */
  invalidate(liveIds: readonly number[]): void {
    for (const id of liveIds) {
      const source = this.#sourceByLiveId.get(id)
      if (source === undefined) continue
      source.markStale()
      this.#changed.add(source)
    }
    this.settle()
  }

  /** Ends every live query of the engine. What is watched keeps its last value. */
  close(): void {
    this.#isClosed = true
    for (const source of this.#sources.values()) source.close()
    this.#sources.clear()
    this.#sourceByLiveId.clear()
    this.#instances.clear()
  }

  // --- for instances ---

  readonly watching: QueryReader = {
    rows: (plan) => this.#watchedSource(plan).read(),
    get: (query) => this.instance(query).track(),
  }

  once(): QueryReader {
    const seen = new Map<string, { readonly instance: Instance<unknown>; value?: unknown }>()
    const get = <Result>(query: Queryable<Result>): Result => {
      const found = this.#find(query)
      if (!(found instanceof QueryInstance) || found.isWatched) return found.peek()
      let entry = seen.get(found.key)
      if (entry === undefined) {
        entry = { instance: found }
        seen.set(found.key, entry)
      }
      if (!('value' in entry))
        entry.value = (entry.instance as QueryInstance<Result>).evaluate(reader).value
      return entry.value as Result
    }
    const reader: QueryReader = { rows: (plan) => this.#rowsOnce(plan), get }
    return reader
  }

  createDocument(plan: QueryPlan): void {
    this.#createDocument(plan)
  }

  enterEvaluation(): void {
    this.#evaluations += 1
  }

  leaveEvaluation(): void {
    this.#evaluations -= 1
    // Only a document created during the evaluation brings this about. Its own computation has not
    // ended yet, and nobody may be told before it has.
    if (this.#changed.size > 0) queueMicrotask(() => this.settle())
  }

  settle(): void {
    if (this.#evaluations > 0 || this.#changed.size === 0) return
    const changed = [...this.#changed]
    this.#changed.clear()
    batch(() => {
      for (const source of changed) source.announce()
    })
  }

  onUnwatched(unwatched: SqlSource | Instance<unknown>): void {
    this.#unwatched.add(unwatched)
    if (this.#unwatched.size === 1) queueMicrotask(() => this.#sweep())
  }

  #find<Result>(query: Queryable<Result>): Instance<Result> {
    if (isLiveQuery(query)) {
      if (query[LiveQuerySymbol] === this) return query as Instance<Result>
      throw new LiveStoreError(
        'InvalidQuery',
        `live query '${query.label}' belongs to another store`,
      )
    }
    if (isSignalDef(query)) return this.#signalOf(query as SignalDef<Result>)
    if (isQueryDef(query)) {
      const def = query as LiveQueryDef<Result>
      return this.#known(def[QueryDefSymbol].key) ?? new QueryInstance(def, this)
    }
    if (isQueryBuilder(query)) {
      return this.#known(builderKey(query)) ?? new QueryInstance(queryDb(query), this)
    }
    throw new LiveStoreError(
      'InvalidQuery',
      `expected a query builder, a live query or a signal, got ${describe(query)}`,
    )
  }

  #known<Result>(key: string): Instance<Result> | undefined {
    return this.#instances.get(key) as QueryInstance<Result> | undefined
  }

  #signalOf<Value>(def: SignalDef<Value>): SignalInstance<Value> {
    const known = this.#signals.get(def)
    if (known !== undefined) return known as SignalInstance<Value>
    const made = new SignalInstance(def, this, signal(def[QueryDefSymbol].initial))
    this.#signals.set(def, made as SignalInstance<unknown>)
    return made
  }

  #watchedSource(plan: QueryPlan): SqlSource {
    const known = this.#sources.get(plan.key)
    if (known !== undefined) return known
    if (this.#isClosed) throw new LiveStoreError('Closed', 'the store has been shut down')
    const source = new SqlSource(this.#engine, plan, {
      onOpen: (liveId) => this.#sourceByLiveId.set(liveId, source),
      onUnwatched: () => this.onUnwatched(source),
    })
    this.#sources.set(plan.key, source)
    return source
  }

  #rowsOnce(plan: QueryPlan): readonly unknown[] {
    const source = this.#sources.get(plan.key)
    return source?.isWatched ? source.peek() : this.#engine.query(plan.sql, plan.binds, plan.shape)
  }

  #sweep(): void {
    const unwatched = [...this.#unwatched]
    this.#unwatched.clear()
    for (const item of unwatched) {
      if (item.isWatched || this.#isClosed) continue
      if (item instanceof SqlSource) {
        if (item.liveId !== undefined) this.#sourceByLiveId.delete(item.liveId)
        this.#sources.delete(item.key)
        item.close()
        // A computation that still remembers this source has to look for its successor.
        item.announce()
      } else if (item.key !== undefined && this.#instances.get(item.key) === item) {
        this.#instances.delete(item.key)
      }
    }
  }
}
