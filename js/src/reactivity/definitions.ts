/**
 * Definitions of live queries and signals: what an app declares once, at module level or in a
 * component, and what each store then makes an instance of.
 *
 *     queryDb(todos.where({ done: false }))        one statement
 *     queryDb((get) => todos.where(get(filter$)))  a statement that depends on other queries
 *     computed((get) => get(a$).length)            any function of other queries
 *     signal('all')                                a value that is set, not stored
 *
 * A definition is plain data and knows no store. Two definitions share an instance only if nothing
 * could tell them apart: same statement, binds, result, label and `map`; for functions the same
 * function object, or the same source text and the same `deps`.
 *
 * Definitions are recognised by `QueryDefSymbol`, never by identity: entries of this package may be
 * bundled apart.
 */

import { LiveStoreError } from '../errors.js'
import { isQueryBuilder } from '../query/builder.js'
import { type Query, QueryBuilderAstSymbol } from '../query/types.js'
import type { SchemaOutput } from '../schema/codec.js'
import { type AnySchema, checkSchema } from '../schema/codec.js'
import { describe, isPlainObject, SessionIdSymbol } from '../schema/values.js'

export const QueryDefSymbol: unique symbol = Symbol.for('livestore-wasm/query-def')
export const LiveQuerySymbol: unique symbol = Symbol.for('livestore-wasm/live-query')
declare const ResultType: unique symbol

/** Values for the parameters of a raw statement, by position or by name. */
export type RawBindValue = null | number | bigint | string | boolean | Uint8Array | SessionIdSymbol
export type RawBinds = readonly RawBindValue[] | Readonly<Record<string, RawBindValue>>

/** A statement of the app's own, with the schema of its array of rows. */
export interface RawQuery<S extends AnySchema = AnySchema> {
  readonly query: string
  readonly schema: S
  readonly bindValues?: RawBinds | undefined
  /** Accepted for compatibility; the engine finds out itself which tables a statement reads. */
  readonly queriedTables?: ReadonlySet<string> | undefined
}

/** Everything that has a current value and can be watched. */
export type Queryable<Result> =
  | LiveQueryDef<Result>
  | SignalDef<Result>
  | LiveQuery<Result>
  | Query<Result>

/** Reads another query, and makes the one being defined depend on it. */
export type GetQuery = <Result>(query: Queryable<Result>) => Result

export type Deps = string | number | readonly (string | number | null | undefined)[]

export type DbInput = Query<unknown> | RawQuery
export type DbSource =
  | { readonly form: 'builder'; readonly builder: Query<unknown> }
  | { readonly form: 'raw'; readonly raw: RawQuery }
  | { readonly form: 'function'; readonly fn: (get: GetQuery) => unknown }

/** What the reactive graph evaluates. */
export type QuerySpec =
  | {
      readonly kind: 'db'
      readonly source: DbSource
      readonly map: ((result: never) => unknown) | undefined
      /** Equal keys may share an instance. */
      readonly key: string
    }
  | { readonly kind: 'computed'; readonly fn: (get: GetQuery) => unknown; readonly key: string }

export interface LiveQueryDef<Result> {
  readonly _tag: 'def'
  readonly label: string
  /** For tools: statement or function source, deps and binds. Not what decides sharing. */
  readonly hash: string
  readonly [QueryDefSymbol]: QuerySpec
  readonly [ResultType]?: Result
}

export interface SignalDef<Value> {
  readonly _tag: 'signal-def'
  readonly label: string
  readonly hash: string
  readonly [QueryDefSymbol]: { readonly kind: 'signal'; readonly initial: Value }
  /** A setter takes what a reader gets. */
  readonly [ResultType]?: Value
}

/** A query or signal of one store, as `onSubscribe` and `useClientDocument` hand it out. */
export interface LiveQuery<Result> {
  readonly _tag: 'db' | 'computed' | 'signal'
  readonly id: number
  readonly label: string
  readonly def: LiveQueryDef<Result> | SignalDef<Result>
  /** The current result. */
  run(): Result
  /** The graph it belongs to. */
  readonly [LiveQuerySymbol]: unknown
}

export interface QueryOptions {
  readonly label?: string | undefined
  /**
   * What a function captures from around it. Without `deps` every function object is a query of its
   * own; with them, equal source and equal `deps` mean equal queries.
   */
  readonly deps?: Deps | undefined
}

/**
 * Defines a live query on the database.
 *
 * @throws LiveStoreError `InvalidQuery` if `input` is not a query, `InvalidSchema` for a raw query
 *   without a schema
 */
export function queryDb<Result>(
  input: Query<Result> | ((get: GetQuery) => Query<Result>),
  options?: QueryOptions & { readonly map?: undefined },
): LiveQueryDef<Result>
export function queryDb<Result, Mapped>(
  input: Query<Result> | ((get: GetQuery) => Query<Result>),
  options: QueryOptions & { readonly map: (result: Result) => Mapped },
): LiveQueryDef<Mapped>
export function queryDb<S extends AnySchema>(
  input: RawQuery<S> | ((get: GetQuery) => RawQuery<S>),
  options?: QueryOptions & { readonly map?: undefined },
): LiveQueryDef<SchemaOutput<S>>
export function queryDb<S extends AnySchema, Mapped>(
  input: RawQuery<S> | ((get: GetQuery) => RawQuery<S>),
  options: QueryOptions & { readonly map: (result: SchemaOutput<S>) => Mapped },
): LiveQueryDef<Mapped>
export function queryDb(
  input: DbInput | ((get: GetQuery) => DbInput),
  options: QueryOptions & { readonly map?: ((result: never) => unknown) | undefined } = {},
): LiveQueryDef<unknown> {
  const { label, deps, map } = options
  const source = dbSource(input)
  const text = sourceText(source)
  const key = keyOf('db', sourceKey(source, deps), label, map && idOf(map))
  const spec = { kind: 'db', source, map, key } as const
  return makeDef(label ?? text.label, hashOf(text.hash, deps, text.binds), spec)
}

/** Defines a value computed from other queries. It is recomputed when one of them changes. */
export const computed = <Result>(
  fn: (get: GetQuery) => Result,
  options: QueryOptions = {},
): LiveQueryDef<Result> => {
  if (typeof fn !== 'function') {
    throw new LiveStoreError('InvalidQuery', `computed takes a function, got ${describe(fn)}`)
  }
  const { label, deps } = options
  const text = fn.toString()
  const key = keyOf('computed', functionKey(fn, deps), label)
  return makeDef(label ?? text, hashOf(text, deps, []), { kind: 'computed', fn, key })
}

let signalCount = 0

/**
 * Defines a value that `store.setSignal` changes and queries depend on. Each store has its own
 * current value, kept for as long as the definition is in use anywhere.
 */
export const signal = <Value>(
  initial: Value,
  options: { readonly label?: string | undefined } = {},
): SignalDef<Value> => {
  signalCount += 1
  return {
    _tag: 'signal-def',
    label: options.label ?? 'Signal',
    hash: `signal-${signalCount}`,
    [QueryDefSymbol]: { kind: 'signal', initial },
  }
}

/** As `signal`, by the name that the documentation of 0.3 has for it. */
export const makeRef = signal

/** True for whatever `query` and `subscribe` of a store take. */
export const isQueryable = (value: unknown): value is Queryable<unknown> =>
  isQueryBuilder(value) || isQueryDef(value) || isLiveQuery(value)

/** True for what `queryDb`, `computed` and `signal` return. */
export const isQueryDef = (value: unknown): value is LiveQueryDef<unknown> | SignalDef<unknown> =>
  typeof value === 'object' && value !== null && QueryDefSymbol in value

/** True for queries and signals of any store. */
export const isLiveQuery = (value: unknown): value is LiveQuery<unknown> =>
  typeof value === 'object' && value !== null && LiveQuerySymbol in value

export const isSignalDef = (value: unknown): value is SignalDef<unknown> =>
  isQueryDef(value) && value._tag === 'signal-def'

/**
 * Tells what `input` is. Also used for what a query function returns.
 *
 * @throws LiveStoreError `InvalidQuery`, `InvalidSchema`
 */
export const dbSource = (input: unknown): DbSource => {
  if (isQueryBuilder(input)) {
    const { kind, sql } = input.compile()
    if (kind === 'write') {
      throw new LiveStoreError(
        'ReadOnlyQuery',
        `a live query cannot write; commit an event: ${sql}`,
      )
    }
    return { form: 'builder', builder: input }
  }
  if (typeof input === 'function') {
    return { form: 'function', fn: input as (get: GetQuery) => unknown }
  }
  if (isPlainObject(input) && typeof input.query === 'string') {
    checkSchema(input.schema, `query ${describe(input.query)}`)
    return { form: 'raw', raw: input as unknown as RawQuery }
  }
  throw new LiveStoreError(
    'InvalidQuery',
    'a query is a query builder, { query, schema } or a function that returns one, ' +
      `got ${describe(input)}`,
  )
}

/** The key of `queryDb(builder)`, for those who only want to know whether there is an instance. */
export const builderKey = (builder: Query<unknown>): string =>
  keyOf('db', builderSourceKey(builder), undefined, undefined)

/** A text that is equal for equal binds only. */
export const bindsKey = (binds: RawBinds): string =>
  Array.isArray(binds)
    ? binds.map(bindKey).join(',')
    : Object.entries(binds)
        .map(([name, value]) => `${JSON.stringify(name)}:${bindKey(value as RawBindValue)}`)
        .join(',')

const bindKey = (bind: RawBindValue): string => {
  switch (typeof bind) {
    case 'string':
      return JSON.stringify(bind)
    case 'number':
      return Object.is(bind, -0) ? '-0' : String(bind)
    case 'bigint':
      return `${bind}n`
    case 'symbol':
      return '$session'
    case 'object':
      return bind === null ? 'null' : `x${bind.join('.')}`
    default:
      return String(bind)
  }
}

const makeDef = (label: string, hash: string, spec: QuerySpec): LiveQueryDef<never> => ({
  _tag: 'def',
  label,
  hash,
  [QueryDefSymbol]: spec,
})

/** One text for all parts, none of which can be taken for another. */
const keyOf = (...parts: readonly (string | undefined)[]): string => JSON.stringify(parts)

/** Keys of what gives the same rows, decoded in the same way. */
export const rowsKeys = {
  builder: (builder: Query<unknown>): string => {
    const { sql, binds, mode } = builder.compile()
    return keyOf(
      'builder',
      sql,
      bindsKey(binds),
      mode,
      idOf(builder[QueryBuilderAstSymbol].tableDef),
    )
  },
  raw: ({ query, bindValues = [] }: RawQuery): string => keyOf('raw', query, bindsKey(bindValues)),
}

const sourceKey = (source: DbSource, deps: Deps | undefined): string => {
  if (source.form === 'builder') return builderSourceKey(source.builder)
  if (source.form === 'function') return functionKey(source.fn, deps)
  return keyOf(rowsKeys.raw(source.raw), idOf(source.raw.schema))
}

/** One statement can give several results: `first()` and `limit(1)` differ when there is no row. */
const builderSourceKey = (builder: Query<unknown>): string => {
  const { first } = builder[QueryBuilderAstSymbol] as {
    readonly first?: { readonly whenEmpty: () => unknown }
  }
  return keyOf(rowsKeys.builder(builder), first && idOf(first.whenEmpty))
}

const functionKey = (fn: (get: GetQuery) => unknown, deps: Deps | undefined): string =>
  deps === undefined
    ? keyOf('function', idOf(fn))
    : keyOf('source', fn.toString(), JSON.stringify(deps))

type SourceText = { readonly label: string; readonly hash: string; readonly binds: RawBinds }

const sourceText = (source: DbSource): SourceText => {
  if (source.form === 'builder') {
    const { query, bindValues } = source.builder.asSql()
    return { label: query, hash: query, binds: bindValues }
  }
  if (source.form === 'raw') {
    const { query, bindValues = [] } = source.raw
    return { label: query, hash: query, binds: bindValues }
  }
  const text = source.fn.toString()
  return { label: text, hash: text, binds: [] }
}

const depsText = (deps: Deps | undefined): string =>
  typeof deps === 'object' ? deps.filter((dep) => dep != null).join(',') : String(deps ?? '')

const hashOf = (text: string, deps: Deps | undefined, binds: RawBinds): string =>
  [
    text,
    depsText(deps),
    Object.entries(binds)
      .map(([key, value]) => `${key}:${value === SessionIdSymbol ? 'SessionIdSymbol' : value}`)
      .join(','),
  ]
    .filter((part) => part !== '')
    .join('-')

const ids = new WeakMap<object, string>()
let idCount = 0

const copiesSymbol = Symbol.for('livestore-wasm/copies')
const copies = globalThis as unknown as { [copiesSymbol]?: number }

/** Tells copies of this module apart: each counts for itself, but definitions of all may meet. */
const copy = (copies[copiesSymbol] ?? 0) + 1
copies[copiesSymbol] = copy

/** A text that stands for the identity of `value`. */
const idOf = (value: object): string => {
  let id = ids.get(value)
  if (id === undefined) {
    idCount += 1
    id = `${copy}.${idCount}`
    ids.set(value, id)
  }
  return id
}
