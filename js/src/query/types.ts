/**
 * The query builder as TypeScript sees it: which methods a query has left, what each takes for the
 * columns of its table, and what running the query gives.
 */

import type { Columns, Decoder, InsertOf, InsertType, RowOf, RowType } from '../schema/columns.js'
import type { BindValue, SessionIdSymbol } from '../schema/values.js'
import type { RowKey } from '../wasm/values.js'

export const QueryBuilderAstSymbol: unique symbol = Symbol.for('livestore-wasm/query-builder-ast')
export const QueryBuilderTypeId: unique symbol = Symbol.for('livestore-wasm/query-builder')

/** A bind of a query before the session is known. */
export type QueryBind = BindValue | SessionIdSymbol

/** All that is needed to run a query and to read its result. */
export type CompiledQuery<Result> = {
  readonly sql: string
  /** May hold the session id symbol: see `replaceSessionId`. */
  readonly binds: readonly QueryBind[]
  /** Of a query whose conditions all hold, and one of which is that a column equals a value. */
  readonly rowKey?: RowKey | undefined
  readonly kind: 'rows' | 'write'
  readonly usedTables: ReadonlySet<string>
  /** Names of the result columns, in the order of the statement. */
  readonly columns: readonly string[]
  /** One per column; `undefined` takes the stored value as it is. */
  readonly decoders: readonly (Decoder | undefined)[]
  /** Whether a row is an object, or the value of its only column. */
  readonly mode: 'objects' | 'pluck'
  /** Makes the result of rows that are decoded already. @throws LiveStoreError `NoRow` */
  readonly finish: (rows: readonly unknown[]) => Result
}

/** What every query can do, whatever it is. */
export type Query<Result> = {
  readonly [QueryBuilderTypeId]: typeof QueryBuilderTypeId
  readonly [QueryBuilderAstSymbol]: QueryBuilderAst
  readonly asSql: () => {
    readonly query: string
    readonly bindValues: readonly QueryBind[]
    readonly usedTables: ReadonlySet<string>
  }
  /** For the store and the materializers of this package. */
  readonly compile: () => CompiledQuery<Result>
  readonly toString: () => string
}

/** What running a query gives. */
export type QueryResult<Q> = Q extends { readonly compile: () => CompiledQuery<infer Result> }
  ? Result
  : never

/** What a query is, for tools; the parts are encoded already. */
export type QueryBuilderAst = {
  readonly _tag:
    | 'SelectQuery'
    | 'CountQuery'
    | 'InsertQuery'
    | 'UpdateQuery'
    | 'DeleteQuery'
    | 'RowQuery'
  readonly tableDef: { readonly sqliteDef: { readonly name: string } }
}

export type Comparison = '=' | '==' | '!=' | '<>' | '<' | '<=' | '>' | '>='
export type Match = 'LIKE' | 'NOT LIKE' | 'ILIKE' | 'NOT ILIKE'
export type Membership = 'IN' | 'NOT IN'
export type JsonContainment = 'JSON_CONTAINS' | 'JSON_NOT_CONTAINS'
export type Operator = Comparison | Match | Membership | JsonContainment

type ElementOf<T> = NonNullable<T> extends readonly (infer Element)[] ? Element : never

/** What an operator compares a column of type `T` with. */
export type Operand<Op extends Operator, T> = Op extends Membership
  ? readonly T[]
  : Op extends Match
    ? string
    : Op extends JsonContainment
      ? ElementOf<T>
      : T

type OperatorsFor<T> = [ElementOf<T>] extends [never]
  ? Exclude<Operator, JsonContainment>
  : Operator

type WhereOperation<T> = {
  [Op in OperatorsFor<T>]: { readonly op: Op; readonly value: Operand<Op, T> }
}[OperatorsFor<T>]

export type WhereObject<Cs extends Columns> = {
  readonly [K in keyof Cs]?: InsertType<Cs[K]> | WhereOperation<InsertType<Cs[K]>> | undefined
}

export type Direction = 'asc' | 'desc'

export type FirstOptions<Fallback = never> =
  | { readonly behaviour: 'undefined' | 'error' }
  | { readonly behaviour: 'fallback'; readonly fallback: () => Fallback }

type Feature = keyof Methods<unknown, Columns, never>

/**
 * A query on a table with columns `Cs` that gives `Result`. `Without` are the methods that make no
 * sense any more.
 */
export type QueryBuilder<
  Result,
  Cs extends Columns,
  Without extends string = never,
> = Query<Result> & Omit<Methods<Result, Cs, Without>, Without>

/** A table is a query for all of its rows. */
export type TableQuery<Cs extends Columns> = QueryBuilder<
  readonly RowOf<Cs>[],
  Cs,
  'onConflict' | 'returning'
>

type Writes = 'insert' | 'update' | 'delete'
type AfterWrite = Exclude<Feature, 'returning'>
type ItemOf<Result> = Result extends readonly (infer Item)[] ? Item : Result
type Picked<Cs extends Columns, K extends keyof Cs> = { readonly [P in K]: RowType<Cs[P]> }

type Methods<Result, Cs extends Columns, Without extends string> = {
  /** All columns; `select('a')` gives an array of values, several columns one of objects. */
  readonly select: {
    (): QueryBuilder<readonly RowOf<Cs>[], Cs, Without | 'select' | 'count' | Writes>
    <K extends keyof Cs & string>(
      column: K,
    ): QueryBuilder<readonly RowType<Cs[K]>[], Cs, Without | 'select' | 'count' | Writes>
    <K extends keyof Cs & string>(
      ...columns: readonly K[]
    ): QueryBuilder<readonly Picked<Cs, K>[], Cs, Without | 'select' | 'count' | Writes>
  }
  /** Adds conditions that must all hold. */
  readonly where: {
    (conditions: WhereObject<Cs>): QueryBuilder<Result, Cs, Without | 'insert'>
    <K extends keyof Cs & string>(
      column: K,
      value: InsertType<Cs[K]>,
    ): QueryBuilder<Result, Cs, Without | 'insert'>
    <K extends keyof Cs & string, const Op extends OperatorsFor<InsertType<Cs[K]>>>(
      column: K,
      operator: Op,
      value: Operand<Op, InsertType<Cs[K]>>,
    ): QueryBuilder<Result, Cs, Without | 'insert'>
  }
  readonly orderBy: {
    <K extends keyof Cs & string>(
      column: K,
      direction?: Direction,
    ): QueryBuilder<Result, Cs, Without | 'count' | Writes>
    (
      order: readonly { readonly col: keyof Cs & string; readonly direction: Direction }[],
    ): QueryBuilder<Result, Cs, Without | 'count' | Writes>
  }
  readonly limit: (
    count: number,
  ) => QueryBuilder<Result, Cs, Without | 'limit' | 'first' | 'count' | Writes>
  readonly offset: (
    count: number,
  ) => QueryBuilder<Result, Cs, Without | 'offset' | 'count' | Writes>
  /** The first row. Without one: `undefined`, or as `behaviour` or `fallback` says. */
  readonly first: {
    (): QueryBuilder<ItemOf<Result> | undefined, Cs, Without | 'limit' | 'first' | 'count' | Writes>
    <Fallback = never>(options: {
      readonly behaviour?: undefined
      readonly fallback: (() => Fallback) | 'throws'
    }): QueryBuilder<ItemOf<Result> | Fallback, Cs, Without | 'limit' | 'first' | 'count' | Writes>
    <const Behaviour extends 'undefined' | 'error' | 'fallback', Fallback = never>(
      options: { readonly behaviour: Behaviour } & (Behaviour extends 'fallback'
        ? { readonly fallback: () => Fallback }
        : unknown),
    ): QueryBuilder<
      | ItemOf<Result>
      | (Behaviour extends 'undefined'
          ? undefined
          : Behaviour extends 'fallback'
            ? Fallback
            : never),
      Cs,
      Without | 'limit' | 'first' | 'count' | Writes
    >
  }
  /** How many rows there are. */
  readonly count: () => QueryBuilder<number, Cs, Exclude<Feature, 'where'>>
  readonly insert: (
    values: InsertOf<Cs>,
  ) => QueryBuilder<void, Cs, Exclude<Feature, 'onConflict' | 'returning'>>
  /** What an insert does when a row with the same `target` exists. */
  readonly onConflict: {
    (
      target: OneOrMore<keyof Cs & string>,
      action: 'ignore' | 'replace',
    ): QueryBuilder<void, Cs, AfterWrite>
    (
      target: OneOrMore<keyof Cs & string>,
      action: 'update',
      /** `undefined` takes the value that was to be inserted. */
      values: { readonly [K in keyof Cs]?: InsertType<Cs[K]> | undefined },
    ): QueryBuilder<void, Cs, AfterWrite>
  }
  readonly update: (
    values: {
      readonly [K in keyof Cs]?: InsertType<Cs[K]> | undefined
    },
  ) => QueryBuilder<void, Cs, Exclude<Feature, 'where' | 'returning'>>
  readonly delete: () => QueryBuilder<void, Cs, Exclude<Feature, 'where' | 'returning'>>
  /** Lets a write give back columns of the rows it wrote. */
  readonly returning: <K extends keyof Cs & string>(
    ...columns: readonly K[]
  ) => QueryBuilder<readonly Picked<Cs, K>[], Cs, Feature>
}

type OneOrMore<T> = T | readonly T[]
