/**
 * Column definitions and their codecs: which SQLite type a column has, and how a value of the app
 * is stored in it.
 *
 * Column functions only describe; the codec is made when a table is first used, because an effect
 * schema may be defined before `livestore-wasm/effect` is imported. Decoders are plain functions,
 * and `undefined` where the stored value is the value: reading rows is the hottest path there is.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import type { SchemaInput, SchemaOutput, SchemaOver } from './codec.js'
import { type AnySchema, type Codec, checkSchema, codecOf } from './codec.js'
import { type BindValue, describe, scrubParsedJson, toJson } from './values.js'

const ColumnSymbol: unique symbol = Symbol.for('livestore-wasm/column')
declare const ColumnTypes: unique symbol

/** What SQLite stores. Every table is STRICT, so nothing else ever gets in. */
export type ColumnType = 'text' | 'integer' | 'real' | 'blob'
export type ColumnKind = ColumnType | 'boolean' | 'json' | 'datetime' | 'datetimeInteger'

/**
 * A literal, in the type the app uses; SQL that SQLite evaluates; or a function, evaluated when an
 * event is committed that needs it, and carried in that event.
 */
export type ColumnDefault =
  | { readonly value: unknown }
  | { readonly sql: string }
  | { readonly make: () => unknown }

/** An interface, so that declaration files of apps can name it. */
export interface ColumnDefinition<
  Row = unknown,
  Insert = unknown,
  Omittable extends boolean = boolean,
> {
  readonly [ColumnSymbol]: true
  readonly [ColumnTypes]?: {
    readonly row: Row
    readonly insert: Insert
    readonly omittable: Omittable
  }
  readonly kind: ColumnKind
  readonly columnType: ColumnType
  readonly schema: AnySchema | undefined
  readonly default: ColumnDefault | undefined
  readonly nullable: boolean
  readonly primaryKey: boolean
  readonly autoIncrement: boolean
  /** Set by client documents, whose value decodes leniently; replaces the codec of `schema`. */
  readonly codec?: Codec
}

export type Columns = { readonly [name: string]: ColumnDefinition }

type TypesOf<C> = C extends { readonly [ColumnTypes]?: infer Types } ? NonNullable<Types> : never
/** What a query gives for this column. */
export type RowType<C> = TypesOf<C> extends { readonly row: infer Row } ? Row : never
/** What an insert, an update or a comparison takes for this column. */
export type InsertType<C> = TypesOf<C> extends { readonly insert: infer Insert } ? Insert : never

type OmittableKeys<Cs> = {
  [K in keyof Cs]: TypesOf<Cs[K]> extends { readonly omittable: true } ? K : never
}[keyof Cs]

type Simplify<T> = { [K in keyof T]: T[K] }

/** A row as queries return it. */
export type RowOf<Cs> = { readonly [K in keyof Cs]: RowType<Cs[K]> }

/** A row as inserts take it: nullable columns and those with a default can be left out. */
export type InsertOf<Cs> = Simplify<
  { readonly [K in Exclude<keyof Cs, OmittableKeys<Cs>>]: InsertType<Cs[K]> } & {
    readonly [K in OmittableKeys<Cs>]?: InsertType<Cs[K]> | undefined
  }
>

type OrNull<T, Nullable extends boolean> = Nullable extends true ? T | null : T

type DefaultFor<Insert, Nullable extends boolean> =
  | OrNull<Insert, Nullable>
  | { readonly sql: string }
  | (() => OrNull<Insert, Nullable>)
  | undefined

type CommonOptions<Nullable extends boolean, Default, AutoIncrement extends boolean> = {
  /** The column may be null, and can be left out of inserts. */
  readonly nullable?: Nullable | undefined
  /**
   * Used when an insert leaves the column out: a value, `{ sql }` for SQLite to evaluate, or a
   * function. That one is called once, when an event is committed that needs it; the event carries
   * the value from then on, so a random id or the time of day is right here.
   */
  readonly default?: Default | undefined
  readonly primaryKey?: boolean | undefined
  /** Only for the single integer primary key of a table. */
  readonly autoIncrement?: AutoIncrement | undefined
}

type Column<Row, Insert, Nullable extends boolean, Default, AutoIncrement> = ColumnDefinition<
  OrNull<Row, Nullable>,
  OrNull<Insert, Nullable>,
  Nullable extends true
    ? true
    : AutoIncrement extends true
      ? true
      : Default extends undefined
        ? false
        : true
>

/** A column function whose values are `Value` unless a schema says otherwise. */
export type ColumnFunction<Value, Stored> = <
  S extends SchemaOver<Stored> | undefined = undefined,
  const Nullable extends boolean = false,
  const Default extends DefaultFor<
    S extends undefined ? Value : SchemaInput<S>,
    Nullable
  > = undefined,
  const AutoIncrement extends boolean = false,
>(
  options?: CommonOptions<Nullable, Default, AutoIncrement> & { readonly schema?: S },
) => Column<
  S extends undefined ? Value : SchemaOutput<S>,
  S extends undefined ? Value : SchemaInput<S>,
  Nullable,
  Default,
  AutoIncrement
>

/** A column function that takes no schema. */
export type PlainColumnFunction<Value> = <
  const Nullable extends boolean = false,
  const Default extends DefaultFor<Value, Nullable> = undefined,
>(
  options?: CommonOptions<Nullable, Default, false>,
) => Column<Value, Value, Nullable, Default, false>

const columnFunction =
  (kind: ColumnKind, columnType: ColumnType) =>
  (
    options: CommonOptions<boolean, unknown, boolean> & { readonly schema?: unknown } = {},
  ): ColumnDefinition => {
    const what = `${kind} column`
    const { nullable = false, primaryKey = false, autoIncrement = false } = options
    if (primaryKey && nullable) {
      throw new LiveStoreError('InvalidSchema', `${what}: a primary key cannot be nullable`)
    }
    if (autoIncrement && !(primaryKey && kind === 'integer')) {
      throw new LiveStoreError(
        'InvalidSchema',
        `${what}: autoIncrement needs an integer column that is the primary key`,
      )
    }
    return {
      [ColumnSymbol]: true,
      kind,
      columnType,
      schema: options.schema === undefined ? undefined : checkSchema(options.schema, what),
      default: columnDefault(options.default),
      nullable,
      primaryKey,
      autoIncrement,
    }
  }

const columnDefault = (value: unknown): ColumnDefault | undefined => {
  if (value === undefined) return undefined
  if (typeof value === 'function') return { make: value as () => unknown }
  if (typeof value === 'object' && value !== null && 'sql' in value) {
    if (typeof value.sql === 'string' && Object.keys(value).length === 1) return { sql: value.sql }
  }
  return { value }
}

/** Strings; with a `schema`, whatever it encodes to a string. */
export const text = columnFunction('text', 'text') as ColumnFunction<string, string>
/** Whole numbers; with a `schema`, whatever it encodes to one. */
export const integer = columnFunction('integer', 'integer') as ColumnFunction<number, number>
/** Numbers. */
export const real = columnFunction('real', 'real') as ColumnFunction<number, number>
/** Bytes. */
export const blob = columnFunction('blob', 'blob') as ColumnFunction<
  Uint8Array<ArrayBufferLike>,
  Uint8Array<ArrayBufferLike>
>
/** `true` and `false`, stored as 1 and 0. */
export const boolean = columnFunction('boolean', 'integer') as PlainColumnFunction<boolean>
/** Any JSON value, stored as its text; with a `schema`, whatever it encodes to JSON. */
export const json = columnFunction('json', 'text') as ColumnFunction<unknown, unknown>
/** A `Date`, stored as ISO 8601 text. */
export const datetime = columnFunction('datetime', 'text') as PlainColumnFunction<Date>
/** A `Date`, stored as milliseconds since 1970. */
export const datetimeInteger = columnFunction(
  'datetimeInteger',
  'integer',
) as PlainColumnFunction<Date>

type FunctionOf = {
  readonly text: typeof text
  readonly integer: typeof integer
  readonly real: typeof real
  readonly blob: typeof blob
}

/** The column function of a SQLite type: `column('text')({ nullable: true })`. */
export const column = <const Type extends ColumnType>(type: Type): FunctionOf[Type] => {
  const functions: FunctionOf = { text, integer, real, blob }
  if (!Object.hasOwn(functions, type)) {
    throw new LiveStoreError('InvalidSchema', `column type ${describe(type)} is unknown`)
  }
  return functions[type]
}

export const isColumnDefinition = (value: unknown): value is ColumnDefinition =>
  typeof value === 'object' && value !== null && ColumnSymbol in value

/** A decoder takes what SQLite gave, never null, and returns what the app sees. */
export type Decoder = (stored: BindValue) => unknown

export type ColumnCodec = {
  /** For writes and comparisons. Throws an `Error` that says what is wrong with the value. */
  readonly encode: (value: unknown) => BindValue
  /** `undefined`: the stored value is the value. Handles null. */
  readonly decode: Decoder | undefined
}

/** Makes the codec of a column. `what` names table and column in errors. */
export const columnCodec = (definition: ColumnDefinition, what: string): ColumnCodec => {
  const { kind, schema } = definition
  const base = kindCodecs[kind]
  const codec = definition.codec ?? (schema === undefined ? undefined : codecOf(schema, what))
  const decodeStored = codec ? chain(base.decode, codec.decode) : base.decode
  return {
    encode: (value) => {
      if (value === null) return encodeNull(definition)
      if (codec === undefined) return base.encode(value)
      const encoded = codec.encode(value)
      const stored = base.encode(encoded)
      if (!codec.encodeValidates)
        codec.decode(kind === 'json' ? JSON.parse(stored as string) : encoded)
      return stored
    },
    decode: decodeStored && ((stored) => decodeColumn(decodeStored, stored, what)),
  }
}

const encodeNull = (definition: ColumnDefinition): null => {
  if (!definition.nullable) throw new Error('it is not nullable')
  return null
}

const decodeColumn = (decode: Decoder, stored: BindValue, what: string): unknown => {
  if (stored === null) return null
  try {
    return decode(stored)
  } catch (cause) {
    const message = `${what}: the stored value does not fit: ${messageOf(cause)}`
    throw new LiveStoreError('DecodeFailed', message, { cause })
  }
}

const chain = (first: Decoder | undefined, then: (value: unknown) => unknown): Decoder =>
  first === undefined ? then : (stored) => then(first(stored))

const expected = (what: string, value: unknown): never => {
  throw new Error(`expected ${what}, got ${describe(value)}`)
}

const encodeDate = (value: unknown): Date =>
  value instanceof Date && !Number.isNaN(value.getTime()) ? value : expected('a valid Date', value)

const decodeDate = (stored: BindValue): Date => {
  const date = new Date(
    (typeof stored === 'string' && isoTime(stored)) || (stored as string | number),
  )
  return Number.isNaN(date.getTime()) ? expected('a date', stored) : date
}

/**
 * Unix time of what `toISOString` wrote for the years 0 to 9999, in half the time `new Date` needs;
 * undefined for any other text (and 0 for 1970 itself, which `new Date` then reads).
 */
const isoTime = (text: string): number | undefined => {
  if (text.length !== 24 || !isoShape.test(text)) return undefined
  const two = (at: number): number => text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528
  const year = two(0) * 100 + two(2)
  const time = Date.UTC(
    year,
    two(5) - 1,
    two(8),
    two(11),
    two(14),
    two(17),
    two(20) * 10 + (two(21) % 10),
  )
  // Date.UTC means 1900 to 1999 by the years below 100.
  return year < 100 ? undefined : time
}

const isoShape = /^\d{4}-(0[1-9]|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

const encodeNumber = (value: unknown): BindValue =>
  // SQLite has no NaN: it would store null.
  (typeof value === 'number' && !Number.isNaN(value)) || typeof value === 'bigint'
    ? value
    : expected('a number', value)

/** How each kind stores values when no schema is involved. */
const kindCodecs: {
  readonly [Kind in ColumnKind]: {
    readonly encode: (value: unknown) => BindValue
    readonly decode: Decoder | undefined
  }
} = {
  text: {
    encode: (value) => (typeof value === 'string' ? value : expected('a string', value)),
    decode: undefined,
  },
  integer: { encode: encodeNumber, decode: undefined },
  real: { encode: encodeNumber, decode: undefined },
  blob: {
    encode: (value) => (value instanceof Uint8Array ? value : expected('a Uint8Array', value)),
    decode: undefined,
  },
  boolean: {
    encode: (value) => (typeof value === 'boolean' ? Number(value) : expected('a boolean', value)),
    decode: (stored) => stored === 1,
  },
  json: {
    encode: (value) => toJson(value) ?? expected('a JSON value', value),
    decode: (stored) => parseJson(stored as string),
  },
  datetime: { encode: (value) => encodeDate(value).toISOString(), decode: decodeDate },
  datetimeInteger: { encode: (value) => encodeDate(value).getTime(), decode: decodeDate },
}

const parseJson = (stored: string): unknown => {
  const value: unknown = JSON.parse(stored)
  // JSON may write the key with escapes; a value that mentions it only costs one more walk.
  return stored.includes('__proto__') || stored.includes('\\u') ? scrubParsedJson(value) : value
}
