import { describe, expect, expectTypeOf, test } from 'vitest'
import { todos } from '../../test/todo-schema.js'
import { sql } from '../query/index.js'
import { Events, SessionIdSymbol, State } from '../schema/index.js'
import {
  computed,
  isLiveQuery,
  isQueryDef,
  isSignalDef,
  type LiveQueryDef,
  QueryDefSymbol,
  queryDb,
  signal,
} from './definitions.js'

const anything = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value: unknown) => ({ value: value as { readonly n: number }[] }),
  },
} as const

const key = (def: LiveQueryDef<unknown>): string => def[QueryDefSymbol].key

describe('hash and label', () => {
  test('of a builder: statement and binds', () => {
    const def = queryDb(todos.where({ id: 'x' }))
    expect(def.hash).toBe(`SELECT * FROM 'todos' WHERE "id" = ?-0:x`)
    expect(def.label).toBe(`SELECT * FROM 'todos' WHERE "id" = ?`)
  })

  test('with deps and label', () => {
    const def = queryDb(todos.where({ id: 'x' }), { deps: ['a', undefined, 2], label: 'one' })
    expect(def.hash).toBe(`SELECT * FROM 'todos' WHERE "id" = ?-a,2-0:x`)
    expect(def.label).toBe('one')
  })

  test('of the session id, of a function, of named binds', () => {
    expect(queryDb(todos.where('id', 'y')).hash).toContain('-0:y')
    const def = queryDb({
      query: sql`SELECT 1`,
      schema: anything,
      bindValues: { id: SessionIdSymbol },
    })
    expect(def.hash).toBe('SELECT 1-id:SessionIdSymbol')
    expect(computed(() => 1).hash).toBe('() => 1')
    expect(computed(() => 1, { deps: 'd' }).hash).toBe('() => 1-d')
  })

  test('every signal is one of its own', () => {
    expect(signal(1).hash).not.toBe(signal(1).hash)
    expect(signal(1).label).toBe('Signal')
    expect(signal(1, { label: 'filter' }).label).toBe('filter')
  })
})

describe('which definitions may share an instance', () => {
  test('equal statements, and the same table without a condition', () => {
    expect(key(queryDb(todos.where({ id: 'x' })))).toBe(key(queryDb(todos.where({ id: 'x' }))))
    expect(key(queryDb(todos.where({ id: 'x' })))).not.toBe(key(queryDb(todos.where({ id: 'y' }))))
    expect(key(queryDb(todos))).toBe(key(queryDb(todos.select())))
    expect(key(queryDb(todos.first()))).toBe(key(queryDb(todos.first())))
  })

  test('not those with another map or label', () => {
    const ids = (rows: readonly { readonly id: string }[]) => rows.map((row) => row.id)
    const keys = [
      queryDb(todos),
      queryDb(todos, { label: 'all' }),
      queryDb(todos, { map: ids }),
      queryDb(todos, { map: (rows) => rows.map((row) => row.id) }),
      queryDb(todos, { map: (rows) => rows.map((row) => row.id) }),
    ].map((def) => key(def))
    expect(new Set(keys).size).toBe(5)
    expect(key(queryDb(todos, { map: ids }))).toBe(keys[2])
  })

  test('not one statement with different results when there is no row', () => {
    const keys = [
      todos.limit(1),
      todos.first({ behaviour: 'error' }),
      todos.first({ behaviour: 'fallback', fallback: () => 'none' }),
    ].map((query) => key(queryDb<unknown>(query)))
    expect(new Set(keys).size).toBe(3)
  })

  test('not functions of equal text, unless they say what they capture', () => {
    const capture = (id: string) => queryDb(() => todos.where({ id }))
    expect(key(capture('a'))).not.toBe(key(capture('a')))
    const withDeps = (id: string) => queryDb(() => todos.where({ id }), { deps: [id] })
    expect(key(withDeps('a'))).toBe(key(withDeps('a')))
    expect(key(withDeps('a'))).not.toBe(key(withDeps('b')))
  })

  test('not different functions with equal deps', () => {
    expect(key(computed(() => 1, { deps: 'd' }))).not.toBe(key(computed(() => 2, { deps: 'd' })))
    expect(key(computed(() => 1, { deps: 'd' }))).toBe(key(computed(() => 1, { deps: 'd' })))
  })

  test('not deps that only look equal when joined', () => {
    const def = (deps: string[]) => queryDb(() => todos, { deps })
    expect(key(def(['a,b']))).not.toBe(key(def(['a', 'b'])))
  })

  test('not binds that only look equal as text', () => {
    const def = (value: unknown) =>
      queryDb({ query: 'SELECT ?', schema: anything, bindValues: [value as never] })
    const values = [1, 1n, '1', true, null, 'null', new Uint8Array([1]), 'x1', SessionIdSymbol]
    expect(new Set(values.map((value) => key(def(value)))).size).toBe(values.length)
  })
})

describe('bad input', () => {
  test('what is not a query', () => {
    for (const input of [undefined, null, 7, 'SELECT 1', {}, []]) {
      expect(() => queryDb(input as never)).toThrow(
        expect.objectContaining({ code: 'InvalidQuery' }),
      )
    }
    expect(() => computed(7 as never)).toThrow(expect.objectContaining({ code: 'InvalidQuery' }))
  })

  test('a raw query without a schema names the query', () => {
    expect(() => queryDb({ query: 'SELECT 1' } as never)).toThrow(/SELECT 1.*schema/i)
  })

  test('a query that writes', () => {
    expect(() => queryDb(todos.delete())).toThrow(
      expect.objectContaining({
        code: 'ReadOnlyQuery',
        message: expect.stringContaining('DELETE'),
      }),
    )
  })
})

test('definitions are recognised by their symbol', () => {
  expect(isQueryDef(queryDb(todos))).toBe(true)
  expect(isQueryDef(signal(1))).toBe(true)
  expect(isSignalDef(signal(1))).toBe(true)
  expect(isSignalDef(computed(() => 1))).toBe(false)
  expect(isQueryDef(todos)).toBe(false)
  expect(isLiveQuery(queryDb(todos))).toBe(false)
})

test('types follow from the query, the map and the schema', () => {
  expectTypeOf(queryDb(todos.count())).toEqualTypeOf<LiveQueryDef<number>>()
  expectTypeOf(queryDb(todos.select('text'))).toEqualTypeOf<LiveQueryDef<readonly string[]>>()
  expectTypeOf(queryDb(todos, { map: (rows) => rows.length })).toEqualTypeOf<LiveQueryDef<number>>()
  expectTypeOf(queryDb((get) => todos.where({ id: get(signal('x')) }).count())).toEqualTypeOf<
    LiveQueryDef<number>
  >()
  expectTypeOf(queryDb({ query: 'SELECT 1', schema: anything })).toEqualTypeOf<
    LiveQueryDef<{ readonly n: number }[]>
  >()
  expectTypeOf(computed((get) => get(signal(1)) > 0)).toEqualTypeOf<LiveQueryDef<boolean>>()
  expectTypeOf(Events.synced).toBeFunction()
  expectTypeOf(State.SQLite.table).toBeFunction()
})
