/**
 * Events that a table has for free: a row was inserted, rows were updated, rows were deleted. Right
 * for tables whose changes have no meaning beyond that.
 *
 *     const todoEvents = State.SQLite.enableCud(todos)
 *     const materializers = { ...others, ...todoEvents.materializers }
 *     makeSchema({ events: todoEvents.events, state: makeState({ tables, materializers }) })
 *     store.commit(todoEvents.events.updated({ where: { id }, values: { done: true } }))
 */

import { Builder } from '../query/builder.js'
import type { StandardSchema } from './codec.js'
import type { Columns, InsertOf, InsertType } from './columns.js'
import { type AnyEventDef, type EventDef, makeEventCodec, makeEventDef } from './events.js'
import type { AnyMaterializer } from './materialize.js'
import { checkName } from './names.js'
import type { TableDef } from './table.js'
import { type TableInfo, TableInfoSymbol } from './table-info.js'
import { describe, isPlainObject } from './values.js'

/** Some columns of a table, with values. */
export type SomeValues<Cs extends Columns> = {
  readonly [K in keyof Cs]?: InsertType<Cs[K]> | undefined
}

export interface CudEvents<Name extends string, Cs extends Columns> {
  readonly events: {
    /** A row is inserted. */
    readonly inserted: EventDef<`${Name}Inserted`, InsertOf<Cs>, unknown, true>
    /** The rows that have the values of `where` get those of `values`. */
    readonly updated: EventDef<
      `${Name}Updated`,
      { readonly where: SomeValues<Cs>; readonly values: SomeValues<Cs> },
      unknown,
      true
    >
    /** The rows that have the values of `where` are deleted. */
    readonly deleted: EventDef<`${Name}Deleted`, { readonly where: SomeValues<Cs> }, unknown, true>
  }
  /** To be added to those of the schema. */
  readonly materializers: { readonly [eventName: string]: AnyMaterializer }
}

type Values = { readonly [column: string]: unknown }
type Args = { readonly where: Values; readonly values: Values }

/**
 * The insert, update and delete events of `table`, and their materializers. With `clientOnly` they
 * stay in this browser.
 *
 * An event throws LiveStoreError `InvalidEventArgs` for a column or value that does not fit, for
 * bytes, which events cannot carry, and for a `where` without any column.
 */
export const enableCud = <Name extends string, Cs extends Columns>(
  table: TableDef<Name, Cs>,
  { clientOnly = false }: { readonly clientOnly?: boolean | undefined } = {},
): CudEvents<Name, Cs> => {
  const info = table[TableInfoSymbol]
  const rows = () => new Builder(() => info)
  const parts = (args: unknown, convert: typeof encodeValues, ...names: readonly string[]) => {
    const given = isPlainObject(args) ? args : {}
    return Object.fromEntries(names.map((name) => [name, convert(info, given[name], name)]))
  }
  const define = (
    suffix: string,
    convert: (args: unknown, way: typeof encodeValues) => unknown,
  ) => {
    const name = checkName(`${info.name}${suffix}`, 'event')
    const encode = (args: unknown) => convert(args, encodeValues)
    const decode = (args: unknown) => convert(args, decodeValues)
    const codec = makeEventCodec(name, encode, decode, () => undefined)
    const options = { clientOnly, derived: true }
    return makeEventDef(
      (args: unknown) => codec.make(args),
      name,
      argsSchema(decode),
      codec,
      options,
    )
  }
  const inserted = define('Inserted', (args, way) => way(info, args, 'values'))
  const updated = define('Updated', (args, way) => parts(args, way, 'where', 'values'))
  const deleted = define('Deleted', (args, way) => parts(args, way, 'where'))
  const materializers: Record<string, AnyMaterializer> = {
    [inserted.name]: (values: Values) => rows().insert(values) as never,
    [updated.name]: ({ where, values }: Args) => rows().where(where).update(values) as never,
    [deleted.name]: ({ where }: Args) => rows().where(where).delete() as never,
  }
  const events: { readonly [key: string]: AnyEventDef } = { inserted, updated, deleted }
  return { events, materializers } as unknown as CudEvents<Name, Cs>
}

/** As JSON can carry them. */
const encodeValues = (info: TableInfo, values: unknown, what: string): Values =>
  convertValues(info, values, what, (column, value) => {
    const stored = column.codec().encode(value)
    if (stored instanceof Uint8Array) throw new Error(`column '${column.name}' holds bytes`)
    return stored
  })

const decodeValues = (info: TableInfo, values: unknown, what: string): Values =>
  convertValues(info, values, what, (column, stored) => {
    const { decode } = column.codec()
    return decode === undefined ? stored : decode(stored as never)
  })

const convertValues = (
  info: TableInfo,
  values: unknown,
  what: string,
  convert: (column: TableInfo['columns'][number], value: unknown) => unknown,
): Values => {
  if (!isPlainObject(values))
    throw new Error(`expected columns, got ${describe(values)} at ${what}`)
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  if (what === 'where' && given.length === 0) throw new Error('where names no column')
  return Object.fromEntries(
    given.map(([name, value]) => {
      const column = info.column(name)
      if (column === undefined) throw new Error(`table '${info.name}' has no column '${name}'`)
      return [name, convert(column, value)]
    }),
  )
}

/** The arguments as a Standard Schema, for tools that look at event definitions. */
const argsSchema = (decode: (args: unknown) => unknown): StandardSchema => ({
  '~standard': {
    version: 1,
    vendor: 'livestore-wasm',
    validate: (args) => {
      try {
        return { value: decode(args) }
      } catch (thrown) {
        return { issues: [{ message: String(thrown) }] }
      }
    },
  },
})
