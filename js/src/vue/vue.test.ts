// @vitest-environment happy-dom
/** The provider and the composables on the real engine, in Vue components without a template. */

import { afterEach, expect, expectTypeOf, test, vi } from 'vitest'
import { type App, createApp, defineComponent, h, nextTick, onErrorCaptured, ref } from 'vue'
import { events, kv, schema, todos, ui, userDocument } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { queryDb, signal } from '../reactivity/definitions.js'
import { createStorePromise } from '../store/create-store.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'
import {
  LiveStoreKey,
  LiveStoreProvider,
  useClientDocument,
  useClientDocumentRef,
  useQuery,
  useStore,
  useSyncStatus,
} from './index.js'

const adapter = makeInMemoryAdapter({ sessionId: 'session1' })
const created = (id: string, text = '') => events.todoCreated({ id, text })

const apps: App[] = []
const stores: Store[] = []
const text = (): string => document.body.textContent ?? ''
const shown = (expected: RegExp | string) => vi.waitFor(() => expect(text()).toMatch(expected))

const show = (component: Parameters<typeof createApp>[0], store?: Store): App => {
  const app = createApp(component)
  app.config.warnHandler = () => undefined
  if (store !== undefined) app.provide(LiveStoreKey, () => store)
  apps.push(app)
  app.mount(document.body.appendChild(document.createElement('div')))
  return app
}

const openStore = async (): Promise<Store> => {
  const store = await createStorePromise({ schema, adapter, storeId: 'test' })
  stores.push(store)
  return store
}

/** A component whose text is what `setup`'s function returns. */
const shows = (setup: () => () => unknown) =>
  defineComponent({
    setup: () => {
      const get = setup()
      return () => h('p', String(get()))
    },
  })

afterEach(async () => {
  for (const app of apps.splice(0)) app.unmount()
  document.body.replaceChildren()
  await Promise.all(stores.splice(0).map((store) => store.shutdown()))
  vi.restoreAllMocks()
})

test('a query is a ref that follows it, with one render per commit', async () => {
  const store = await openStore()
  const renders = vi.fn()
  const app = show(
    shows(() => {
      const ids = useQuery(queryDb(todos.select('id')))
      return () => {
        renders()
        return ids.value.join()
      }
    }),
    store,
  )
  expect(text()).toBe('')
  store.commit(created('a'), created('b'))
  store.commit(created('c'))
  await nextTick()
  expect(text()).toBe('a,b,c')
  expect(renders).toHaveBeenCalledTimes(2)
  store.commit(events.noteSaved({ id: 'n', body: '' }))
  await nextTick()
  expect(renders).toHaveBeenCalledTimes(2)
  app.unmount()
  apps.length = 0
  await nextTick()
  expect(store[StoreInternalsSymbol].liveQueryCount()).toBe(0)
})

test('a getter or a ref of a query shows another query at once, and ends the last', async () => {
  const store = await openStore()
  store.commit(created('a', 'A'), created('b', 'B'))
  const id = ref('a')
  const query = ref(todos.count())
  const seen: string[] = []
  show(
    shows(() => {
      const rows = useQuery(() => todos.where({ id: id.value }))
      const count = useQuery<unknown>(query as never)
      return () => {
        seen.push(`${rows.value.map((row) => row.text)} ${count.value}`)
        return seen.at(-1)
      }
    }),
    store,
  )
  id.value = 'b'
  query.value = todos.where({ id: 'a' }).count()
  await nextTick()
  expect(seen).toEqual(['A 2', 'B 1'])
  expect(store[StoreInternalsSymbol].liveQueryCount()).toBe(2)
})

test('signals and computed filters', async () => {
  const store = await openStore()
  store.commit(created('a'), created('b'))
  const wanted$ = signal('a')
  const found$ = queryDb((get) => todos.select('id').where({ id: get(wanted$) }))
  show(
    shows(() => {
      const [wanted, found] = [useQuery(wanted$), useQuery(found$)]
      return () => `${wanted.value}:${found.value}`
    }),
    store,
  )
  expect(text()).toBe('a:a')
  store.setSignal(wanted$, 'b')
  await nextTick()
  expect(text()).toBe('b:b')
})

test('an error of a query goes to the error handlers of Vue', async () => {
  const store = await openStore()
  const caught: unknown[] = []
  const Failing = shows(() => {
    const rows = useQuery(queryDb(() => todos.where({ nothing: 1 } as never), { label: 'bad' }))
    return () => rows.value.length
  })
  show(
    defineComponent({
      setup: () => {
        onErrorCaptured((error) => {
          caught.push(error)
          return false
        })
        return () => h(Failing)
      },
    }),
    store,
  )
  expect(String(caught[0])).toContain('bad')
})

test('fields of a document are refs, and setting one commits it', async () => {
  const store = await openStore()
  let set: () => void = () => undefined
  show(
    shows(() => {
      const { filter, count } = useClientDocument(ui)
      expectTypeOf(count.value).toBeNumber()
      expectTypeOf(filter.value).toBeString()
      const user = useClientDocumentRef(userDocument, 'u1', { default: { name: 'Ann' } })
      const anything = useClientDocumentRef(kv)
      set = () => {
        filter.value = 'done'
        count.value += 1
        count.value += 1
        user.value = { name: `${user.value.name}a` }
        anything.value = [1]
      }
      return () => [filter.value, count.value, user.value.name, JSON.stringify(anything.value)]
    }),
    store,
  )
  expect(text()).toBe('all,0,Ann,null')
  set()
  await nextTick()
  expect(text()).toBe('done,2,Anna,[1]')
  expect(store.query(ui.get())).toEqual({ filter: 'done', count: 2 })
  expect(() => useClientDocument(kv, undefined, { store })).toThrow(/useClientDocumentRef/)
  expect(() => useClientDocument(todos as never, undefined, { store })).toThrow(
    /the table 'todos' is not a client document/,
  )
})

test('the provider shows that it loads, then its slot, and ends the store at last', async () => {
  const storeId = ref('one')
  let store!: Store
  const Count = shows(() => {
    store = useStore().store
    const count = useQuery(todos.count())
    const status = useSyncStatus()
    return () => `${store.storeId} ${count.value} ${status.value.pendingCount}`
  })
  const app = show(
    defineComponent({
      setup: () => () =>
        h(
          LiveStoreProvider,
          { options: { schema, adapter, storeId: storeId.value } },
          { default: () => h(Count), loading: () => 'wait' },
        ),
    }),
  )
  expect(text()).toBe('wait')
  await shown(/^one 0 0$/)
  store.commit(created('a'))
  await nextTick()
  expect(text()).toBe('one 1 1')
  await shown(/^one 1 0$/)
  const first = store
  storeId.value = 'two'
  await nextTick()
  expect(text()).toBe('wait')
  await shown(/^two 0 0$/)
  expect(() => first.query(todos)).toThrow(/shut down/)
  app.unmount()
  apps.length = 0
  expect(() => store.query(todos)).toThrow(/shut down/)
})

test('the provider shows what failed, and what has been shut down', async () => {
  const failing = { connect: () => Promise.reject(new Error('no engine here')) }
  const provider = (options: object, slots: Record<string, unknown>) =>
    defineComponent({ setup: () => () => h(LiveStoreProvider, options as never, slots as never) })
  const app = show(provider({ options: { schema, adapter: failing, storeId: 'a' } }, {}))
  await shown(/^LiveStore could not be loaded: .*no engine here$/)
  app.unmount()

  let store!: Store
  const boot = (booting: Store) => {
    store = booting
  }
  const slots = {
    default: () => 'here',
    shutdown: ({ cause }: { cause: Error }) => `over: ${cause}`,
  }
  show(provider({ options: { schema, adapter, storeId: 'b', boot } }, slots))
  await shown(/here$/)
  void store.shutdown()
  await shown(/over: .*shut down by the app$/)
})

test('without a provider, and with a store given instead of one', async () => {
  const store = await openStore()
  expect(() => useStore()).toThrow('useStore can only be used inside LiveStoreProvider')
  expect(useQuery(todos.count(), { store }).value).toBe(0)
})
