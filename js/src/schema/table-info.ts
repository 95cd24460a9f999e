/**
 * What the query builder, client documents and the schema descriptor know of a table: its columns
 * by name, each with its codec made at first use.
 */

import { type ColumnCodec, type ColumnDefinition, type Columns, columnCodec } from './columns.js'
import { quoteName } from './names.js'

export const TableInfoSymbol: unique symbol = Symbol.for('livestore-wasm/table')

export type ColumnInfo = {
  readonly name: string
  readonly quoted: string
  readonly kind: ColumnDefinition['kind']
  readonly definition: ColumnDefinition
  /** @throws LiveStoreError `InvalidSchema` if the column has a schema that cannot be used. */
  readonly codec: () => ColumnCodec
}

export type TableInfo = {
  readonly name: string
  readonly columns: readonly ColumnInfo[]
  readonly column: (name: unknown) => ColumnInfo | undefined
  /** The columns that an insert must give. */
  readonly required: readonly ColumnInfo[]
  /** The columns whose default is a function. */
  readonly computed: readonly ColumnInfo[]
  readonly indexes: readonly IndexInfo[]
  readonly usedTables: ReadonlySet<string>
  readonly tableDef: { readonly sqliteDef: { readonly name: string } }
}

export type IndexInfo = {
  readonly name: string
  readonly columns: readonly string[]
  readonly isUnique: boolean
}

/** Collects what is known of a table. Names have been checked. */
export const makeTableInfo = (
  name: string,
  definitions: Columns,
  indexes: readonly IndexInfo[],
  tableDef: TableInfo['tableDef'],
): TableInfo => {
  const columns = Object.entries(definitions).map(([columnName, definition]): ColumnInfo => {
    let codec: ColumnCodec | undefined
    return {
      name: columnName,
      quoted: quoteName(columnName),
      kind: definition.kind,
      definition,
      codec: () => {
        codec ??= columnCodec(definition, `column '${columnName}' of '${name}'`)
        return codec
      },
    }
  })
  const byName = new Map<unknown, ColumnInfo>(columns.map((column) => [column.name, column]))
  const keys = columns.filter(({ definition }) => definition.primaryKey)
  return {
    name,
    columns,
    column: (columnName) => byName.get(columnName),
    required: columns.filter(({ definition }) => {
      const { nullable, columnType } = definition
      // SQLite numbers the rows of a single integer primary key itself.
      const numbered =
        keys.length === 1 && definition === keys[0]?.definition && columnType === 'integer'
      return !(nullable || numbered || definition.default !== undefined)
    }),
    computed: columns.filter(({ definition: { default: given } }) => given && 'make' in given),
    indexes,
    usedTables: new Set([name]),
    tableDef,
  }
}
