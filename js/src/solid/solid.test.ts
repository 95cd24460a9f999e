// @vitest-environment happy-dom
/** The bindings on the real engine, in Solid's own reactivity. */

import {
  type Accessor,
  createComponent,
  createRenderEffect,
  createRoot,
  createSignal,
  ErrorBoundary,
  type JSX,
  Suspense,
} from 'solid-js'
import { render } from 'solid-js/web'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { events, schema, todos, ui, userDocument } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { queryDb } from '../reactivity/definitions.js'
import { createStorePromise } from '../store/create-store.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'
import {
  getStore,
  query,
  StoreRegistry,
  StoreRegistryProvider,
  storeOptions,
  useStore,
  useStoreRegistry,
  withSolidApi,
} from './index.js'

const adapter = makeInMemoryAdapter({ sessionId: 'session1' })
const optionsOf = (storeId: string) =>
  storeOptions({ schema, adapter, storeId, unusedCacheTime: 0 })
const created = (id: string, text = '') => events.todoCreated({ id, text })

let registry: StoreRegistry
const ends: (() => void)[] = []
const text = (): string => document.body.textContent ?? ''
const shown = (expected: RegExp) => vi.waitFor(() => expect(text()).toMatch(expected))

/** An element whose text is what `get` returns. */
const textOf = (get: Accessor<unknown>): HTMLElement => {
  const element = document.createElement('p')
  createRenderEffect(() => {
    element.textContent = String(get())
  })
  return element
}

/** Shows what `setup`'s accessor returns, with a provider, a boundary and a fallback around it. */
const show = (setup: () => Accessor<unknown>): void => {
  const tree = () =>
    createComponent(StoreRegistryProvider, {
      storeRegistry: registry,
      get children() {
        return createComponent(ErrorBoundary, {
          fallback: (error: unknown) => `caught: ${error}`,
          get children() {
            return createComponent(Suspense, {
              fallback: 'waiting',
              get children(): JSX.Element {
                return textOf(setup())
              },
            })
          },
        })
      },
    })
  ends.push(render(tree, document.body))
}

beforeEach(() => {
  registry = new StoreRegistry()
})
afterEach(async () => {
  for (const end of ends.splice(0)) end()
  document.body.replaceChildren()
  await registry.dispose()
  vi.restoreAllMocks()
})

const openStore = async (): Promise<Store> => {
  const store = await createStorePromise({ schema, adapter, storeId: 'test' })
  ends.push(() => void store.shutdown())
  return store
}

test('a store suspends until it is there, and ends with its owner', async () => {
  let store!: Store
  show(() => {
    const resource = useStore(() => optionsOf('a'))
    const count = resource.useQuery(todos.count())
    const status = resource.useSyncStatus()
    return () => {
      store = resource() as unknown as Store
      return `${count()} ${status()?.pendingCount}`
    }
  })
  expect(text()).toBe('waiting')
  await shown(/^0 0$/)
  store.commit(created('a'))
  expect(text()).toBe('1 1')
  await shown(/^1 0$/)
  for (const end of ends.splice(0)) end()
  await vi.waitFor(() => expect(() => store.query(todos)).toThrow(/shut down/))
})

test('another storeId is another store, and the same one in another object is not', async () => {
  const [options, setOptions] = createSignal(optionsOf('a'))
  const loads = vi.spyOn(registry, 'getOrLoadPromise')
  show(() => {
    const store = useStore(options)
    const count = store.useQuery(todos.count())
    return () => `${store()?.storeId} ${count()}`
  })
  await shown(/^a 0$/)
  setOptions(optionsOf('a'))
  expect(loads).toHaveBeenCalledTimes(1)
  setOptions(optionsOf('b'))
  await shown(/^b 0$/)
})

test('what opening fails with goes to the error boundary', async () => {
  const failing = { connect: () => Promise.reject(new Error('no engine here')) }
  show(() => {
    const store = useStore(() => ({ ...optionsOf('a'), adapter: failing }))
    return store.useQuery(todos.count())
  })
  await shown(/^caught: .*no engine here$/)
})

test('a query follows, tells once per commit, and leaves nothing behind', async () => {
  const store = await openStore()
  const seen: unknown[] = []
  const dispose = createRoot((end) => {
    const ids = withSolidApi(() => store).useQuery(queryDb(todos.select('id')))
    createRenderEffect(() => seen.push(ids()?.join()))
    return end
  })
  store.commit(created('a'), created('b'))
  store.commit(events.noteSaved({ id: 'n', body: '' }))
  expect(seen).toEqual(['', 'a,b'])
  dispose()
  await Promise.resolve()
  expect(store[StoreInternalsSymbol].liveQueryCount()).toBe(0)
})

test('an accessor of a query gives the result of another one at once', async () => {
  const store = await openStore()
  store.commit(created('a', 'A'), created('b', 'B'))
  const [id, setId] = createSignal('a')
  const seen: unknown[] = []
  createRoot((end) => {
    ends.push(end)
    const rows = withSolidApi(() => store).useQuery(() => todos.where({ id: id() }))
    createRenderEffect(() => seen.push(`${id()} ${rows()?.map((row) => row.text)}`))
  })
  setId('b')
  expect(seen).toEqual(['a A', 'b B'])
})

test('an error of a query goes to the error boundary', async () => {
  const store = await openStore()
  show(() =>
    withSolidApi(() => store).useQuery(
      queryDb(() => todos.where({ nothing: 1 } as never), { label: 'bad' }),
    ),
  )
  await shown(/^caught: .*bad/)
})

test('a document is a piece of state, and what is set early is committed later', async () => {
  const store = await openStore()
  const [source, setSource] = createSignal<Store>()
  const [id, setId] = createSignal('u1')
  const { row, set, user, docId, query$, setUser } = createRoot((end) => {
    ends.push(end)
    const api = withSolidApi(source)
    const [row, set, docId, query$] = api.useClientDocument(ui)
    const [user, setUser] = api.useClientDocument(userDocument, id, { default: { name: 'Ann' } })
    return { row, set, user, docId, query$, setUser }
  })
  expect([row(), docId(), query$()]).toEqual([undefined, undefined, undefined])
  set({ count: 1 })
  set((current) => ({ count: current.count + 1 }))
  setSource(store as never)
  expect(row()).toEqual({ filter: 'all', count: 2 })
  expect(docId()).toBe('session1')
  expect(store.query(query$()!)).toEqual(row())
  set((current) => current)
  setUser({ name: 'Anna' })
  expect(user()).toEqual({ name: 'Anna' })
  setId('u2')
  expect(user()).toEqual({ name: 'Ann' })
})

test('getStore and query, as LiveStore 0.3 has them', async () => {
  const count = createRoot((end) => {
    ends.push(end)
    return query(todos.count(), -1)
  })
  expect(count()).toBe(-1)
  const store = await getStore(optionsOf('global'))
  ends.push(() => void store().shutdown())
  const now = createRoot((end) => {
    ends.push(end)
    return query(todos.count(), -1)
  })
  expect(now()).toBe(0)
  store().commit(created('a'))
  expect(now()).toBe(1)
})

test('without a provider of a registry it says so', () => {
  expect(() => createRoot(() => useStoreRegistry())).toThrow(
    'must be used within <StoreRegistryProvider>',
  )
  expect(useStoreRegistry(registry)).toBe(registry)
})
