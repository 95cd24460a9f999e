/**
 * The schema as the engine gets it: plain JSON, from which core makes the tables and the schema
 * hash. No SQL is written here except what an app gives as `default: { sql }`.
 *
 *     {"version":1,"tables":[{"name","columns":[{"name","type","nullable","primaryKey",
 *       "autoIncrement","default","codec"}],"indexes":[{"name","columns","unique"}]}]}
 *     default := null | {"sql":string} | {"value": string | number | null | {"blob": hex}}
 */

import { LiveStoreError, messageOf } from '../errors.js'
import type { LiveStoreSchema } from './schema.js'
import { type ColumnInfo, type TableInfo, TableInfoSymbol } from './table-info.js'

/** @throws LiveStoreError `InvalidSchema` for a default that does not fit its column */
export const schemaDescriptor = (schema: LiveStoreSchema): string =>
  JSON.stringify({
    version: 1,
    tables: [...schema.state.sqlite.tables.values()].map((tableDef) => {
      const info = tableDef[TableInfoSymbol]
      return {
        name: info.name,
        columns: info.columns.map((column) => describeColumn(info, column)),
        indexes: info.indexes.map(({ name, columns, isUnique }) => ({
          name,
          columns,
          unique: isUnique,
        })),
      }
    }),
  })

const describeColumn = (table: TableInfo, column: ColumnInfo) => {
  const { columnType, nullable, primaryKey, autoIncrement, kind } = column.definition
  return {
    name: column.name,
    type: columnType,
    nullable,
    primaryKey,
    autoIncrement,
    default: describeDefault(table, column),
    codec: kind,
  }
}

const describeDefault = (table: TableInfo, column: ColumnInfo) => {
  const { default: given } = column.definition
  if (given === undefined || 'make' in given) return null
  if ('sql' in given) return given
  try {
    const value = column.codec().encode(given.value)
    if (typeof value === 'bigint') throw new Error('a default cannot be a bigint')
    if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('it is not finite')
    if (column.kind === 'integer' && !Number.isInteger(value)) {
      throw new Error('expected a whole number')
    }
    return { value: value instanceof Uint8Array ? { blob: hex(value) } : value }
  } catch (cause) {
    if (cause instanceof LiveStoreError) throw cause
    const at = `default of column '${column.name}' of '${table.name}'`
    throw new LiveStoreError('InvalidSchema', `${at}: ${messageOf(cause)}`, { cause })
  }
}

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
