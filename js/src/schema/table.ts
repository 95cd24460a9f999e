/**
 * Tables. A table definition is a query for all of its rows: `todos.where(...)` needs no `.query`.
 */

import { LiveStoreError } from '../errors.js'
import { Builder } from '../query/builder.js'
import type { TableQuery } from '../query/types.js'
import type { WithDefault } from './annotations.js'
import { type EffectSchema, tableOfSchema } from './codec.js'
import {
  type ColumnDefinition,
  type Columns,
  type InsertOf,
  isColumnDefinition,
  type RowOf,
} from './columns.js'
import { COLUMNS_MAX, checkName, checkSqlName, foldName } from './names.js'
import { type IndexInfo, makeTableInfo, type TableInfo, TableInfoSymbol } from './table-info.js'
import { describe, isPlainObject } from './values.js'

export type IndexSpec<Column extends string = string> = {
  readonly name: string
  readonly columns: readonly Column[]
  readonly isUnique?: boolean | undefined
}

type TableParts<Name extends string, Cs extends Columns> = {
  readonly [TableInfoSymbol]: TableInfo
  readonly sqliteDef: {
    readonly name: Name
    readonly columns: Cs
    readonly indexes: readonly IndexInfo[]
  }
  readonly options: { readonly isClientDocumentTable: boolean }
  /** @deprecated The table itself: `todos.where(…)` needs no `.query`. */
  readonly query: TableQuery<Cs>
  /** Type of a row, only for `typeof table.Type`; there is no such value. */
  readonly Type: RowOf<Cs>
  /** Type of the values of an insert, as `Type`. */
  readonly Insert: InsertOf<Cs>
}

export type TableDef<Name extends string = string, Cs extends Columns = Columns> = TableParts<
  Name,
  Cs
> &
  TableQuery<Cs>

/** Any table, whatever its columns. */
export type AnyTableDef = Pick<TableParts<string, Columns>, typeof TableInfoSymbol | 'options'> & {
  readonly sqliteDef: { readonly name: string }
}

type ColumnsOrOne = Columns | ColumnDefinition
type ColumnsOf<C extends ColumnsOrOne> = C extends ColumnDefinition
  ? { readonly value: C }
  : C extends Columns
    ? C
    : never

/** What an effect schema says of a table. */
export interface SchemaTable {
  readonly name: string
  readonly columns: Columns
  readonly indexes: readonly IndexSpec[]
}

/** The type of a field in a row: one that can be missing is null there. */
type Stored<T> = undefined extends T ? Exclude<T, undefined> | null : T
type SchemaColumn<T, Omittable> = ColumnDefinition<
  Stored<T>,
  Stored<T>,
  Omittable extends true ? true : null extends Stored<T> ? true : false
>
/** The columns of a struct by its fields, of another schema by what it stores. */
type SchemaColumns<S> = S extends { readonly fields: infer Fields; readonly Type: infer Type }
  ? {
      readonly [K in keyof Fields & keyof Type]: SchemaColumn<
        Type[K],
        Fields[K] extends WithDefault ? true : false
      >
    }
  : S extends { readonly Encoded: infer Encoded }
    ? { readonly [K in keyof Encoded]-?: SchemaColumn<Encoded[K], false> }
    : never

/**
 * Defines a table: by its columns, or by an effect schema whose fields become columns. A single
 * column instead of a record makes a table whose only column is `value`. A schema can bring the
 * name, as its title or identifier.
 *
 * @throws LiveStoreError `InvalidSchema` naming what is wrong
 */
export function table<const Name extends string, const C extends ColumnsOrOne>(spec: {
  readonly name: Name
  readonly columns: C
  readonly indexes?: readonly IndexSpec<keyof ColumnsOf<C> & string>[] | undefined
}): TableDef<Name, ColumnsOf<C>>
export function table<const Name extends string = string, S extends EffectSchema = never>(spec: {
  readonly name?: Name
  readonly schema: S
  readonly indexes?: readonly IndexSpec<keyof SchemaColumns<S> & string>[] | undefined
}): TableDef<Name, SchemaColumns<S>>
export function table(spec: {
  readonly name?: string
  readonly columns?: unknown
  readonly schema?: unknown
  readonly indexes?: readonly IndexSpec[] | undefined
}): unknown {
  if (spec.columns !== undefined || spec.schema === undefined) {
    return makeTable({ ...spec, name: spec.name as string, columns: spec.columns }, false)
  }
  const { name, columns, indexes } = tableOfSchema(spec.schema, spec.name)
  return makeTable({ name, columns, indexes: [...indexes, ...(spec.indexes ?? [])] }, false)
}

/** As `table`, for client documents too. */
export const makeTable = (
  spec: { readonly name: string; readonly columns: unknown; readonly indexes?: unknown },
  isClientDocumentTable: boolean,
): Builder & AnyTableDef => {
  const name = checkSqlName(spec.name, 'table')
  const columns = checkColumns(name, spec.columns)
  const indexes = checkIndexes(name, columns, spec.indexes ?? [])
  const builder = new Builder(() => info)
  const sqliteDef = { name, columns, indexes }
  const info = makeTableInfo(name, columns, indexes, Object.assign(builder, { sqliteDef }))
  return Object.assign(builder, {
    sqliteDef,
    options: { isClientDocumentTable },
    [TableInfoSymbol]: info,
  })
}

export const isTableDef = (value: unknown): value is AnyTableDef =>
  typeof value === 'object' && value !== null && TableInfoSymbol in value

const checkColumns = (table: string, columns: unknown): Columns => {
  const fail = (why: string): never => {
    throw new LiveStoreError('InvalidSchema', `table '${table}': ${why}`)
  }
  if (isColumnDefinition(columns)) return { value: columns }
  if (!isPlainObject(columns)) return fail(`expected columns, got ${describe(columns)}`)
  const entries = Object.entries(columns)
  if (entries.length === 0) fail('it has no columns')
  if (entries.length > COLUMNS_MAX) fail(`it has more than ${COLUMNS_MAX} columns`)
  const seen = new Set<string>()
  let autoIncrement = false
  let keys = 0
  for (const [name, column] of entries) {
    checkName(name, `table '${table}', column`)
    if (seen.has(foldName(name))) {
      fail(`column '${name}' is there twice; SQLite ignores the case of names`)
    }
    seen.add(foldName(name))
    if (!isColumnDefinition(column)) return fail(`column '${name}' is ${describe(column)}`)
    autoIncrement ||= column.autoIncrement
    if (column.primaryKey) keys++
  }
  if (autoIncrement && keys > 1) fail('autoIncrement needs a primary key of one column')
  return columns as Columns
}

const checkIndexes = (table: string, columns: Columns, indexes: unknown): IndexInfo[] => {
  if (!Array.isArray(indexes)) {
    throw new LiveStoreError('InvalidSchema', `table '${table}': indexes must be an array`)
  }
  return indexes.map((index: Partial<IndexSpec>) => {
    const name = checkSqlName(index.name, `table '${table}', index`)
    const fail = (why: string): never => {
      throw new LiveStoreError('InvalidSchema', `table '${table}', index '${name}': ${why}`)
    }
    const names = index.columns
    if (!Array.isArray(names) || names.length === 0) return fail('it names no columns')
    for (const column of names) {
      if (!Object.hasOwn(columns, column)) fail(`the table has no column ${describe(column)}`)
    }
    return { name, columns: [...names], isUnique: index.isUnique === true }
  })
}
