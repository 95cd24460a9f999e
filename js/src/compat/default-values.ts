/** The defaults of a table's columns, for who makes rows without an insert. */

import { LiveStoreError } from '../errors.js'
import type { AnyTableDef } from '../schema/table.js'
import { type ColumnInfo, TableInfoSymbol } from '../schema/table-info.js'

type Values = { readonly [column: string]: unknown }

/**
 * The value of every column but `id`, as an app sees it: from `fallbacks`, else its default, else
 * null. A default that is SQL is left out; one that is a function is called.
 *
 * @throws LiveStoreError `InvalidArgument` for a column that has no default and is not nullable
 */
export const getDefaultValuesDecoded = (tableDef: AnyTableDef, fallbacks: Values = {}): Values =>
  defaultsOf(tableDef, fallbacks, (_column, value) => value)

/** As `getDefaultValuesDecoded`, as the values are stored. */
export const getDefaultValuesEncoded = (tableDef: AnyTableDef, fallbacks: Values = {}): Values =>
  defaultsOf(tableDef, fallbacks, (column, value) => column.codec().encode(value))

const defaultsOf = (
  tableDef: AnyTableDef,
  fallbacks: Values,
  convert: (column: ColumnInfo, value: unknown) => unknown,
): Values => {
  const { name: table, columns } = tableDef[TableInfoSymbol]
  return Object.fromEntries(
    columns.flatMap((column): (readonly [string, unknown])[] => {
      const { name, definition } = column
      const { default: given, nullable } = definition
      if (name === 'id' || (given !== undefined && 'sql' in given)) return []
      if (fallbacks[name] !== undefined) return [[name, convert(column, fallbacks[name])]]
      if (given !== undefined) {
        return [[name, convert(column, 'make' in given ? given.make() : given.value)]]
      }
      if (nullable) return [[name, null]]
      const text = `column '${name}' of '${table}' has no default and is not nullable`
      throw new LiveStoreError('InvalidArgument', text)
    }),
  )
}
