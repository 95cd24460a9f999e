import * as v from 'valibot'
import { expect, test, vi } from 'vitest'
import { resultOf } from '../../test/result-of.js'
import { Schema } from '../effect/index.js'
import { LiveStoreError } from '../errors.js'
import { SessionIdSymbol, State } from '../schema/index.js'
import type { Query } from './index.js'
import { isQueryBuilder, QueryBuilderAstSymbol, sql } from './index.js'

const { SQLite } = State

const todos = SQLite.table({
  name: 'todos',
  columns: {
    id: SQLite.text({ primaryKey: true }),
    text: SQLite.text({ default: '' }),
    done: SQLite.boolean({ default: false }),
    due: SQLite.datetime({ nullable: true }),
    seen: SQLite.datetimeInteger({ nullable: true }),
    n: SQLite.integer({ nullable: true }),
    size: SQLite.real({ nullable: true }),
    color: SQLite.text({ schema: Schema.Literal('red', 'blue'), nullable: true }),
    tags: SQLite.json({ schema: Schema.Array(Schema.Date), nullable: true }),
    meta: SQLite.json({ nullable: true }),
    bytes: SQLite.blob({ nullable: true }),
    slug: SQLite.text({ schema: v.pipe(v.string(), v.minLength(2)), nullable: true }),
  },
})
/** For what TypeScript refuses before the builder can. */
const loose = todos as unknown as Record<string, (...args: unknown[]) => typeof loose> &
  Query<unknown>

const shape = (query: Query<unknown>) => {
  const { query: text, bindValues, usedTables } = query.asSql()
  expect([...usedTables]).toEqual(['todos'])
  return [text, ...bindValues]
}

const failure = (run: () => unknown): LiveStoreError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(LiveStoreError)
    return error as LiveStoreError
  }
  throw new Error('nothing was thrown')
}

const expectInvalid = (run: () => unknown, ...parts: string[]) => {
  const error = failure(run)
  expect(error.code).toBe('InvalidQuery')
  for (const part of parts) expect(error.message).toContain(part)
}

test('a table is a query for all of its rows', () => {
  expect(shape(todos)).toEqual(["SELECT * FROM 'todos'"])
  expect(isQueryBuilder(todos)).toBe(true)
  expect(isQueryBuilder({})).toBe(false)
  expect(todos[QueryBuilderAstSymbol]._tag).toBe('SelectQuery')
  expect(todos[QueryBuilderAstSymbol].tableDef).toBe(todos)
  expect(String(todos)).toBe("SELECT * FROM 'todos'")
})

test('select, where, orderBy, limit and offset make one statement', () => {
  const query = todos
    .where({ done: true, due: null, text: undefined })
    .where('n', '>=', 2)
    .select('id', 'text')
    .orderBy('due', 'desc')
    .orderBy([{ col: 'id', direction: 'asc' }])
    .limit(10)
    .offset(20)
  expect(shape(query)).toEqual([
    `SELECT "id", "text" FROM 'todos' WHERE "done" = ? AND "due" IS NULL AND "n" >= ? ` +
      'ORDER BY "due" desc, "id" asc LIMIT ? OFFSET ?',
    1,
    2,
    10,
    20,
  ])
})

test('a builder never changes', () => {
  const base = todos.where({ done: true })
  base.limit(1)
  base.orderBy('id', 'asc')
  base.where({ n: 1 })
  expect(shape(base)).toEqual([`SELECT * FROM 'todos' WHERE "done" = ?`, 1])
  expect(base.compile()).toBe(base.compile())
})

test('offset without limit is a statement SQLite accepts', () => {
  expect(shape(todos.offset(5))).toEqual(["SELECT * FROM 'todos' LIMIT -1 OFFSET ?", 5])
})

test('names are quoted, whatever is in them', () => {
  const odd = SQLite.table({
    name: `it's "odd"`,
    columns: { 'a"b': SQLite.text(), order: SQLite.text(), constructor: SQLite.text() },
  })
  expect(odd.select('a"b', 'order').where('constructor', 'x').asSql().query).toBe(
    `SELECT "a""b", "order" FROM 'it''s "odd"' WHERE "constructor" = ?`,
  )
})

test('every comparison encodes its value as the column stores it', () => {
  const date = new Date('2026-01-01T00:00:00Z')
  const where = (query: Query<unknown>) =>
    shape(query).map((part, i) => (i > 0 ? part : String(part).slice(28)))
  expect(where(todos.where('due', '<', date))).toEqual(['"due" < ?', '2026-01-01T00:00:00.000Z'])
  expect(where(todos.where('seen', date))).toEqual(['"seen" = ?', date.getTime()])
  expect(where(todos.where('done', '!=', false))).toEqual(['"done" != ?', 0])
  expect(where(todos.where('due', '!=', null))).toEqual(['"due" IS NOT NULL'])
  expect(where(todos.where('id', '==', 'a'))).toEqual(['"id" == ?', 'a'])
  expect(where(todos.where('id', 'LIKE', 'a%'))).toEqual(['"id" LIKE ?', 'a%'])
  expect(where(todos.where('color', 'LIKE', 'r%'))).toEqual(['"color" LIKE ?', 'r%'])
  expect(where(todos.where('id', 'ILIKE', 'A%'))).toEqual(['"id" LIKE ?', 'A%'])
  expect(where(todos.where('id', 'NOT ILIKE', 'A%'))).toEqual(['"id" NOT LIKE ?', 'A%'])
  expect(where(todos.where('id', 'IN', ['a', 'b']))).toEqual(['"id" IN (?, ?)', 'a', 'b'])
  expect(where(todos.where('id', 'NOT IN', ['a']))).toEqual(['"id" NOT IN (?)', 'a'])
  expect(where(todos.where('id', 'IN', []))).toEqual(['0=1'])
  expect(where(todos.where('id', 'NOT IN', []))).toEqual(['1=1'])
  expect(where(todos.where({ n: { op: '>', value: 1.5 } }))).toEqual(['"n" > ?', 1.5])
  expect(where(loose.where!('id', 'like', 'x'))).toEqual(['"id" LIKE ?', 'x'])
})

test('a query names the key that all its rows share, where there is one', () => {
  const keyOf = (query: Query<unknown>) => query.compile().rowKey
  expect(keyOf(todos)).toBeUndefined()
  expect(keyOf(todos.where({ done: true }))).toEqual({ column: 2, parameter: 1 })
  expect(keyOf(todos.where('n', '>', 1).where('id', '==', 'a').limit(3))).toEqual({
    column: 0,
    parameter: 2,
  })
  expect(keyOf(todos.where({ id: 'a' }).count())).toEqual({ column: 0, parameter: 1 })
  expect(keyOf(todos.where({ n: { op: 'IN', value: [1] } }))).toBeUndefined()
  expect(keyOf(todos.where('n', '!=', 1))).toBeUndefined()
  expect(keyOf(todos.where({ n: null }))).toBeUndefined()
})

test('a JSON column compares whole values and its elements', () => {
  const date = new Date(0)
  expect(shape(todos.where('tags', [date])).slice(1)).toEqual(['["1970-01-01T00:00:00.000Z"]'])
  expect(shape(todos.where('tags', 'JSON_CONTAINS', date))).toEqual([
    `SELECT * FROM 'todos' WHERE EXISTS (SELECT 1 FROM json_each("tags") WHERE value = ?)`,
    '1970-01-01T00:00:00.000Z',
  ])
  expect(shape(todos.where('tags', 'JSON_NOT_CONTAINS', date))[0]).toContain('WHERE NOT EXISTS')
  const json = SQLite.table({
    name: 'todos',
    columns: { list: SQLite.json({ schema: v.array(v.any()) }) },
  })
  expect(shape(json.where('list', 'JSON_CONTAINS', true)).slice(1)).toEqual([1])
  expect(shape(json.where('list', 'JSON_CONTAINS', { a: 1 })).slice(1)).toEqual(['{"a":1}'])
  expectInvalid(() => loose.where!('text', 'JSON_CONTAINS', 'x'), 'JSON array columns', '"text"')
  expectInvalid(() => loose.where!('tags', 'JSON_CONTAINS', 1), '"tags"')
})

test('an object with a known operator is an operation, any other object a JSON value', () => {
  expect(shape(todos.where({ meta: { op: 'x', value: 1 } })).slice(1)).toEqual([
    '{"op":"x","value":1}',
  ])
  expect(shape(todos.where({ meta: { op: '=', value: 1 } })).slice(1)).toEqual(['1'])
  expect(shape(todos.where({ meta: { op: '=', value: 1, more: 2 } })).slice(1)).toEqual([
    '{"op":"=","value":1,"more":2}',
  ])
})

test('a wrong condition throws at the call and names the column', () => {
  expectInvalid(() => loose.where!({ nope: 1 }), 'nope', 'todos')
  expectInvalid(() => loose.where!('nope', 1), 'nope')
  expectInvalid(() => loose.where!(JSON.parse('{"__proto__":1}')), '__proto__')
  expectInvalid(() => loose.where!('constructor', 1), 'constructor')
  expectInvalid(() => loose.where!('id', undefined), '"id"', 'undefined')
  expectInvalid(() => loose.where!('id', '=', undefined), '"id"', 'undefined')
  expectInvalid(() => loose.where!({ id: { op: '=', value: undefined } }), '"id"')
  expectInvalid(() => loose.where!('id', '~', 1), '"id"', '"~"')
  expectInvalid(() => loose.where!('id', '= 1; --', 1), '"id"')
  expectInvalid(() => loose.where!('n', '>', null), '"n"', 'null')
  expectInvalid(() => loose.where!('id', 1), "column 'id' of 'todos'", 'expected a string, got 1')
  expectInvalid(() => loose.where!('done', 1), "'done'", 'boolean')
  expectInvalid(() => loose.where!('due', 'soon'), "'due'", 'Date')
  expectInvalid(() => loose.where!('color', 'green'), "'color'")
  expectInvalid(() => loose.where!('id', 'IN', 'abc'), '"id"', 'array')
  expectInvalid(() => loose.where!('id', 'LIKE', 1), '"id"', 'string')
  expectInvalid(() => loose.where!('id', SessionIdSymbol), "'id'")
  expectInvalid(() => loose.where!(), 'where')
  expectInvalid(() => loose.where!('a', 'b', 'c', 'd'), 'where')
  expectInvalid(() => loose.where!('id'), 'where')
})

test('a wrong select, order or range throws at the call', () => {
  expectInvalid(() => loose.select!('nope'), 'nope', 'todos')
  expectInvalid(() => loose.orderBy!('nope', 'asc'), 'nope')
  expectInvalid(() => loose.orderBy!('id', 'asc; drop table todos'), '"id"')
  expectInvalid(() => loose.orderBy!(), 'orderBy')
  for (const bad of [-1, 1.5, Number.NaN, '1', undefined, 2 ** 60]) {
    expectInvalid(() => loose.limit!(bad), 'limit')
    expectInvalid(() => loose.offset!(bad), 'offset')
  }
})

test('first takes one row, and an empty result as it is told', () => {
  expect(shape(todos.first())).toEqual(["SELECT * FROM 'todos' LIMIT ?", 1])
  expect(resultOf(todos.select('id').first(), [['a']])).toBe('a')
  expect(resultOf(todos.select('id').first(), [])).toBeUndefined()
  const error = failure(() => resultOf(todos.first({ behaviour: 'error' }), []))
  expect(error.code).toBe('NoRow')
  expect(error.message).toContain('todos')
  const fallback = vi.fn(() => 'none')
  const query = todos.select('id').first({ behaviour: 'fallback', fallback })
  expect(resultOf(query, [['a']])).toBe('a')
  expect(fallback).not.toHaveBeenCalled()
  expect(resultOf(query, [])).toBe('none')
  expectInvalid(() => loose.first!({ behaviour: 'maybe' }), 'behaviour')
  expectInvalid(() => loose.first!({ behaviour: 'fallback' }), 'fallback')
})

test('count keeps conditions and gives a number', () => {
  const query = todos.where({ done: true }).count()
  expect(shape(query)).toEqual([`SELECT COUNT(*) as count FROM 'todos' WHERE "done" = ?`, 1])
  expect(resultOf(query, [[3]])).toBe(3)
  expect(shape(todos.count().where({ n: 1 }))[0]).toContain('WHERE "n" = ?')
})

test('methods that make no sense together throw', () => {
  const calls: (() => unknown)[] = [
    () => loose.limit!(1).first!(),
    () => loose.first!().limit!(2),
    () => loose.limit!(1).count!(),
    () => loose.select!('id').count!(),
    () => loose.count!().first!(),
    () => loose.count!().orderBy!('id', 'asc'),
    () => loose.count!().update!({ n: 1 }),
    () => loose.limit!(0).delete!(),
    () => loose.orderBy!('id', 'asc').update!({ n: 1 }),
    () => loose.select!('id').insert!({ id: 'a' }),
    () => loose.where!({ n: 1 }).insert!({ id: 'a' }),
    () => loose.insert!({ id: 'a' }).where!({ n: 1 }),
    () => loose.insert!({ id: 'a' }).insert!({ id: 'b' }),
    () => loose.returning!('id'),
    () => loose.onConflict!('id', 'ignore'),
    () => loose.update!({ n: 1 }).onConflict!('id', 'ignore'),
    () => loose.delete!().returning!('id').where!({ n: 1 }),
  ]
  for (const call of calls) expectInvalid(call)
})

test('insert encodes its values and leaves out what is undefined', () => {
  const bytes = new Uint8Array([1, 2])
  expect(
    shape(
      todos.insert({
        id: 'a',
        text: undefined,
        done: true,
        due: new Date(0),
        seen: new Date(5),
        n: null,
        tags: [new Date(0)],
        meta: { a: [1] },
        bytes,
        slug: 'ab',
      }),
    ),
  ).toEqual([
    `INSERT INTO 'todos' ("id", "done", "due", "seen", "n", "tags", "meta", "bytes", "slug") ` +
      'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    'a',
    1,
    '1970-01-01T00:00:00.000Z',
    5,
    null,
    '["1970-01-01T00:00:00.000Z"]',
    '{"a":[1]}',
    bytes,
    'ab',
  ])
})

test('a wrong insert or update throws at the call and names the column', () => {
  const insert = (values: unknown) => () => loose.insert!(values)
  expectInvalid(insert({ id: 'a', nope: 1 }), 'nope', 'todos')
  expectInvalid(insert({ id: 'a', nope: undefined }), 'nope')
  expectInvalid(insert(JSON.parse('{"id":"a","__proto__":{"n":1}}')), '__proto__')
  expectInvalid(insert({ text: 'no id' }), "'id'", 'missing')
  expectInvalid(insert({ id: undefined }), "'id'", 'missing')
  expectInvalid(insert({ id: null }), "'id'", 'not nullable')
  expectInvalid(insert({ id: 'a', n: 1.5 }), "'n'", '1.5')
  expectInvalid(insert({ id: 'a', n: Number.POSITIVE_INFINITY }), "'n'")
  expectInvalid(insert({ id: 'a', size: Number.NaN }), "'size'", 'NaN')
  expectInvalid(insert({ id: 'a', due: new Date('x') }), "'due'")
  expectInvalid(insert({ id: 'a', bytes: [1] }), "'bytes'", 'Uint8Array')
  expectInvalid(insert({ id: 'a', meta: { f: 1n } }), "'meta'", 'bigint', 'f')
  expectInvalid(insert({ id: 'a', meta: JSON.parse('{"__proto__":1}') }), "'meta'", '__proto__')
  expectInvalid(insert({ id: 'a', slug: 'x' }), "'slug'", 'length')
  expectInvalid(insert([{ id: 'a' }]), 'array')
  expectInvalid(insert(undefined), 'undefined')
  expectInvalid(() => loose.update!({ nope: 1 }), 'nope')
  expectInvalid(() => loose.update!({ done: 'yes' }), "'done'")
})

test('an insert can say what happens when the row exists', () => {
  const insert = todos.insert({ id: 'a', text: 't' })
  const head = `INSERT INTO 'todos' ("id", "text") VALUES (?, ?)`
  expect(shape(insert.onConflict('id', 'ignore'))).toEqual([
    `${head} ON CONFLICT ("id") DO NOTHING`,
    'a',
    't',
  ])
  expect(shape(insert.onConflict(['id', 'n'], 'update', { text: 'u', done: undefined }))).toEqual([
    `${head} ON CONFLICT ("id", "n") DO UPDATE SET "text" = ?, "done" = excluded."done"`,
    'a',
    't',
    'u',
  ])
  expect(shape(insert.onConflict('id', 'replace'))[0]).toBe(
    `INSERT OR REPLACE INTO 'todos' ("id", "text") VALUES (?, ?)`,
  )
  const onConflict =
    (...args: unknown[]) =>
    () =>
      (insert as unknown as typeof loose).onConflict!(...args)
  expectInvalid(onConflict('nope', 'ignore'), 'nope')
  expectInvalid(onConflict([], 'ignore'), 'onConflict')
  expectInvalid(onConflict('id', 'merge'), 'merge')
  expectInvalid(onConflict('id', 'update', {}), 'no columns')
  expectInvalid(onConflict('id', 'update', { nope: 1 }), 'nope')
  expectInvalid(onConflict('id', 'update'), 'onConflict')
})

test('update and delete keep conditions on either side', () => {
  const updated = [`UPDATE 'todos' SET "done" = ?, "n" = ? WHERE "id" = ?`, 1, null, 'a']
  expect(shape(todos.update({ done: true, n: null, text: undefined }).where({ id: 'a' }))).toEqual(
    updated,
  )
  expect(shape(todos.where({ id: 'a' }).update({ done: true, n: null }))).toEqual(updated)
  expect(shape(todos.delete().where('id', 'a'))).toEqual([
    `DELETE FROM 'todos' WHERE "id" = ?`,
    'a',
  ])
  expect(shape(todos.where('id', 'a').delete())[0]).toBe(`DELETE FROM 'todos' WHERE "id" = ?`)
  expect(shape(todos.delete())).toEqual(["DELETE FROM 'todos'"])
  expect(shape(todos.update({ n: 1 }))).toEqual([`UPDATE 'todos' SET "n" = ?`, 1])
})

test('an update of nothing writes nothing', () => {
  expect(shape(todos.update({}).where({ id: 'a' }))).toEqual(['SELECT 1'])
  expect(shape(todos.update({ n: undefined }))).toEqual(['SELECT 1'])
})

test('a write can return columns of its rows', () => {
  const query = todos.insert({ id: 'a' }).returning('id', 'done')
  expect(shape(query)[0]).toBe(`INSERT INTO 'todos' ("id") VALUES (?) RETURNING "id", "done"`)
  expect(query.compile().kind).toBe('write')
  expect(resultOf(query, [['a', 1]])).toEqual([{ id: 'a', done: true }])
  expect(shape(todos.delete().returning('id'))[0]).toBe(`DELETE FROM 'todos' RETURNING "id"`)
})

test('an insert without values takes all defaults', () => {
  const counters = SQLite.table({
    name: 'todos',
    columns: {
      id: SQLite.integer({ primaryKey: true, autoIncrement: true }),
      n: SQLite.integer({ default: 0 }),
    },
  })
  expect(shape(counters.insert({}))).toEqual(["INSERT INTO 'todos' DEFAULT VALUES"])
})

test('rows are decoded by their columns', () => {
  const bytes = new Uint8Array([7])
  const row = [
    'a',
    't',
    1,
    '1970-01-01T00:00:00.000Z',
    5,
    3,
    1.5,
    'red',
    '["1970-01-01T00:00:00.000Z"]',
    '{"a":1}',
    bytes,
    'ab',
  ]
  expect(resultOf(todos, [row])).toEqual([
    {
      id: 'a',
      text: 't',
      done: true,
      due: new Date(0),
      seen: new Date(5),
      n: 3,
      size: 1.5,
      color: 'red',
      tags: [new Date(0)],
      meta: { a: 1 },
      bytes,
      slug: 'ab',
    },
  ])
  const nulls = ['a', 't', 0, ...Array(9).fill(null)]
  expect(resultOf(todos, [nulls])[0]).toMatchObject({
    done: false,
    due: null,
    tags: null,
    color: null,
  })
  expect(resultOf(todos.select('due'), [['1970-01-01'], [null]])).toEqual([new Date(0), null])
  expect(resultOf(todos.select('done'), [[2]])).toEqual([false])
  const { columns, decoders, mode } = todos.select('id', 'done').compile()
  expect(columns).toEqual(['id', 'done'])
  expect(decoders[0]).toBeUndefined()
  expect(mode).toBe('objects')
  expect(todos.select('id').compile().mode).toBe('pluck')
})

test('a stored value that does not fit names table and column', () => {
  const decode = (column: 'due' | 'color' | 'meta' | 'tags' | 'slug', stored: string) => () =>
    resultOf(todos.select(column), [[stored]])
  for (const [column, stored] of [
    ['due', 'soon'],
    ['color', 'green'],
    ['meta', '{broken'],
    ['tags', '{"a":1}'],
    ['slug', 'x'],
  ] as const) {
    const error = failure(decode(column, stored))
    expect(error.code).toBe('DecodeFailed')
    expect(error.message).toContain(`column '${column}' of 'todos'`)
  }
})

test('stored JSON cannot smuggle in a prototype', () => {
  for (const stored of ['{"__proto__":{"x":1},"a":1}', '{"\\u005f_proto__":{"x":1},"a":1}']) {
    const [value] = resultOf(todos.select('meta'), [[stored]])
    expect(Object.keys(value as object)).toEqual(['a'])
    expect((value as { x?: number }).x).toBeUndefined()
  }
})

test('the sql tag joins text', () => {
  expect(sql`select ${1} from ${'t'} where a = '\n'`).toBe("select 1 from t where a = '\n'")
})

test('first takes its fallback in the form of 0.3 too', () => {
  const empty = (query: Query<unknown>) => query.compile().finish([])
  expect(empty(todos.first({ fallback: () => 'none' }))).toBe('none')
  expect(empty(todos.first({ behaviour: 'fallback', fallback: () => 'none' }))).toBe('none')
  const strict = todos.first({ fallback: 'throws' })
  expect(() => empty(strict)).toThrow(expect.objectContaining({ code: 'NoRow' }))
  expect(strict.compile().finish(['row'])).toBe('row')
  expectInvalid(() => loose.first!({ fallback: 'x' }), 'first')
  expectInvalid(() => loose.first!({ behaviour: 'error', fallback: 'throws' }).first!(), 'first')
})

test('a fallback is made when there is no row, and not before', () => {
  const fallback = vi.fn(() => 0)
  const query = todos.select('n').first({ behaviour: 'fallback', fallback })
  expect(query.compile().finish([1])).toBe(1)
  expect(fallback).not.toHaveBeenCalled()
})

test('a table is its own .query', () => {
  expect(todos.query).toBe(todos)
  expect(shape(todos.query.where({ id: 'a' }))).toEqual([
    `SELECT * FROM 'todos' WHERE "id" = ?`,
    'a',
  ])
})
