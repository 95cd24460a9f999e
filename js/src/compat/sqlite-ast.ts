/**
 * `SqliteAst`: tables as plain data, and the hash by which LiveStore names the file
 * of its state. For tools; the engine has a hash of its own.
 */

interface ColumnAst {
  readonly _tag: 'column'
  readonly name: string
  readonly type: 'text' | 'integer' | 'real' | 'blob'
  readonly primaryKey: boolean
  readonly nullable: boolean
  readonly autoIncrement: boolean
  readonly default: unknown
}

interface IndexAst {
  readonly _tag: 'index'
  readonly columns: readonly string[]
  readonly name?: string | undefined
  readonly unique?: boolean | undefined
}

interface TableAst {
  readonly _tag: 'table'
  readonly name: string
  readonly columns: readonly ColumnAst[]
  readonly indexes: readonly IndexAst[]
}

interface DbSchemaAst {
  readonly _tag: 'dbSchema'
  readonly tables: readonly TableAst[]
}

type Without<T extends { readonly _tag: string }> = Omit<T, '_tag'>

const column = (parts: Without<ColumnAst>): ColumnAst => ({ _tag: 'column', ...parts })
const table = (
  name: string,
  columns: readonly ColumnAst[],
  indexes: readonly IndexAst[],
): TableAst => ({ _tag: 'table', name, columns, indexes })
const index = (
  columns: readonly string[],
  name?: string | undefined,
  unique?: boolean | undefined,
): IndexAst => ({ _tag: 'index', columns, name, unique })
const dbSchema = (tables: readonly TableAst[]): DbSchemaAst => ({ _tag: 'dbSchema', tables })

/** A number that is the same for the same text: a sum of which only the shift has 32 bits. */
const hashText = (text: string): number => {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (hash << 5) - hash + text.charCodeAt(i)
  return Math.trunc(hash)
}

/** The hash of a table, a schema or a part of one. The order of tables and columns counts. */
const hash = (ast: TableAst | DbSchemaAst | ColumnAst | IndexAst): number =>
  hashText(JSON.stringify(ast))

/** Tables as plain data. */
export const SqliteAst = { table, column, index, dbSchema, hash }
