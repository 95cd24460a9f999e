// @vitest-environment happy-dom
/** Reads of a store in effects and derived values of Svelte; runes are compiled in this file. */

import { flushSync } from 'svelte'
import { afterEach, expect, test, vi } from 'vitest'
import { events, schema, todos } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { computed, queryDb, signal } from '../reactivity/definitions.js'
import { createStorePromise } from '../store/create-store.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'
import { createStore, withSvelteApi } from './index.js'

const created = (id: string, text = '') => events.todoCreated({ id, text })
const adapter = makeInMemoryAdapter({ sessionId: 'session1' })
const live = (of: Store) => of[StoreInternalsSymbol].liveQueryCount()

const stores: Store[] = []
const openStore = async (): Promise<Store> => {
  const store = await createStore({ schema, adapter, storeId: 'test' })
  stores.push(store as never)
  return store as never
}
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.shutdown()))
})

/** Runs `effect` as an effect; returns what ends it. */
const inEffect = (effect: () => void): (() => void) => {
  const end = $effect.root(() => {
    $effect(effect)
  })
  flushSync()
  return end
}

test('a query in an effect runs again when its result changes, and is ended with it', async () => {
  const store = await openStore()
  const seen: string[] = []
  const ids$ = queryDb(todos.select('id'))
  const end = inEffect(() => void seen.push(store.query(ids$).join()))
  store.commit(created('a'), created('b'))
  flushSync()
  store.commit(events.noteSaved({ id: 'n', body: '' }))
  flushSync()
  expect(seen).toEqual(['', 'a,b'])
  expect(live(store)).toBe(1)
  end()
  await vi.waitFor(() => expect(live(store)).toBe(0))
  store.commit(created('c'))
  flushSync()
  expect(seen).toHaveLength(2)
})

test('builders, computed queries and signals are followed as well', async () => {
  const store = await openStore()
  const wanted$ = signal('a')
  const count$ = computed((get) => get(todos.count()) * 10)
  const seen: string[] = []
  const end = inEffect(() => {
    const wanted = store.query(wanted$)
    const rows = store.query(todos.where({ id: wanted }))
    seen.push(`${wanted} ${rows.map((row) => row.text)} ${store.query(count$)}`)
  })
  store.commit(created('a', 'A'))
  flushSync()
  store.setSignal(wanted$, 'b')
  flushSync()
  expect(seen).toEqual(['a  0', 'a A 10', 'b  10'])
  end()
})

test('a derived value follows, whoever reads it', async () => {
  const store = await openStore()
  const seen: number[] = []
  const end = $effect.root(() => {
    const double = $derived(store.query(todos.count()) * 2)
    $effect(() => void seen.push(double))
  })
  flushSync()
  store.commit(created('a'))
  flushSync()
  expect(seen).toEqual([0, 2])
  end()
})

test('state of Svelte may choose the query', async () => {
  const store = await openStore()
  store.commit(created('a', 'A'), created('b', 'B'))
  let id = $state('a')
  const seen: string[] = []
  const end = inEffect(() => {
    seen.push(
      store
        .query(todos.where({ id }))
        .map((row) => row.text)
        .join(),
    )
  })
  id = 'b'
  flushSync()
  expect(seen).toEqual(['A', 'B'])
  await vi.waitFor(() => expect(live(store)).toBe(1))
  end()
})

test('elsewhere a query is just read, and leaves nothing behind', async () => {
  const store = await openStore()
  store.commit(created('a'))
  expect(store.query(todos.count())).toBe(1)
  expect(store.query({ query: 'SELECT count(*) AS n FROM todos' })).toEqual([{ n: 1 }])
  await Promise.resolve()
  expect(live(store)).toBe(0)
})

test('the sync status is followed', async () => {
  const store = await openStore()
  const seen: number[] = []
  const end = inEffect(() => void seen.push(store.syncStatus().pendingCount))
  store.commit(created('a'))
  flushSync()
  await vi.waitFor(() => {
    flushSync()
    expect(seen.at(-1)).toBe(0)
  })
  expect(seen.slice(0, 2)).toEqual([0, 1])
  end()
})

test('an error of a query is thrown where it is read', async () => {
  const store = await openStore()
  const bad$ = queryDb(() => todos.where({ nothing: 1 } as never), { label: 'bad' })
  expect(() => store.query(bad$)).toThrow(/bad/)
})

test('a store made in an effect ends with it, and with its own signal', async () => {
  let making: Promise<Store> | undefined
  const end = inEffect(() => {
    making = createStore({ schema, adapter, storeId: 'effect' }) as unknown as Promise<Store>
  })
  const store = await making
  expect(store?.query(todos.count())).toBe(0)
  end()
  await vi.waitFor(() => expect(() => store?.query(todos)).toThrow(/shut down/))

  const controller = new AbortController()
  const other = await createStore({
    schema,
    adapter,
    storeId: 'own',
    signal: controller.signal,
  })
  controller.abort()
  expect(() => other.query(todos)).toThrow(/shut down/)
})

test('a store may be made reactive later, once', async () => {
  const store = await createStorePromise({ schema, adapter, storeId: 'plain' })
  stores.push(store as never)
  const { query } = withSvelteApi(store as never as Store)
  expect(withSvelteApi(store as never as Store).query).toBe(query)
})
