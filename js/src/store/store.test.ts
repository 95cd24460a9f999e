/**
 * The store on the real engine: leader and session in one thread.
 */

import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import {
  events,
  kv,
  notes,
  oddMaterializer,
  schema,
  todos,
  ui,
  userDocument,
} from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { computed, queryDb, signal } from '../reactivity/definitions.js'
import { DELIVERY_ROUNDS_MAX } from '../reactivity/deliveries.js'
import { SessionIdSymbol } from '../schema/index.js'
import { createStorePromise } from './create-store.js'
import { type Store, StoreInternalsSymbol } from './store.js'

const open: Store[] = []
const openStore = async (
  options: Partial<Parameters<typeof createStorePromise>[0]> = {},
): Promise<Store> => {
  const store = await createStorePromise({
    schema,
    adapter: makeInMemoryAdapter({ sessionId: 'session1', clientId: 'client1' }),
    storeId: 'test',
    ...options,
  })
  open.push(store)
  return store
}

const reported: unknown[] = []
beforeEach(() => {
  reported.length = 0
  vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.shutdown()))
  oddMaterializer.run = () => []
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const created = (id: string, text = '') => events.todoCreated({ id, text })
const coded = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })
const liveQueries = (store: Store) => store[StoreInternalsSymbol].liveQueryCount()
const settled = () => new Promise((resolve) => setTimeout(resolve, 20))

describe('commit', () => {
  test('is visible in every query when it returns', async () => {
    const store = await openStore()
    const count$ = queryDb(todos.count())
    store.subscribe(count$, () => undefined)
    store.commit(created('a', 'first'))
    expect(store.query(todos)).toEqual([{ id: 'a', text: 'first', done: false }])
    expect(store.query(count$)).toBe(1)
    expect(store.query({ query: 'SELECT done FROM todos' })).toEqual([{ done: 0 }])
    expect(store.query(todos.count())).toBe(1)
  })

  test('events of one commit see each other, and are told once', async () => {
    const store = await openStore()
    const told: number[] = []
    store.subscribe(todos.where({ done: true }), (rows) => told.push(rows.length))
    store.commit(created('a'), created('b'), events.todoDone({ id: 'a', done: true }))
    expect(told).toEqual([0, 1])
  })

  test('a transaction function collects its events, in both forms and with options', async () => {
    const store = await openStore()
    store.commit((commit) => {
      commit(created('a'))
      expect(store.query(todos.count())).toBe(0)
      commit(created('b'), created('c'))
    })
    store.commit(() => [created('d')])
    store.commit({ label: 'more' }, (commit) => commit(created('e')))
    store.commit({ label: 'last' }, created('f'))
    expect(store.query(todos.select('id'))).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  test('nothing at all is no commit', async () => {
    const store = await openStore()
    store.commit()
    store.commit(undefined)
    store.commit(() => [])
    expect(store.syncStatus().localHead).toBe('e0')
  })

  test('the session id is filled in, and the event of the caller stays as it was', async () => {
    const store = await openStore()
    const event = ui.set({ filter: 'done' }, SessionIdSymbol)
    store.commit(event)
    expect(event.args.id).toBe(SessionIdSymbol)
    expect(store.query(ui.get())).toEqual({ filter: 'done', count: 0 })
    expect(store.query(ui.select('id'))).toEqual(['session1'])
  })

  test('with skipRefresh queries see it at once, subscribers when they are told to', async () => {
    const store = await openStore()
    const told: number[] = []
    const count$ = queryDb(todos.count())
    store.subscribe(count$, (count) => told.push(count))
    store.commit({ skipRefresh: true }, created('a'))
    await settled()
    expect(told).toEqual([0])
    expect(store.query(count$)).toBe(1)
    store.manualRefresh()
    store.manualRefresh()
    expect(told).toEqual([0, 1])
  })

  test('is confirmed by the leader', async () => {
    const store = await openStore()
    store.commit(created('a'), created('b'))
    expect(store.syncStatus()).toEqual({
      localHead: 'e2',
      upstreamHead: 'e0',
      pendingCount: 2,
      isSynced: false,
    })
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
    expect(store.syncStatus()).toMatchObject({ upstreamHead: 'e2', pendingCount: 0 })
  })
})

describe('a commit that fails leaves everything as it was', () => {
  const failing = async (commit: (store: Store) => void, expected: unknown) => {
    const store = await openStore()
    store.commit(created('first'))
    const told = vi.fn()
    store.subscribe(todos, told)
    told.mockClear()
    const before = store.syncStatus().localHead
    expect(() => commit(store)).toThrow(expected as Error)
    expect(store.syncStatus().localHead).toBe(before)
    expect(store.query(todos.select('id'))).toEqual(['first'])
    expect(told).not.toHaveBeenCalled()
    store.commit(created('last'))
    expect(store.query(todos.count())).toBe(2)
    expect(told).toHaveBeenCalledOnce()
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
  }

  test('an event the schema does not know', () =>
    failing(
      (store) => store.commit(created('x'), { name: 'v9.Unknown', args: {} }),
      coded('UnknownEvent', /v9\.Unknown/),
    ))

  test('an event called __proto__ or constructor', () =>
    failing(
      (store) => {
        expect(() => store.commit({ name: '__proto__', args: {} })).toThrow(coded('UnknownEvent'))
        store.commit({ name: 'constructor', args: {} })
      },
      coded('UnknownEvent', /constructor/),
    ))

  test('arguments that fail their schema', () =>
    failing(
      (store) => store.commit(created('x'), { name: 'v1.TodoCreated', args: { id: 7 } }),
      coded('InvalidEventArgs', /v1\.TodoCreated.*id/s),
    ))

  test('__proto__ as a key of the arguments', () =>
    failing(
      (store) =>
        store.commit({
          name: 'v1.TodoCreated',
          args: JSON.parse('{"id":"x","text":"","__proto__":{"polluted":1}}'),
        }),
      coded('InvalidEventArgs', /__proto__/),
    ))

  test('a constraint violation in the last of several events', () =>
    failing(
      (store) => store.commit(created('x'), created('first')),
      coded('Constraint', /v1\.TodoCreated|todos/),
    ))

  test('a materializer that throws', () => {
    oddMaterializer.run = () => {
      throw new Error('no luck today')
    }
    return failing(
      (store) => store.commit(created('x'), events.odd({ text: '' })),
      coded('MaterializerThrew', /v1\.Odd.*no luck today/),
    )
  })

  test('a materializer that returns nonsense', () => {
    oddMaterializer.run = () => 42
    return failing(
      (store) => store.commit(events.odd({ text: '' })),
      coded('InvalidMaterializerResult', /v1\.Odd/),
    )
  })

  test('a materializer with an unknown column, a wrong type or broken SQL', async () => {
    oddMaterializer.run = () => todos.insert({ id: 'x', nope: 1 } as never)
    await failing((store) => store.commit(events.odd({ text: '' })), coded('InvalidQuery', /nope/))
    oddMaterializer.run = () => todos.insert({ id: 7 } as never)
    await failing((store) => store.commit(events.odd({ text: '' })), coded('InvalidQuery', /id/))
    oddMaterializer.run = () => 'INSERT INTO nowhere VALUES (1)'
    await failing((store) => store.commit(events.odd({ text: '' })), coded('Sql', /nowhere/))
  })

  test('a materializer that commits, queries or shuts the store down', async () => {
    const store = await openStore()
    for (const use of [
      () => store.commit(created('x')),
      () => store.query(todos),
      () => void store.shutdown(),
    ]) {
      oddMaterializer.run = () => {
        use()
        return []
      }
      expect(() => store.commit(events.odd({ text: '' }))).toThrow(coded('Nested', /materializer/))
    }
    expect(store.query(todos)).toEqual([])
  })

  test('a transaction function that throws', () =>
    failing((store) => {
      store.commit((commit) => {
        commit(created('x'))
        throw new Error('mine')
      })
    }, new Error('mine')))

  test('things that are no events', () =>
    failing((store) => store.commit(7 as never), coded('InvalidArgument', /7/)))
})

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

const anyRows = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
} as const

describe('subscribe', () => {
  test('tells now and after every change, until it ends', async () => {
    const store = await openStore()
    const told: unknown[] = []
    const unsubscribe = store.subscribe(todos.select('id'), (ids) => told.push(ids))
    expect(told).toEqual([[]])
    store.commit(created('a'))
    store.commit(created('b'))
    unsubscribe()
    unsubscribe()
    store.commit(created('c'))
    expect(told).toEqual([[], ['a'], ['a', 'b']])
  })

  test('the older form, its life, and skipInitialRun', async () => {
    const store = await openStore()
    const told: unknown[] = []
    const unsubscribe = store.subscribe(queryDb(todos.count()), {
      onUpdate: (count) => told.push(count),
      onSubscribe: (query$) => told.push(query$.label),
      onUnsubsubscribe: () => told.push('end'),
      skipInitialRun: true,
    })
    store.commit(created('a'))
    unsubscribe()
    unsubscribe()
    expect(told).toEqual([todos.count().toString(), 1, 'end'])
  })

  test('does not tell of what did not change', async () => {
    const store = await openStore()
    store.commit(created('a'))
    const told = vi.fn()
    store.subscribe(todos.where({ id: 'a' }).count(), told)
    store.subscribe(
      computed((get) => get(queryDb(todos)).length > 0),
      told,
    )
    store.subscribe(queryDb(todos, { map: (rows) => rows.map((row) => row.done) }), told)
    store.subscribe(queryDb(notes), told)
    told.mockClear()
    store.commit(events.todoDone({ id: 'a', done: false }))
    expect(told).not.toHaveBeenCalled()
    store.commit(created('b'))
    expect(told).toHaveBeenCalledExactlyOnceWith([false, false])
  })

  test('results keep their identity while they are the same', async () => {
    const store = await openStore()
    store.commit(created('a'))
    const rows$ = queryDb(todos.where({ id: 'a' }))
    store.subscribe(rows$, () => undefined)
    const before = store.query(rows$)
    store.commit(created('b'), events.todoDone({ id: 'a', done: false }))
    expect(store.query(rows$)).toBe(before)
    store.commit(events.todoDone({ id: 'a', done: true }))
    expect(store.query(rows$)).not.toBe(before)
  })

  test('follows a function that switches to another table', async () => {
    const store = await openStore()
    const which$ = signal<'todos' | 'notes'>('todos')
    const count$ = queryDb((get) => (get(which$) === 'todos' ? todos.count() : notes.count()))
    const told: number[] = []
    store.subscribe(count$, (count) => told.push(count))
    store.commit(created('a'))
    store.setSignal(which$, 'notes')
    await settled()
    expect(liveQueries(store)).toBe(1)
    store.commit(events.noteSaved({ id: 'n', body: '' }))
    store.commit(events.noteSaved({ id: 'm', body: '' }))
    store.commit(created('b'))
    expect(told).toEqual([0, 1, 0, 1, 2])
    expect(store.query(notes.count())).toBe(2)
  })

  test('a diamond is computed once per change, and only when it is needed', async () => {
    const store = await openStore()
    const runs = vi.fn()
    const [a$, b$] = [signal(1), signal(2)]
    const left$ = computed((get) => get(a$) + get(b$))
    const right$ = computed((get) => get(a$) * get(b$))
    const bottom$ = computed((get) => {
      runs()
      return get(left$) + get(right$)
    })
    const told: number[] = []
    store.subscribe(bottom$, (value) => told.push(value))
    store.setSignal(a$, 3)
    expect(told).toEqual([5, 11])
    expect(runs).toHaveBeenCalledTimes(2)
  })

  test('subscribers are told in the order in which they came', async () => {
    const store = await openStore()
    const told: string[] = []
    store.subscribe(todos.count(), () => told.push('a'))
    store.subscribe(todos, () => told.push('b'))
    store.subscribe(todos.count(), () => told.push('c'))
    told.length = 0
    store.commit(created('x'))
    expect(told).toEqual(['a', 'b', 'c'])
  })

  test('a commit inside a subscriber is legal, and nobody sees half of it', async () => {
    const store = await openStore()
    const told: string[] = []
    store.subscribe(todos.count(), (count) => {
      if (count === 1) store.commit(created('from subscriber'))
    })
    store.subscribe(todos.count(), (count) => {
      told.push(`${count} of ${store.query(todos).length}`)
    })
    store.commit(created('a'))
    expect(told).toEqual(['0 of 0', '2 of 2'])
  })

  test('a subscriber that commits for ever is stopped', async () => {
    const store = await openStore()
    store.subscribe(todos.count(), (count) => store.commit(created(`todo ${count}`)))
    expect(reported).toEqual([coded('LimitExceeded', /subscribers/)])
    expect(store.query(todos.count())).toBeGreaterThanOrEqual(DELIVERY_ROUNDS_MAX)
    expect(store.query(todos.count())).toBeLessThan(DELIVERY_ROUNDS_MAX + 10)
  })

  test('a subscriber that throws breaks neither the commit nor the others', async () => {
    const store = await openStore()
    const error = new Error('mine')
    const told = vi.fn()
    store.subscribe(
      todos.count(),
      () => {
        throw error
      },
      { skipInitialRun: true },
    )
    store.subscribe(todos.count(), told)
    store.commit(created('a'))
    expect(told).toHaveBeenLastCalledWith(1)
    expect(reported).toEqual([error])
  })

  test('a first call that throws is thrown, and the subscription is not there', async () => {
    const store = await openStore()
    expect(() =>
      store.subscribe(todos, () => {
        throw new Error('mine')
      }),
    ).toThrow('mine')
    await settled()
    expect(liveQueries(store)).toBe(0)
  })

  test('a query that fails later is reported, and told again when it works', async () => {
    const store = await openStore()
    const told: number[] = []
    const count$ = computed(
      (get) => {
        const count = get(queryDb(todos.count()))
        if (count === 1) throw new Error('one is odd')
        return count
      },
      { label: 'even' },
    )
    store.subscribe(count$, (count) => told.push(count))
    store.commit(created('a'))
    expect(reported).toEqual([coded('CallbackThrew', /'even'.*one is odd/)])
    store.commit(created('b'))
    expect(told).toEqual([0, 2])
  })

  test('one live query in the engine per statement, and none when nobody watches', async () => {
    const store = await openStore()
    const ends = [
      store.subscribe(todos.where({ id: 'a' }), () => undefined),
      store.subscribe(queryDb(todos.where({ id: 'a' })), () => undefined),
      store.subscribe(
        queryDb(() => todos.where({ id: 'a' })),
        () => undefined,
      ),
      store.subscribe(todos.where({ id: 'b' }), () => undefined),
    ]
    expect(liveQueries(store)).toBe(2)
    for (const end of ends) end()
    await settled()
    expect(liveQueries(store)).toBe(0)
  })

  test('ending and subscribing in one task keeps the result', async () => {
    const store = await openStore()
    store.commit(created('a'))
    const results: unknown[] = []
    store.subscribe(todos, (rows) => results.push(rows))()
    store.subscribe(todos, (rows) => results.push(rows))
    expect(results[1]).toBe(results[0])
  })

  test('a query that was dropped and is watched again sees what happened in between', async () => {
    const store = await openStore()
    const count$ = queryDb(todos.count())
    const double$ = computed((get) => get(count$) * 2)
    store.subscribe(double$, () => undefined)()
    await settled()
    store.commit(created('a'))
    const told = vi.fn()
    store.subscribe(double$, told)
    expect(told).toHaveBeenCalledExactlyOnceWith(2)
  })

  test('as an async iterator: the result now and every later one', async () => {
    const store = await openStore()
    const counts: number[] = []
    const reading = (async () => {
      for await (const count of store.subscribe(todos.count())) {
        counts.push(count)
        if (count === 3) break
      }
    })()
    store.commit(created('a'))
    store.commit(created('b'))
    store.commit(created('c'))
    await reading
    expect(counts).toEqual([0, 1, 2, 3])
    await settled()
    expect(liveQueries(store)).toBe(0)
  })

  test('an async iterator ends with the store', async () => {
    const store = await openStore()
    const iterator = store.subscribe(todos.count())
    await iterator.next()
    const last = iterator.next()
    await store.shutdown()
    expect(await last).toEqual({ value: undefined, done: true })
  })

  test('the app can batch what subscribers do', async () => {
    const told: string[] = []
    const store = await openStore({
      batchUpdates: (run) => {
        told.push('(')
        run()
        told.push(')')
      },
      boot: (booting) => {
        booting.subscribe(todos.count(), (count) => told.push(String(count)))
        booting.commit(created('in boot'))
      },
    })
    store.commit(created('a'), created('b'))
    expect(told).toEqual(['0', '1', '(', '3', ')'])
  })

  test('neither callback nor options', async () => {
    const store = await openStore()
    expect(() => store.subscribe(todos, 7 as never)).toThrow(coded('InvalidArgument', /7/))
  })
})

describe('signals', () => {
  test('each store has its own value', async () => {
    const [store, other] = [await openStore(), await openStore()]
    const filter$ = signal('all')
    store.setSignal(filter$, 'done')
    expect(store.query(filter$)).toBe('done')
    expect(other.query(filter$)).toBe('all')
  })

  test('an unwatched signal keeps its value, and updaters see it', async () => {
    const store = await openStore()
    const count$ = signal(0)
    store.setSignal(count$, (count) => count + 1)
    store.setSignal(count$, (count) => count + 1)
    expect(store.query(count$)).toBe(2)
  })

  test('subscribers are told of another value only', async () => {
    const store = await openStore()
    const count$ = signal(0)
    const told: number[] = []
    store.subscribe(count$, (count) => told.push(count))
    store.setSignal(count$, 1)
    store.setSignal(count$, 1)
    store.setSignal(count$, 2)
    expect(told).toEqual([0, 1, 2])
  })

  test('a query is no signal', async () => {
    const store = await openStore()
    expect(() => store.setSignal(queryDb(todos.count(), { label: 'count' }) as never, 1)).toThrow(
      coded('InvalidQuery', /'count'/),
    )
  })
})

describe('client documents', () => {
  test('a read creates the document, once', async () => {
    const store = await openStore()
    expect(store.query(ui.get())).toEqual({ filter: 'all', count: 0 })
    expect(store.syncStatus().localHead).toBe('e0.1')
    expect(store.query(ui.get())).toEqual({ filter: 'all', count: 0 })
    store.subscribe(ui.get(), () => undefined)
    expect(store.syncStatus().localHead).toBe('e0.1')
    expect(store.query(ui.select('id'))).toEqual(['session1'])
  })

  test('a default of its own is used when the read creates it', async () => {
    const store = await openStore()
    expect(store.query(userDocument.get('u1', { default: { name: 'Ann' } }))).toEqual({
      name: 'Ann',
    })
    expect(store.query(userDocument.get('u1', { default: { name: 'Bob' } }))).toEqual({
      name: 'Ann',
    })
  })

  test('a subscription creates it, tells once, and then of every change', async () => {
    const store = await openStore()
    const told: unknown[] = []
    store.subscribe(kv.get(), (value) => told.push(value))
    await settled()
    store.commit(kv.set(1))
    store.commit(kv.set({ b: 2 }))
    expect(told).toEqual([null, 1, { b: 2 }])
    expect(liveQueries(store)).toBe(1)
  })

  test('creating it tells others who read the table, and queries see it at once', async () => {
    const store = await openStore()
    const told: number[] = []
    const count$ = queryDb(userDocument.count())
    store.subscribe(count$, (count) => told.push(count))
    store.query(userDocument.get('u1'))
    expect(store.query(count$)).toBe(1)
    expect(told).toEqual([0])
    await settled()
    expect(told).toEqual([0, 1])
  })

  test('a computed query that creates several stays right', async () => {
    const store = await openStore()
    const names$ = computed((get) =>
      ['a', 'b'].map((id) => get(userDocument.get(id, { default: { name: id } })).name).join(),
    )
    const total$ = computed((get) => `${get(names$)}: ${get(userDocument.count())}`)
    const told: string[] = []
    store.subscribe(total$, (total) => told.push(total))
    await settled()
    store.commit(userDocument.set({ name: 'c' }, 'a'))
    expect(told).toEqual(['a,b: 2', 'c,b: 2'])
    expect(store.syncStatus().localHead).toBe('e0.3')
  })

  test('no id, and no default id', async () => {
    const store = await openStore()
    expect(() => store.query((userDocument.get as () => never)())).toThrow(
      coded('InvalidQuery', /userDocument/),
    )
  })

  test('is confirmed by the leader', async () => {
    const store = await openStore()
    store.query(ui.get())
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
  })
})

describe('sync status', () => {
  test('subscribers are told now and when it changes', async () => {
    const store = await openStore()
    const told: string[] = []
    const end = store.subscribeSyncStatus(({ localHead, upstreamHead, pendingCount }) =>
      told.push(`${localHead} ${upstreamHead} ${pendingCount}`),
    )
    store.commit(created('a'))
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
    end()
    store.commit(created('b'))
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
    expect(told).toEqual(['e0 e0 0', 'e1 e0 1', 'e1 e1 0'])
  })
})

describe('life', () => {
  test('what a store says about itself', async () => {
    const context = { user: 'u' }
    const store = await createStorePromise({
      schema,
      adapter: makeInMemoryAdapter({ sessionId: 's', clientId: 'c' }),
      storeId: 'my_Store-1',
      context,
    })
    open.push(store as unknown as Store)
    expectTypeOf(store.context.user).toBeString()
    expect(store).toMatchObject({
      storeId: 'my_Store-1',
      sessionId: 's',
      clientId: 'c',
      storageMode: 'in-memory',
      schema,
      context,
    })
    expect(JSON.stringify(store)).toContain('my_Store-1')
  })

  test('boot statuses begin with loading and end with done', async () => {
    const stages: string[] = []
    await openStore({ onBootStatus: ({ stage }) => stages.push(stage) })
    expect(stages.at(0)).toBe('loading')
    expect(stages.at(-1)).toBe('done')
    expect(stages.filter((stage) => stage === 'loading' || stage === 'done')).toHaveLength(2)
  })

  test('boot may commit and wait; what it throws rejects, and nothing stays open', async () => {
    const store = await openStore({
      boot: async (booting) => {
        await settled()
        booting.commit(created('in boot'))
      },
    })
    expect(store.query(todos.count())).toBe(1)
    let failed: Store | undefined
    await expect(
      openStore({
        boot: (booting) => {
          failed = booting as Store
          throw new Error('mine')
        },
      }),
    ).rejects.toThrow('mine')
    expect(() => failed?.query(todos)).toThrow(coded('Closed'))
  })

  test('after the end every call says so, by name', async () => {
    const store = await openStore()
    const told = vi.fn()
    store.subscribe(todos, told)
    told.mockClear()
    store.commit(created('a'))
    const ending = store.shutdown()
    const calls: Record<string, () => unknown> = {
      commit: () => store.commit(created('b')),
      manualRefresh: () => store.manualRefresh(),
      query: () => store.query(todos),
      subscribe: () => store.subscribe(todos, told),
      setSignal: () => store.setSignal(signal(1), 2),
      syncStatus: () => store.syncStatus(),
      subscribeSyncStatus: () => store.subscribeSyncStatus(told),
    }
    for (const [name, call] of Object.entries(calls)) {
      expect(call, name).toThrow(coded('Closed', new RegExp(`^${name}: .*shut down`)))
    }
    expect(store.shutdown()).toBe(ending)
    expect(store.shutdownPromise()).toBe(ending)
    await ending
    for (const [name, call] of Object.entries(calls)) {
      expect(call, name).toThrow(coded('Closed', new RegExp(`^${name}: `)))
    }
    expect(told).toHaveBeenCalledOnce()
  })

  test('an aborted signal ends the store, or its creation', async () => {
    const controller = new AbortController()
    const store = await openStore({ signal: controller.signal })
    controller.abort()
    expect(() => store.query(todos)).toThrow(coded('Closed'))
    await expect(openStore({ signal: controller.signal })).rejects.toThrow(
      coded('Closed', /aborted/),
    )
    const later = new AbortController()
    const opening = openStore({ signal: later.signal })
    later.abort(new Error('changed my mind'))
    await expect(opening).rejects.toThrow(coded('Closed', /changed my mind/))
  })

  test.each(['', 'a b', 'ä', '../x', 'a/b', 'a\0b', undefined, 7])(
    'the storeId %j is refused',
    async (storeId) => {
      await expect(openStore({ storeId: storeId as string })).rejects.toThrow(
        coded('InvalidStoreId', /storeId/),
      )
    },
  )

  test('a schema or an adapter that is none is refused', async () => {
    await expect(openStore({ schema: {} as never })).rejects.toThrow(
      coded('InvalidArgument', /schema/),
    )
    await expect(openStore({ adapter: {} as never })).rejects.toThrow(
      coded('InvalidArgument', /adapter/),
    )
    await expect(createStorePromise(undefined as never)).rejects.toThrow(coded('InvalidArgument'))
  })

  test('an adapter that cannot connect rejects with its error', async () => {
    const error = new Error('no engine')
    await expect(openStore({ adapter: { connect: () => Promise.reject(error) } })).rejects.toThrow(
      error,
    )
  })

  test('leaving the page asks only while events are pending', async () => {
    const target = new EventTarget()
    vi.stubGlobal('window', target)
    const leave = () => {
      const event = new Event('beforeunload', { cancelable: true })
      target.dispatchEvent(event)
      return event.defaultPrevented
    }
    const store = await openStore()
    expect(leave()).toBe(false)
    store.commit(created('a'))
    expect(leave()).toBe(true)
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
    expect(leave()).toBe(false)
    await store.shutdown()
    expect(leave()).toBe(false)

    const silent = await openStore({ confirmUnsavedChanges: false })
    silent.commit(created('a'))
    expect(leave()).toBe(false)
  })
})
