/**
 * When subscribers are told, and of what; signals and client documents.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  coded,
  created,
  endTest,
  liveQueries,
  openStore,
  reported,
  settled,
  startTest,
} from '../../test/open-store.js'
import { events, kv, notes, todos, ui, userDocument } from '../../test/todo-schema.js'
import { computed, queryDb, signal } from '../reactivity/definitions.js'
import { DELIVERY_ROUNDS_MAX } from '../reactivity/deliveries.js'

beforeEach(startTest)
afterEach(endTest)

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

describe('rows that did not change', () => {
  test('are the same objects after an update, an insert and a removal of others', async () => {
    const store = await openStore()
    const ids = ['a', 'b', 'c', 'd']
    store.commit(...ids.map((id) => created(id)))
    let rows: readonly { readonly id: string; readonly done: boolean }[] = []
    store.subscribe(todos.orderBy('id', 'asc'), (next) => {
      rows = next
    })
    const before = rows
    store.commit(events.todoDone({ id: 'c', done: true }), created('bb'))
    const [a, b, bb, c, d] = rows
    expect([a, b, d]).toEqual([before[0], before[1], before[3]])
    expect(a === before[0] && b === before[1] && d === before[3]).toBe(true)
    expect([bb?.id, c?.done, before[2]?.done]).toEqual(['bb', true, false])
  })

  test('tell nobody who shows only them', async () => {
    const store = await openStore()
    store.commit(created('a'), created('b'))
    const told = vi.fn()
    store.subscribe(queryDb(todos.orderBy('id', 'asc').first()), told)
    store.commit(events.todoDone({ id: 'b', done: true }))
    expect(told).toHaveBeenCalledTimes(1)
  })
})
