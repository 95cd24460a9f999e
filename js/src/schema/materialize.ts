/**
 * Materializers: what an app's handler returns, turned into plain statements for the engine.
 *
 * Runs in the tab that commits and in the leader worker alike, for every event; whatever is not a
 * write is refused here, before the engine sees it.
 */

import { isLiveStoreError, LiveStoreError, messageOf } from '../errors.js'
import { isQueryBuilder } from '../query/builder.js'
import type { Query, QueryResult } from '../query/types.js'
import type { EventRecord, Materialize, Statement, StateReader } from '../wasm/values.js'
import { withDefaults } from './carried-defaults.js'
import type { DefaultsSupport } from './default-sources.js'
import { type AnyEventDef, type EventArgs, EventCodecSymbol } from './events.js'
import type { LiveStoreSchema } from './schema.js'
import { unknownEvent } from './unknown-events.js'
import { type BindValue, describe, isPlainObject, SessionIdSymbol } from './values.js'

/** Values for the parameters of a statement, in their order or by name without the prefix. */
export type BindValues =
  | readonly (BindValue | boolean | undefined)[]
  | { readonly [name: string]: BindValue | boolean | undefined }

export type RawStatement = {
  readonly sql: string
  readonly bindValues?: BindValues | undefined
  /** Accepted for compatibility; the engine finds out itself which tables a statement writes. */
  readonly writeTables?: ReadonlySet<string> | undefined
}

type Write = Query<unknown> | RawStatement | string
export type MaterializerResult =
  | Write
  | readonly MaterializerResult[]
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler may have no return statement.
  | void

/** The event that is materialized. Its numbers change when it is rebased and materialized again. */
export type MaterializedEvent<Args = unknown> = Omit<EventRecord, 'argsJson'> & {
  readonly args: Args
}

type RawQuery = { readonly query: string; readonly bindValues?: BindValues | undefined }

/** Reads state as it was before this event. */
export type MaterializerQuery = {
  <Q extends Query<unknown>>(query: Q): QueryResult<Q>
  (query: RawQuery): readonly { readonly [column: string]: BindValue }[]
}

export type MaterializerContext<Def = AnyEventDef> = {
  readonly query: MaterializerQuery
  readonly eventDef: Def
  readonly event: MaterializedEvent<EventArgs<Def>>
  /** Always empty: facts are accepted, and not evaluated. */
  readonly currentFacts: ReadonlyMap<string, unknown>
}

/** Must depend on nothing but its arguments: it runs again in every place that has the event. */
export type Materializer<Def = AnyEventDef> = (
  args: EventArgs<Def>,
  context: MaterializerContext<Def>,
) => MaterializerResult

/** Any materializer, whatever its event. */
export type AnyMaterializer = (args: never, context: never) => MaterializerResult

/**
 * The function the engine calls for every event of `schema`. `support` is `default-sources.ts`,
 * needed by a schema with `hasComputedDefaults`.
 *
 * It throws LiveStoreError `UnknownEvent`, `DecodeFailed`, `InvalidMaterializerResult`, or what
 * went wrong in the materializer: the error of a query builder with its own code, anything else as
 * `MaterializerThrew`.
 */
export const materializeWith =
  (schema: LiveStoreSchema, support?: Pick<DefaultsSupport, 'defaultsOf'>): Materialize =>
  (input, reader) => {
    const { local, argsJson, note: _, ...record } = input
    const { name } = record
    const eventDef = schema.eventsDefsMap.get(name)
    if (eventDef === undefined) return unknownEvent(schema, input)
    const args = local
      ? input.args
      : eventDef[EventCodecSymbol].decode(parseStoredArgs(name, argsJson))
    const context: MaterializerContext = {
      eventDef,
      event: { ...record, args },
      query: readWith(name, reader),
      currentFacts: noFacts,
    }
    // Every event of a schema has a materializer: makeSchema sees to it.
    const materializer = schema.state.materializers.get(name) as AnyMaterializer
    const defaults = support?.defaultsOf(input)
    let result: MaterializerResult
    try {
      result = withDefaults(defaults?.source, () => materializer(args as never, context as never))
    } catch (cause) {
      throw new LiveStoreError(
        isLiveStoreError(cause) ? cause.code : 'MaterializerThrew',
        `materializer of event '${name}': ${messageOf(cause)}`,
        { cause },
      )
    }
    const statements = normalizeMaterializerResult(name, result)
    defaults?.done()
    return statements
  }

/** Facts are not evaluated; the documentation calls them experimental. */
const noFacts: ReadonlyMap<string, unknown> = new Map()

const parseStoredArgs = (name: string, argsJson: string): unknown => {
  try {
    return JSON.parse(argsJson)
  } catch (cause) {
    const message = `stored arguments of event '${name}' are not JSON: ${messageOf(cause)}`
    throw new LiveStoreError('DecodeFailed', message, { cause })
  }
}

const readWith = (eventName: string, reader: StateReader): MaterializerQuery => {
  const query = (input: Query<unknown> | RawQuery): unknown => {
    if (!isQueryBuilder(input)) {
      return reader.query(input.query, normalizeBinds(eventName, input.bindValues))
    }
    const { sql, binds, decoders, mode, finish } = input.compile()
    if (binds.includes(SessionIdSymbol)) {
      throw new LiveStoreError('InvalidQuery', 'a materializer has no session of its own to query')
    }
    const rows = reader.query(sql, binds as readonly BindValue[], {
      decoders,
      pluck: mode === 'pluck',
    })
    return finish(rows)
  }
  return query as MaterializerQuery
}

/** Flattens what a materializer returned. @throws LiveStoreError `InvalidMaterializerResult` */
export const normalizeMaterializerResult = (
  eventName: string,
  result: unknown,
): readonly Statement[] => {
  const statements: Statement[] = []
  addStatements(eventName, result, statements)
  return statements
}

const addStatements = (eventName: string, result: unknown, into: Statement[]): void => {
  if (result === undefined) return
  if (Array.isArray(result)) {
    for (const item of result) addStatements(eventName, item, into)
  } else if (typeof result === 'string') {
    into.push({ sql: result, binds: [] })
  } else if (isQueryBuilder(result)) {
    const { kind, sql, binds } = result.compile()
    if (kind !== 'write') invalid(eventName, `a query that only reads (${sql})`)
    // An update of no columns compiles to nothing that writes.
    if (sql !== 'SELECT 1') into.push({ sql, binds: binds as readonly BindValue[] })
  } else if (isPlainObject(result) && typeof result.sql === 'string') {
    into.push({ sql: result.sql, binds: normalizeBinds(eventName, result.bindValues) })
  } else if (result instanceof Promise) {
    result.catch(() => undefined)
    invalid(eventName, 'a Promise; a materializer is synchronous')
  } else {
    invalid(eventName, describe(result))
  }
}

const invalid = (eventName: string, what: string): never => {
  throw new LiveStoreError(
    'InvalidMaterializerResult',
    `the materializer of event '${eventName}' returned ${what}; expected an insert, update or ` +
      'delete query, SQL, { sql, bindValues }, an array of these, or nothing',
  )
}

const normalizeBinds = (eventName: string, values: unknown): Statement['binds'] => {
  const refuse = (why: string): never => {
    throw new LiveStoreError('InvalidBind', `materializer of event '${eventName}': ${why}`)
  }
  const bind = (value: unknown, key: string | number): BindValue => {
    if (typeof value === 'boolean') return Number(value)
    if (isBindValue(value)) return value
    return refuse(`bind value ${key} is ${describe(value)}`)
  }
  if (values === undefined) return []
  if (Array.isArray(values)) return values.map(bind)
  if (!isPlainObject(values)) return refuse(`bindValues is ${describe(values)}`)
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, bind(value, key)]),
  )
}

const isBindValue = (value: unknown): value is BindValue =>
  value === null ||
  typeof value === 'string' ||
  typeof value === 'number' ||
  typeof value === 'bigint' ||
  value instanceof Uint8Array
