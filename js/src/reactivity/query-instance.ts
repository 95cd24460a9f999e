/**
 * One live query of one store: evaluates a definition, and remembers the result while somebody
 * watches.
 *
 *     observe ──► computed ──► evaluate ──► other instances, SqlSource
 *
 * There are two ways to a value. Watched, `computed` of signals-core caches it and knows what it
 * depends on, anew at every run. Unwatched, it is evaluated once and nothing is kept: a read leaves
 * no live query behind.
 *
 * A value that equals the one before is the one before, so that whoever depends on it is not told.
 */

import { computed, effect, type ReadonlySignal } from '@preact/signals-core'
import { LiveStoreError } from '../errors.js'
import { deepEqual } from '../schema/values.js'
import {
  type GetQuery,
  type LiveQuery,
  type LiveQueryDef,
  LiveQuerySymbol,
  type Queryable,
  QueryDefSymbol,
  type QuerySpec,
  type SignalDef,
} from './definitions.js'
import { queryError } from './query-error.js'
import { type QueryPlan, queryPlan } from './query-plan.js'

/** How an evaluation reaches rows and other queries: watching them, or just once. */
export interface QueryReader {
  rows(plan: QueryPlan): readonly unknown[]
  get<Result>(query: Queryable<Result>): Result
}

/** What instances need of the graph they belong to. */
export interface InstanceHost {
  readonly sessionId: string
  readonly watching: QueryReader
  once(): QueryReader
  /** Commits the default of a client document that does not exist yet. */
  createDocument(plan: QueryPlan): void
  /** No event may be committed and no signal set between these two. */
  enterEvaluation(): void
  leaveEvaluation(): void
  onUnwatched(instance: Instance<unknown>): void
  /** Lets cached values know of what changed during an evaluation. */
  settle(): void
}

/** A query or a signal of one store. */
export interface Instance<Result> extends LiveQuery<Result> {
  /** The value, and a dependency on it for the computation in progress. */
  track(): Result
  peek(): Result
  /** Calls `onChange` after every change, until the returned function is called. */
  observe(onChange: () => void): () => void
  readonly isWatched: boolean
  /** Equal keys are one instance; a signal has none. */
  readonly key: string | undefined
}

let instanceCount = 0
export const nextInstanceId = (): number => {
  instanceCount += 1
  return instanceCount
}

/** Runs `track` now and after every change; tells only of the changes. */
export const observeTracked = (track: () => unknown, onChange: () => void): (() => void) => {
  let isFirst = true
  return effect(() => {
    try {
      track()
    } catch {
      // Whoever is told reads the value, and gets the error then.
    }
    if (isFirst) isFirst = false
    else onChange()
  })
}

export class QueryInstance<Result> implements Instance<Result> {
  readonly id = nextInstanceId()
  readonly def: LiveQueryDef<Result>
  readonly key: string
  readonly #host: InstanceHost
  readonly #spec: QuerySpec
  #staticPlan: QueryPlan | undefined
  #last: Evaluation<Result> | undefined
  #computed: ReadonlySignal<Result> | undefined
  #isWatched = false
  #isEvaluating = false

  constructor(def: LiveQueryDef<Result>, host: InstanceHost) {
    this.def = def
    this.#spec = def[QueryDefSymbol]
    this.key = this.#spec.key
    this.#host = host
  }

  get [LiveQuerySymbol](): unknown {
    return this.#host
  }

  get _tag(): 'db' | 'computed' {
    return this.#spec.kind
  }

  get label(): string {
    return this.def.label
  }

  get isWatched(): boolean {
    return this.#isWatched
  }

  run(): Result {
    return this.peek()
  }

  track(): Result {
    if (this.#isEvaluating) throw this.#cycle()
    this.#computed ??= computed(() => this.#remember(this.evaluate(this.#host.watching)), {
      watched: () => {
        this.#isWatched = true
      },
      unwatched: () => {
        this.#isWatched = false
        this.#host.onUnwatched(this)
      },
    })
    return this.#computed.value
  }

  peek(): Result {
    this.#host.settle()
    return this.#isWatched && this.#computed && !this.#isEvaluating
      ? this.#computed.peek()
      : this.evaluate(this.#host.once()).value
  }

  observe(onChange: () => void): () => void {
    return observeTracked(() => this.track(), onChange)
  }

  /** Runs the query through `reader`. @throws LiveStoreError naming the query */
  evaluate(reader: QueryReader): Evaluation<Result> {
    if (this.#isEvaluating) throw this.#cycle()
    let plan: QueryPlan | undefined
    let isOpen = true
    const get: GetQuery = (query) => {
      if (!isOpen)
        throw new LiveStoreError(
          'InvalidQuery',
          'get was called after the query function had returned',
        )
      return reader.get(query)
    }
    this.#isEvaluating = true
    this.#host.enterEvaluation()
    try {
      if (this.#spec.kind === 'computed') {
        return { plan: undefined, rows: undefined, value: this.#spec.fn(get) as Result }
      }
      plan = this.#plan(this.#spec, get)
      let rows = reader.rows(plan)
      if (rows.length === 0 && plan.createDocument) {
        this.#host.createDocument(plan)
        rows = reader.rows(plan)
      }
      const last = this.#last
      if (last !== undefined && last.plan === plan && last.rows === rows) return last
      const result = plan.finish(rows)
      const { map } = this.#spec
      return { plan, rows, value: (map ? map(result as never) : result) as Result }
    } catch (thrown) {
      throw queryError(thrown, this.label, plan?.sql)
    } finally {
      isOpen = false
      this.#isEvaluating = false
      this.#host.leaveEvaluation()
    }
  }

  #plan(spec: QuerySpec & { kind: 'db' }, get: GetQuery): QueryPlan {
    if (spec.source.form === 'function') {
      return queryPlan(spec.source.fn(get), this.label, this.#host.sessionId)
    }
    const input = spec.source.form === 'builder' ? spec.source.builder : spec.source.raw
    this.#staticPlan ??= queryPlan(input, this.label, this.#host.sessionId)
    return this.#staticPlan
  }

  #remember(next: Evaluation<Result>): Result {
    const last = this.#last
    if (last === next) return last.value
    const isEqual =
      last !== undefined && !this.#isSurelyOther(next, last) && deepEqual(next.value, last.value)
    this.#last = isEqual ? { ...next, value: last.value } : next
    return this.#last.value
  }

  /** Other rows of the same statement are another result, unless a function was applied to them. */
  #isSurelyOther(next: Evaluation<Result>, last: Evaluation<Result>): boolean {
    const { plan, rows } = next
    if (plan === undefined || last.plan === undefined) return false
    const isMapped = this.#spec.kind === 'db' && this.#spec.map !== undefined
    return plan.isFaithful && !isMapped && plan.key === last.plan.key && rows !== last.rows
  }

  #cycle(): LiveStoreError {
    return new LiveStoreError('InvalidQuery', `query '${this.label}' depends on itself`)
  }
}

interface Evaluation<Result> {
  readonly plan: QueryPlan | undefined
  readonly rows: unknown
  readonly value: Result
}

/** The value of a signal definition in one store. */
export class SignalInstance<Value> implements Instance<Value> {
  readonly _tag = 'signal'
  readonly id = nextInstanceId()
  readonly key = undefined
  readonly isWatched = true
  readonly def: SignalDef<Value>
  readonly #host: unknown
  readonly #value: { value: Value; peek(): Value }

  constructor(def: SignalDef<Value>, host: unknown, value: { value: Value; peek(): Value }) {
    this.def = def
    this.#host = host
    this.#value = value
  }

  get [LiveQuerySymbol](): unknown {
    return this.#host
  }

  get label(): string {
    return this.def.label
  }

  run(): Value {
    return this.peek()
  }

  track(): Value {
    return this.#value.value
  }

  peek(): Value {
    return this.#value.peek()
  }

  set(value: Value): void {
    this.#value.value = value
  }

  observe(onChange: () => void): () => void {
    return observeTracked(() => this.track(), onChange)
  }
}
