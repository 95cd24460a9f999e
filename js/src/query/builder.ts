/**
 * The query builder: values in, SQL text and binds out.
 *
 * A builder never changes; each method returns a new one. Names and values are checked and encoded
 * in the call that brings them, so that an error points at the line that made it, and `compile`
 * only joins text. Materializers build their writes here, so it runs for every event.
 *
 * It knows tables and their column codecs. It does not know the engine, stores or sessions.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import { carriedDefault } from '../schema/carried-defaults.js'
import type { Decoder } from '../schema/columns.js'
import { quoteName, quoteTable } from '../schema/names.js'
import type { TableInfo } from '../schema/table-info.js'
import type { BindValue } from '../schema/values.js'
import { describe, isPlainObject } from '../schema/values.js'
import type { RowKey } from '../wasm/values.js'
import {
  type CompiledQuery,
  type Query,
  type QueryBind,
  type QueryBuilderAst,
  QueryBuilderAstSymbol,
  QueryBuilderTypeId,
} from './types.js'

type Statement = 'select' | 'count' | 'insert' | 'update' | 'delete'

/** A piece of SQL and the values of its parameters. */
type Fragment = {
  readonly sql: string
  readonly binds: readonly BindValue[]
  /** The column that equals the only value. */
  readonly equals?: TableInfo['columns'][number]
}

/** Everything that was said about a query so far. */
type Parts = {
  readonly statement: Statement
  /** Columns of the result; `undefined` for all. */
  readonly columns?: readonly string[]
  readonly where?: readonly Fragment[]
  readonly orderBy?: readonly string[]
  readonly limit?: number
  readonly offset?: number
  readonly first?: { readonly whenEmpty: () => unknown }
  /** `("a", "b") VALUES (?, ?)` of an insert, `"a" = ?, "b" = ?` of an update. */
  readonly values?: Fragment
  readonly onConflict?: Fragment | 'replace'
  readonly returning?: readonly string[]
}

const astTags = {
  select: 'SelectQuery',
  count: 'CountQuery',
  insert: 'InsertQuery',
  update: 'UpdateQuery',
  delete: 'DeleteQuery',
} as const

const invalid = (message: string): never => {
  throw new LiveStoreError('InvalidQuery', message)
}

/** True for queries of any copy of this package. */
export const isQueryBuilder = (value: unknown): value is Query<unknown> =>
  typeof value === 'object' && value !== null && QueryBuilderTypeId in value

/**
 * The methods behind `QueryBuilder` of `types.ts`, which says what each takes. A class, because a
 * builder is made several times per event and must not carry a closure per method.
 */
export class Builder {
  readonly #table: () => TableInfo
  readonly #parts: Parts
  #compiled: CompiledQuery<unknown> | undefined

  constructor(table: () => TableInfo, parts: Parts = { statement: 'select' }) {
    this.#table = table
    this.#parts = parts
  }

  get [QueryBuilderTypeId](): typeof QueryBuilderTypeId {
    return QueryBuilderTypeId
  }

  get [QueryBuilderAstSymbol](): QueryBuilderAst {
    return {
      _tag: astTags[this.#parts.statement],
      tableDef: this.#table().tableDef,
      ...this.#parts,
    }
  }

  select(...columns: readonly unknown[]): Builder {
    this.#expect('select', 'select')
    if (columns.length === 0) return this.#with({})
    return this.#with({ columns: columns.map((name) => this.#column(name, 'select').name) })
  }

  where(...args: readonly unknown[]): Builder {
    this.#expect('where', 'select', 'count', 'update', 'delete')
    const added = args.length === 1 ? this.#whereObject(args[0]) : [this.#whereArgs(args)]
    return this.#with({ where: [...(this.#parts.where ?? []), ...added] })
  }

  orderBy(...args: readonly unknown[]): Builder {
    this.#expect('orderBy', 'select')
    const [first, direction = 'asc'] = args
    const list: readonly unknown[] =
      args.length === 1 && Array.isArray(first) ? first : [{ col: first, direction }]
    if (args.length === 0 || args.length > 2) invalid('orderBy takes a column and a direction')
    const added = list.map((item) => {
      if (!isPlainObject(item)) return invalid('orderBy takes a list of { col, direction }')
      const { col, direction: way } = item
      const name = this.#column(col, 'orderBy').quoted
      if (way !== 'asc' && way !== 'desc') {
        return invalid(`orderBy ${name}: the direction is 'asc' or 'desc', not ${describe(way)}`)
      }
      return `${name} ${way}`
    })
    return this.#with({ orderBy: [...(this.#parts.orderBy ?? []), ...added] })
  }

  limit(count: unknown): Builder {
    this.#expect('limit', 'select')
    if (this.#parts.first) invalid('limit: first() has been called on this query')
    return this.#with({ limit: rowCount(count, 'limit') })
  }

  offset(count: unknown): Builder {
    this.#expect('offset', 'select')
    return this.#with({ offset: rowCount(count, 'offset') })
  }

  first(options?: unknown): Builder {
    this.#expect('first', 'select')
    if (this.#parts.limit !== undefined) invalid('first: the query has a limit already')
    return this.#with({
      limit: 1,
      first: { whenEmpty: emptyBehaviour(options, this.#table().name) },
    })
  }

  count(): Builder {
    this.#expect('count', 'select')
    const { columns, limit, offset, where } = this.#parts
    if (columns !== undefined || limit !== undefined || offset !== undefined) {
      invalid('count: a query with select, limit, offset or first cannot be counted')
    }
    return new Builder(this.#table, where ? { statement: 'count', where } : { statement: 'count' })
  }

  insert(values: unknown): Builder {
    this.#expectPlain('insert')
    if (this.#parts.where) invalid('insert: a condition makes no sense on an insert')
    const table = this.#table()
    const { names, binds } = this.#encodeValues('insert', values)
    for (const column of table.computed) {
      const { name, quoted, definition } = column
      if (names.includes(quoted)) continue
      names.push(quoted)
      binds.push(
        carriedDefault(`${table.name}.${name}`, definition, () =>
          this.#encode(column, (definition.default as { make: () => unknown }).make(), 'insert'),
        ),
      )
    }
    for (const { name, quoted } of table.required) {
      if (!names.includes(quoted))
        invalid(`insert into '${table.name}': column '${name}' is missing`)
    }
    const list =
      names.length === 0
        ? 'DEFAULT VALUES'
        : `(${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`
    return this.#with({ statement: 'insert', values: { sql: list, binds } })
  }

  onConflict(target: unknown, action: unknown, values?: unknown): Builder {
    this.#expect('onConflict', 'insert')
    const what = 'onConflict'
    const targets = (Array.isArray(target) ? target : [target]).map(
      (name) => this.#column(name, what).quoted,
    )
    if (targets.length === 0) invalid('onConflict: name at least one column')
    if (this.#parts.onConflict) invalid('onConflict has been called on this insert')
    if (this.#parts.values?.sql === 'DEFAULT VALUES')
      invalid('onConflict: the insert has no values')
    if (action === 'replace') return this.#with({ onConflict: 'replace' })
    const on = ` ON CONFLICT (${targets.join(', ')}) DO `
    if (action === 'ignore') return this.#with({ onConflict: { sql: `${on}NOTHING`, binds: [] } })
    if (action !== 'update') {
      return invalid(`onConflict: 'ignore', 'replace' or 'update', not ${describe(action)}`)
    }
    const { names, binds, omitted } = this.#encodeValues(what, values)
    const set = [
      ...names.map((name) => `${name} = ?`),
      ...omitted.map((name) => `${name} = excluded.${name}`),
    ]
    if (set.length === 0) invalid('onConflict: no columns to update are given')
    return this.#with({ onConflict: { sql: `${on}UPDATE SET ${set.join(', ')}`, binds } })
  }

  update(values: unknown): Builder {
    this.#expectPlain('update')
    const { names, binds } = this.#encodeValues('update', values)
    const set = names.map((name) => `${name} = ?`).join(', ')
    return this.#with({ statement: 'update', values: { sql: set, binds } })
  }

  delete(): Builder {
    this.#expectPlain('delete')
    return this.#with({ statement: 'delete' })
  }

  returning(...columns: readonly unknown[]): Builder {
    this.#expect('returning', 'insert', 'update', 'delete')
    const names = columns.map((name) => this.#column(name, 'returning').name)
    return this.#with({
      returning: names.length > 0 ? names : this.#table().columns.map(({ name }) => name),
    })
  }

  /** The builder itself: an older form was `table.query.where(…)`. */
  get query(): this {
    return this
  }

  asSql(): { query: string; bindValues: readonly QueryBind[]; usedTables: ReadonlySet<string> } {
    const { sql, binds, usedTables } = this.compile()
    return { query: sql, bindValues: binds, usedTables }
  }

  toString(): string {
    return this.compile().sql
  }

  compile(): CompiledQuery<unknown> {
    this.#compiled ??= compileParts(this.#table(), this.#parts)
    return this.#compiled
  }

  #with(parts: Partial<Parts>): Builder {
    return new Builder(this.#table, { ...this.#parts, ...parts })
  }

  #expect(method: string, ...statements: readonly Statement[]): void {
    const { statement, returning } = this.#parts
    if (!statements.includes(statement) || returning !== undefined) {
      const after = returning ? 'returning' : statement
      invalid(`${method} cannot follow ${after} in a query of '${this.#table().name}'`)
    }
  }

  /** Writes may follow conditions, and nothing else. */
  #expectPlain(method: string): void {
    this.#expect(method, 'select')
    const { columns, orderBy, limit, offset } = this.#parts
    if ([columns, orderBy, limit, offset].some((part) => part !== undefined)) {
      invalid(`${method}: only where() may come before it in a query of '${this.#table().name}'`)
    }
  }

  #column(name: unknown, method: string): TableInfo['columns'][number] {
    const table = this.#table()
    return (
      table.column(name) ??
      invalid(`${method}: table '${table.name}' has no column ${describe(name)}`)
    )
  }

  /** Encodes the values of a write; those that are `undefined` are left out. */
  #encodeValues(method: string, values: unknown): EncodedValues {
    if (!isPlainObject(values)) {
      const table = this.#table().name
      return invalid(
        `${method}: expected an object with columns of '${table}', got ${describe(values)}`,
      )
    }
    const names: string[] = []
    const binds: BindValue[] = []
    const omitted: string[] = []
    for (const key of Object.keys(values)) {
      const column = this.#column(key, method)
      const value = values[key]
      if (value === undefined) {
        omitted.push(column.quoted)
        continue
      }
      const bind = this.#encode(column, value, method)
      if (column.kind === 'integer' && typeof bind === 'number' && !Number.isInteger(bind)) {
        const at = `${method}: column '${column.name}' of '${this.#table().name}'`
        invalid(`${at} holds whole numbers, got ${bind}`)
      }
      names.push(column.quoted)
      binds.push(bind)
    }
    return { names, binds, omitted }
  }

  #encode(column: TableInfo['columns'][number], value: unknown, method: string): BindValue {
    try {
      return column.codec().encode(value)
    } catch (cause) {
      if (cause instanceof LiveStoreError) throw cause
      const at = `${method}: column '${column.name}' of '${this.#table().name}'`
      throw new LiveStoreError('InvalidQuery', `${at}: ${messageOf(cause)}`, { cause })
    }
  }

  #whereObject(conditions: unknown): Fragment[] {
    if (!isPlainObject(conditions)) {
      return invalid(`where: expected an object with conditions, got ${describe(conditions)}`)
    }
    return Object.keys(conditions).flatMap((key) => {
      const column = this.#column(key, 'where')
      const condition = conditions[key]
      if (condition === undefined) return []
      return isOperation(condition)
        ? [this.#condition(column, condition.op, condition.value)]
        : [this.#condition(column, '=', condition)]
    })
  }

  #whereArgs(args: readonly unknown[]): Fragment {
    const column = this.#column(args[0], 'where')
    if (args.length === 2) return this.#condition(column, '=', args[1])
    if (args.length === 3) return this.#condition(column, args[1], args[2])
    return invalid('where takes (conditions), (column, value) or (column, operator, value)')
  }

  #condition(column: TableInfo['columns'][number], operator: unknown, value: unknown): Fragment {
    const { quoted } = column
    const at = `where ${quoted}`
    const op = typeof operator === 'string' ? operators.get(operator.toUpperCase()) : undefined
    if (op === undefined) return invalid(`${at}: the operator ${describe(operator)} is unknown`)
    if (value === undefined) invalid(`${at}: the value is undefined; use null to find no value`)
    if (value === null) {
      if (op.onNull === undefined) invalid(`${at}: ${op.sql} cannot compare with null`)
      return { sql: `${quoted} ${op.onNull}`, binds: [] }
    }
    if (op.takes === 'list') {
      if (!Array.isArray(value)) return invalid(`${at}: ${op.sql} takes an array`)
      if (value.length === 0) return { sql: op.negated ? '1=1' : '0=1', binds: [] }
      const binds = value.map((item) => this.#encode(column, item, 'where'))
      return { sql: `${quoted} ${op.sql} (${binds.map(() => '?').join(', ')})`, binds }
    }
    if (op.takes === 'element') {
      const bind = this.#encodeElement(column, value, op.sql)
      const exists = `EXISTS (SELECT 1 FROM json_each(${quoted}) WHERE value = ?)`
      return { sql: op.negated ? `NOT ${exists}` : exists, binds: [bind] }
    }
    if (op.takes === 'pattern') {
      // A pattern is not a value of the column: a schema of literals would refuse 'act%'.
      if (typeof value !== 'string') return invalid(`${at}: ${op.sql} takes a string`)
      return { sql: `${quoted} ${op.sql} ?`, binds: [value] }
    }
    const binds = [this.#encode(column, value, 'where')]
    const condition = { sql: `${quoted} ${op.sql} ?`, binds }
    return op.isEquality ? { ...condition, equals: column } : condition
  }

  /** The element of a JSON array as `json_each` gives it, encoded by the schema of the array. */
  #encodeElement(column: TableInfo['columns'][number], value: unknown, op: string): BindValue {
    const notArray = `where ${column.quoted}: ${op} can only be used on JSON array columns`
    if (column.kind !== 'json') return invalid(notArray)
    let list: unknown
    try {
      list = JSON.parse(column.codec().encode([value]) as string)
    } catch (cause) {
      if (cause instanceof LiveStoreError) throw cause
      const message = `${notArray}, with an element of its type: ${messageOf(cause)}`
      throw new LiveStoreError('InvalidQuery', message, { cause })
    }
    const element: unknown = Array.isArray(list) ? list[0] : invalid(notArray)
    if (typeof element === 'object' && element !== null) return JSON.stringify(element)
    return typeof element === 'boolean' ? Number(element) : (element as BindValue)
  }
}

type EncodedValues = {
  /** Quoted names of the columns that have a value, and their values. */
  readonly names: string[]
  readonly binds: BindValue[]
  /** Quoted names of the columns whose value is `undefined`. */
  readonly omitted: readonly string[]
}

type OperatorInfo = {
  readonly sql: string
  readonly takes: 'value' | 'pattern' | 'list' | 'element'
  readonly isEquality?: boolean
  readonly negated?: boolean
  readonly onNull?: 'IS NULL' | 'IS NOT NULL'
}

/** By upper-case name. SQLite's LIKE ignores ASCII case, so ILIKE is the same. */
const operators: ReadonlyMap<string, OperatorInfo> = new Map(
  Object.entries({
    '=': { sql: '=', takes: 'value', isEquality: true, onNull: 'IS NULL' },
    '==': { sql: '==', takes: 'value', isEquality: true, onNull: 'IS NULL' },
    '!=': { sql: '!=', takes: 'value', onNull: 'IS NOT NULL' },
    '<>': { sql: '<>', takes: 'value', onNull: 'IS NOT NULL' },
    '<': { sql: '<', takes: 'value' },
    '<=': { sql: '<=', takes: 'value' },
    '>': { sql: '>', takes: 'value' },
    '>=': { sql: '>=', takes: 'value' },
    LIKE: { sql: 'LIKE', takes: 'pattern' },
    'NOT LIKE': { sql: 'NOT LIKE', takes: 'pattern' },
    ILIKE: { sql: 'LIKE', takes: 'pattern' },
    'NOT ILIKE': { sql: 'NOT LIKE', takes: 'pattern' },
    IN: { sql: 'IN', takes: 'list' },
    'NOT IN': { sql: 'NOT IN', takes: 'list', negated: true },
    JSON_CONTAINS: { sql: 'JSON_CONTAINS', takes: 'element' },
    JSON_NOT_CONTAINS: { sql: 'JSON_NOT_CONTAINS', takes: 'element', negated: true },
  } satisfies Record<string, OperatorInfo>),
)

/**
 * True for `{ op, value }` with a known operator and nothing else. A JSON column can hold an object
 * of that form too; with an operator that does not exist it is taken as the value it looks like.
 */
const isOperation = (value: unknown): value is { readonly op: string; readonly value: unknown } => {
  if (!isPlainObject(value) || !Object.hasOwn(value, 'value')) return false
  const { op } = value
  return (
    typeof op === 'string' && operators.has(op.toUpperCase()) && Object.keys(value).length === 2
  )
}

const rowCount = (count: unknown, method: string): number =>
  Number.isSafeInteger(count) && (count as number) >= 0
    ? (count as number)
    : invalid(`${method} takes a whole number that is not negative, got ${describe(count)}`)

/** One function, so that live queries see that two builders made alike mean the same. */
const giveUndefined = (): unknown => undefined

const emptyBehaviour = (options: unknown, table: string): (() => unknown) => {
  if (options === undefined) return giveUndefined
  const { behaviour, fallback } = isPlainObject(options) ? options : {}
  if (behaviour === 'undefined') return giveUndefined
  const isBare = behaviour === undefined
  if (behaviour === 'error' || (isBare && fallback === 'throws')) {
    return () => {
      throw new LiveStoreError('NoRow', `first: no row of '${table}' fits the query`)
    }
  }
  if ((isBare || behaviour === 'fallback') && typeof fallback === 'function') {
    return fallback as () => unknown
  }
  return invalid(
    "first takes { behaviour: 'undefined' | 'error' }, or { behaviour: 'fallback', fallback } " +
      "with a function; or { fallback } with a function or 'throws'",
  )
}

const compileParts = (table: TableInfo, parts: Parts): CompiledQuery<unknown> => {
  const name = quoteTable(table.name)
  const binds: BindValue[] = []
  let rowKey: RowKey | undefined
  const add = (fragment: Fragment): string => {
    const { equals } = fragment
    // Conditions are joined by AND, so the first will do.
    if (equals !== undefined) {
      rowKey ??= { column: table.columns.indexOf(equals), parameter: binds.length + 1 }
    }
    for (const bind of fragment.binds) binds.push(bind)
    return fragment.sql
  }
  const where = () => (parts.where?.length ? ` WHERE ${parts.where.map(add).join(' AND ')}` : '')
  const returning = () =>
    parts.returning ? ` RETURNING ${parts.returning.map(quoteName).join(', ')}` : ''

  switch (parts.statement) {
    case 'select': {
      let sql = `SELECT ${parts.columns?.map(quoteName).join(', ') ?? '*'} FROM ${name}${where()}`
      if (parts.orderBy?.length) sql += ` ORDER BY ${parts.orderBy.join(', ')}`
      if (parts.limit !== undefined) sql += add({ sql: ' LIMIT ?', binds: [parts.limit] })
      // SQLite knows OFFSET only after LIMIT; a negative limit is none.
      else if (parts.offset !== undefined) sql += ' LIMIT -1'
      if (parts.offset !== undefined) sql += add({ sql: ' OFFSET ?', binds: [parts.offset] })
      const { first } = parts
      const finish = first
        ? (rows: readonly unknown[]) => (rows.length > 0 ? rows[0] : first.whenEmpty())
        : undefined
      const rows = rowsQuery(table, sql, binds, parts.columns, finish, parts.columns?.length === 1)
      return { ...rows, rowKey }
    }
    case 'count': {
      const sql = `SELECT COUNT(*) as count FROM ${name}${where()}`
      const one = (rows: readonly unknown[]) => rows[0]
      const count = compiled(table, sql, binds, 'rows', ['count'], [undefined], 'pluck', one)
      return { ...count, rowKey }
    }
    case 'insert': {
      const replace = parts.onConflict === 'replace'
      let sql = `INSERT ${replace ? 'OR REPLACE ' : ''}INTO ${name} `
      if (parts.values) sql += add(parts.values)
      if (parts.onConflict && parts.onConflict !== 'replace') sql += add(parts.onConflict)
      return writeQuery(table, sql + returning(), binds, parts)
    }
    case 'update': {
      // An update of nothing writes nothing, but its conditions have been checked.
      if (!parts.values?.sql) return writeQuery(table, 'SELECT 1', [], { statement: 'update' })
      const sql = `UPDATE ${name} SET ${add(parts.values)}${where()}`
      return writeQuery(table, sql + returning(), binds, parts)
    }
    case 'delete':
      return writeQuery(table, `DELETE FROM ${name}${where()}${returning()}`, binds, parts)
  }
}

const writeQuery = (
  table: TableInfo,
  sql: string,
  binds: readonly BindValue[],
  parts: Parts,
): CompiledQuery<unknown> =>
  parts.returning
    ? { ...rowsQuery(table, sql, binds, parts.returning), kind: 'write' }
    : compiled(table, sql, binds, 'write', [], [], 'objects', () => undefined)

const rowsQuery = (
  table: TableInfo,
  sql: string,
  binds: readonly BindValue[],
  names: readonly string[] | undefined,
  finish: (rows: readonly unknown[]) => unknown = (rows) => rows,
  pluck = false,
): CompiledQuery<unknown> => {
  const columns = names ?? table.columns.map((column) => column.name)
  const decoders = columns.map((column) => table.column(column)?.codec().decode)
  return compiled(table, sql, binds, 'rows', columns, decoders, pluck ? 'pluck' : 'objects', finish)
}

/** Also used by client documents, whose queries have a form of their own. */
export const compiled = <Result>(
  table: TableInfo,
  sql: string,
  binds: readonly QueryBind[],
  kind: 'rows' | 'write',
  columns: readonly string[],
  decoders: readonly (Decoder | undefined)[],
  mode: 'objects' | 'pluck',
  finish: (rows: readonly unknown[]) => Result,
): CompiledQuery<Result> => ({
  sql,
  binds,
  kind,
  usedTables: table.usedTables,
  columns,
  decoders,
  mode,
  finish,
})
