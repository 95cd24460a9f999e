/**
 * What `query` takes and gives, and what it says of queries that cannot be run.
 */

import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import {
  anyRows,
  coded,
  created,
  endTest,
  liveQueries,
  openStore,
  startTest,
} from '../../test/open-store.js'
import { todos } from '../../test/todo-schema.js'
import { computed, queryDb, signal } from '../reactivity/definitions.js'

beforeEach(startTest)
afterEach(endTest)

describe('query', () => {
  test('builders, definitions, signals, live queries and raw statements', async () => {
    const store = await openStore()
    store.commit(created('a', 'one'), created('b', 'two'))
    expect(store.query(todos.where({ id: 'b' }).first())).toMatchObject({ text: 'two' })
    expect(store.query(queryDb(todos.select('text'), { map: (texts) => texts.join() }))).toBe(
      'one,two',
    )
    expect(store.query(signal('x'))).toBe('x')
    expect(
      store.query({ query: 'SELECT text FROM todos WHERE id = $id', bindValues: { id: 'b' } }),
    ).toEqual([{ text: 'two' }])
    expect(
      store.query({ query: 'SELECT ? AS b, ? AS big', bindValues: [true, 2n ** 60n] }),
    ).toEqual([{ b: 1, big: 2n ** 60n }])
  })

  test('a raw statement with a schema gives what the schema makes of all rows', async () => {
    const store = await openStore()
    store.commit(created('a'))
    const firstId = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (rows: unknown) => ({ value: (rows as { id: string }[])[0]?.id ?? 'none' }),
      },
    } as const
    const id = store.query({ query: 'SELECT id FROM todos', schema: firstId })
    expectTypeOf(id).toEqualTypeOf<string>()
    expect(id).toBe('a')
  })

  test('leaves no live query behind', async () => {
    const store = await openStore()
    const derived$ = computed((get) => get(queryDb(todos)).length + get(todos.count()))
    expect(store.query(derived$)).toBe(0)
    store.query(todos)
    expect(liveQueries(store)).toBe(0)
  })

  test('two definitions of one statement with different maps give different results', async () => {
    const store = await openStore()
    store.commit(created('a'))
    const rows$ = queryDb(todos)
    const count$ = queryDb(todos, { map: (rows) => rows.length })
    store.subscribe(rows$, () => undefined)
    store.subscribe(count$, () => undefined)
    expect(store.query(count$)).toBe(1)
    expect(store.query(rows$)).toHaveLength(1)
    expect(liveQueries(store)).toBe(1)
  })

  test('a closure sees what it captured', async () => {
    const store = await openStore()
    store.commit(created('a'), created('b'))
    const byId = (id: string) => queryDb(() => todos.where({ id }).select('id'))
    store.subscribe(byId('a'), () => undefined)
    expect(store.query(byId('b'))).toEqual(['b'])
  })

  describe('bad input', () => {
    test('broken SQL names it', async () => {
      const store = await openStore()
      expect(() => store.query({ query: 'SELECT nope FROM todos' })).toThrow(coded('Sql', /nope/))
      expect(() => store.query(todos.where({ nope: 1 } as never))).toThrow(
        coded('InvalidQuery', /nope/),
      )
    })

    test('a write is refused', async () => {
      const store = await openStore()
      expect(() => store.query({ query: 'DELETE FROM todos' })).toThrow(
        coded('ReadOnlyQuery', /DELETE/),
      )
      expect(() => store.query(todos.delete())).toThrow(coded('ReadOnlyQuery', /DELETE/))
    })

    test('a label and the SQL are in the message of a query that fails', async () => {
      const store = await openStore()
      const failing$ = queryDb(
        { query: 'SELECT * FROM nowhere', schema: anyRows },
        { label: 'the label' },
      )
      expect(() => store.query(failing$)).toThrow(coded('Sql', /the label.*nowhere/s))
    })

    test('what the functions of a query throw is told with its label', async () => {
      const store = await openStore()
      const cause = new Error('mine')
      const inner$ = computed(
        () => {
          throw cause
        },
        { label: 'inner' },
      )
      const outer$ = computed((get) => get(inner$), { label: 'outer' })
      expect(() => store.query(outer$)).toThrow(
        expect.objectContaining({
          code: 'CallbackThrew',
          message: expect.stringMatching(/'inner'.*mine/),
          cause,
        }),
      )
      const mapped$ = queryDb(todos, {
        label: 'mapped',
        map: () => {
          throw cause
        },
      })
      expect(() => store.query(mapped$)).toThrow(coded('CallbackThrew', /'mapped'.*mine/))
    })

    test('an empty first with behaviour error', async () => {
      const store = await openStore()
      expect(() => store.query(todos.first({ behaviour: 'error' }))).toThrow(
        coded('NoRow', /todos/),
      )
    })

    test('a schema that refuses the rows', async () => {
      const store = await openStore()
      const refusing = {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: () => ({ issues: [{ message: 'never' }] }),
        },
      } as const
      const query$ = queryDb({ query: 'SELECT 1', schema: refusing }, { label: 'refused' })
      expect(() => store.query(query$)).toThrow(coded('DecodeFailed', /refused.*never/))
    })

    test('a query that depends on itself', async () => {
      const store = await openStore()
      const self$: ReturnType<typeof computed<number>> = computed((get) => get(self$) + 1, {
        label: 'self',
      })
      expect(() => store.query(self$)).toThrow(coded('InvalidQuery', /'self' depends on itself/))
      expect(() => store.subscribe(self$, () => undefined)).toThrow(
        coded('InvalidQuery', /'self' depends on itself/),
      )
    })

    test('get after the function has returned', async () => {
      const store = await openStore()
      let late: (query: typeof todos) => unknown = () => undefined
      store.query(
        computed((get) => {
          late = get
        }),
      )
      expect(() => late(todos)).toThrow(coded('InvalidQuery', /get was called after/))
    })

    test('a commit or setSignal inside a query function', async () => {
      const store = await openStore()
      const signal$ = signal(1)
      for (const change of [
        () => store.commit(created('x')),
        () => store.setSignal(signal$, 2),
        () => void store.shutdown(),
      ]) {
        expect(() => store.query(computed(change))).toThrow(coded('Nested', /query function/))
        expect(() =>
          store.query(
            queryDb(() => {
              change()
              return todos
            }),
          ),
        ).toThrow(coded('Nested'))
      }
      expect(store.query(todos)).toEqual([])
      expect(store.query(signal$)).toBe(1)
    })

    test('values that are no query, and a live query of another store', async () => {
      const store = await openStore()
      const other = await openStore()
      for (const value of [undefined, null, 7, 'SELECT 1', {}]) {
        expect(() => store.query(value as never)).toThrow(coded('InvalidQuery'))
      }
      other.subscribe(todos, () => undefined, {
        onSubscribe: (query$) => {
          expect(query$.run()).toEqual([])
          expect(() => store.query(query$)).toThrow(coded('InvalidQuery', /another store/))
        },
      })
    })

    test('binds that do not fit', async () => {
      const store = await openStore()
      expect(() => store.query({ query: 'SELECT ?', bindValues: [] })).toThrow(coded('InvalidBind'))
      expect(() => store.query({ query: 'SELECT ?', bindValues: [{} as never] })).toThrow(
        coded('InvalidBind'),
      )
    })
  })
})
