/**
 * Tables that are made of an effect schema: which column each kind of field becomes.
 */

import { describe, expect, test } from 'vitest'
import { coded } from '../../test/open-store.js'
import { Schema } from '../effect/index.js'
import { schemaDescriptor } from './descriptor.js'
import { Schema4 } from './effect4.fixture.js'
import { type AnyTableDef, makeSchema, State } from './index.js'

const { SQLite } = State

interface Described {
  readonly name: string
  readonly type: string
  readonly codec: string
  readonly nullable: boolean
  readonly primaryKey: boolean
  readonly default: unknown
}

const describeTable = (tableDef: AnyTableDef) => {
  const state = SQLite.makeState({ tables: [tableDef], materializers: {} })
  const [described] = JSON.parse(schemaDescriptor(makeSchema({ events: {}, state }))).tables as {
    readonly name: string
    readonly columns: readonly Described[]
    readonly indexes: readonly unknown[]
  }[]
  if (described === undefined) throw new Error('no table')
  return described
}

const typesOf = (fields: Schema.Struct.Fields) =>
  Object.fromEntries(
    describeTable(SQLite.table({ name: 't', schema: Schema.Struct(fields) })).columns.map(
      ({ name, type, codec, nullable }) => [name, `${type} ${codec}${nullable ? ' null' : ''}`],
    ),
  )

describe('fields become columns by how they are stored', () => {
  test('texts', () => {
    const types = typesOf({
      string: Schema.String,
      refined: Schema.NonEmptyString,
      literal: Schema.Literal('a'),
      literals: Schema.Literal('a', 'b'),
      enums: Schema.Enums({ small: 's', large: 'l' }),
      bigint: Schema.BigInt,
      date: Schema.Date,
      base64: Schema.parseJson(Schema.Struct({ a: Schema.Number })),
    })
    expect(new Set(Object.values(types))).toEqual(new Set(['text text']))
  })

  test('numbers are real, whole ones integers', () => {
    expect(
      typesOf({
        number: Schema.Number,
        positive: Schema.Positive,
        literal: Schema.Literal(1),
        fractions: Schema.Literal(0.5, 1),
        int: Schema.Int,
        positiveInt: Schema.Int.pipe(Schema.positive()),
        literals: Schema.Literal(1, 2),
        millis: Schema.DateFromNumber,
      }),
    ).toEqual({
      number: 'real real',
      positive: 'real real',
      literal: 'real real',
      fractions: 'real real',
      int: 'integer integer',
      positiveInt: 'integer integer',
      literals: 'integer integer',
      millis: 'integer integer',
    })
  })

  test('booleans, bytes, and JSON for all else', () => {
    expect(
      typesOf({
        flag: Schema.Boolean,
        always: Schema.Literal(true),
        bytes: Schema.Uint8ArrayFromSelf,
        struct: Schema.Struct({ a: Schema.Date }),
        list: Schema.Array(Schema.String),
        record: Schema.Record({ key: Schema.String, value: Schema.Number }),
        mixed: Schema.Union(Schema.String, Schema.Number),
        unknown: Schema.Unknown,
      }),
    ).toEqual({
      flag: 'integer boolean',
      always: 'integer boolean',
      bytes: 'blob blob',
      struct: 'text json',
      list: 'text json',
      record: 'text json',
      mixed: 'text json',
      unknown: 'text json',
    })
  })

  test('what can be missing or null is nullable', () => {
    expect(
      typesOf({
        optional: Schema.optional(Schema.String),
        nullOr: Schema.NullOr(Schema.Int),
        undefinedOr: Schema.UndefinedOr(Schema.Boolean),
        both: Schema.optional(Schema.NullOr(Schema.Date)),
      }),
    ).toEqual({
      optional: 'text text null',
      nullOr: 'integer integer null',
      undefinedOr: 'integer boolean null',
      both: 'text text null',
    })
  })
})

test('a class, a transformation and a union of structs have the columns that are stored', () => {
  class Person extends Schema.Class<Person>('Person')({ id: Schema.String, age: Schema.Int }) {}
  const columns = (schema: typeof Person | Schema.Schema<never, never>) =>
    describeTable(SQLite.table({ name: 't', schema: schema as typeof Person })).columns.map(
      ({ name, type, nullable }) => `${name} ${type}${nullable ? ' null' : ''}`,
    )
  expect(columns(Person)).toEqual(['id text', 'age integer'])
  const nested = Schema.transform(
    Schema.Struct({ x: Schema.Number, y: Schema.Number }),
    Schema.Struct({ point: Schema.Struct({ x: Schema.Number, y: Schema.Number }) }),
    { decode: (point) => ({ point }), encode: ({ point }) => point, strict: true },
  )
  expect(columns(nested as never)).toEqual(['x real', 'y real'])
  const shape = Schema.Union(
    Schema.Struct({ kind: Schema.Literal('circle'), radius: Schema.Number }),
    Schema.Struct({ kind: Schema.Literal('square'), side: Schema.Number }),
  )
  expect(columns(shape as never)).toEqual(['kind text', 'radius real null', 'side real null'])
})

test('annotations make keys, types, unique indexes and defaults, in both forms', () => {
  const fields = {
    id: Schema.Int.pipe(SQLite.withPrimaryKey, SQLite.withAutoIncrement),
    email: Schema.String.pipe(SQLite.withUnique),
    count: SQLite.withDefault(SQLite.withColumnType(Schema.Number, 'integer'), 7),
    at: Schema.String.pipe(SQLite.withDefault('CURRENT_TIMESTAMP')),
    token: Schema.optional(Schema.String).pipe(SQLite.withDefault(() => 'x')),
  }
  const { columns, indexes } = describeTable(
    SQLite.table({ name: 'users', schema: Schema.Struct(fields) }),
  )
  const column = (name: string) => columns.find((each) => each.name === name)
  expect(column('id')).toMatchObject({ primaryKey: true, autoIncrement: true, type: 'integer' })
  expect(column('count')).toMatchObject({ type: 'integer', default: { value: 7 } })
  expect(column('at')?.default).toEqual({ value: 'CURRENT_TIMESTAMP' })
  expect(column('token')).toMatchObject({ default: null, nullable: true })
  expect(indexes).toEqual([{ name: 'idx_users_email_unique', columns: ['email'], unique: true }])
})

test('a table takes its name from the title or identifier of its schema', () => {
  const struct = Schema.Struct({ id: Schema.String })
  expect(SQLite.table({ schema: struct.annotations({ title: 'a' }) }).sqliteDef.name).toBe('a')
  expect(SQLite.table({ schema: struct.annotations({ identifier: 'b' }) }).sqliteDef.name).toBe('b')
  expect(() => SQLite.table({ schema: struct })).toThrow(coded('InvalidSchema', /title/))
})

test('what cannot be a table is refused by name', () => {
  const make = (schema: unknown) => () => SQLite.table({ name: 't', schema: schema as never })
  expect(make(Schema.String)).toThrow(coded('InvalidSchema', /'t'.*struct/))
  expect(make({})).toThrow(coded('InvalidSchema', /'t'.*schema of effect/))
  expect(make(Schema4.Struct({ id: Schema4.String }))).toThrow(coded('InvalidSchema', /'t'/))
  const nullKey = Schema.Struct({ id: Schema.NullOr(Schema.String).pipe(SQLite.withPrimaryKey) })
  expect(make(nullKey)).toThrow(coded('InvalidSchema', /'t'.*'id'.*nullable/))
  expect(() => SQLite.withPrimaryKey({})).toThrow(coded('InvalidSchema', /annotated/))
})

test('values are stored and read back as the field says', () => {
  const tableDef = SQLite.table({
    name: 't',
    schema: Schema.Struct({
      id: Schema.String,
      at: Schema.Date,
      list: Schema.NullOr(Schema.Array(Schema.Date)),
      flag: Schema.Boolean,
    }),
  })
  const at = new Date(5)
  expect(tableDef.insert({ id: 'a', at, list: [at], flag: true }).asSql().bindValues).toEqual([
    'a',
    at.toISOString(),
    `["${at.toISOString()}"]`,
    1,
  ])
  const { decoders } = tableDef.select('list').compile()
  expect(decoders[0]?.(`["${at.toISOString()}"]`)).toEqual([at])
})
