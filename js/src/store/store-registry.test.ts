import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { schema } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { makeSchema, State } from '../schema/index.js'
import { RENDER_HOLD_MS, UNUSED_CACHE_MS } from './registry-limits.js'
import type { Store } from './store.js'
import { type RegistryStoreOptions, StoreRegistry, storeOptions } from './store-registry.js'

const adapter = makeInMemoryAdapter()
const a = storeOptions({ schema, adapter, storeId: 'a' })
const isOpen = (store: Store): boolean => {
  try {
    store.syncStatus()
    return true
  } catch {
    return false
  }
}

let registry: StoreRegistry
const open = async (options: RegistryStoreOptions = a as never): Promise<Store> =>
  (await registry.getOrLoadPromise(options)) as unknown as Store

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  registry = new StoreRegistry({ defaultOptions: { unusedCacheTime: 10_000 } })
})
afterEach(async () => {
  vi.useRealTimers()
  await registry.dispose()
  vi.unstubAllGlobals()
})

test('everybody who asks while it loads gets one promise, and then the store itself', async () => {
  const first = registry.getOrLoadPromise(a)
  expect(first).toBeInstanceOf(Promise)
  expect(registry.getOrLoadPromise({ ...a })).toBe(first)
  const store = await first
  expect(registry.getOrLoadPromise(a)).toBe(store)
})

test('a store ends when its last user has been gone for the cache time', async () => {
  const store = await open()
  const [releaseOne, releaseTwo] = [registry.retain(a), registry.retain(a)]
  vi.advanceTimersByTime(1e9)
  releaseOne()
  releaseOne()
  vi.advanceTimersByTime(1e9)
  expect(isOpen(store), 'one user is left').toBe(true)
  releaseTwo()
  vi.advanceTimersByTime(9_999)
  const release = registry.retain(a)
  vi.advanceTimersByTime(1e9)
  expect(isOpen(store), 'a new user came in time').toBe(true)
  release()
  vi.advanceTimersByTime(10_000)
  expect(isOpen(store)).toBe(false)
  expect(await open()).not.toBe(store)
})

test('a store that nobody retains is held long enough for a render', async () => {
  const brief = { ...a, unusedCacheTime: 0 }
  const store = await open(brief as never)
  vi.advanceTimersByTime(RENDER_HOLD_MS - 1)
  expect(isOpen(store)).toBe(true)
  vi.advanceTimersByTime(1)
  expect(isOpen(store)).toBe(false)
})

test('in a page a store is kept for a minute, and elsewhere for ever', async () => {
  const bare = new StoreRegistry()
  const onServer = await bare.getOrLoadPromise({ ...a, storeId: 'server' })
  vi.advanceTimersByTime(1e9)
  expect(isOpen(onServer as unknown as Store)).toBe(true)
  vi.stubGlobal('window', new EventTarget())
  const inPage = await bare.getOrLoadPromise(a)
  vi.advanceTimersByTime(UNUSED_CACHE_MS - 1)
  expect(isOpen(inPage as unknown as Store)).toBe(true)
  vi.advanceTimersByTime(1)
  expect(isOpen(inPage as unknown as Store)).toBe(false)
  await bare.dispose()
})

test('a store that somebody waits for may take as long as it likes', async () => {
  let connect: () => void = () => undefined
  const slow = {
    connect: async (options: Parameters<typeof adapter.connect>[0]) => {
      await new Promise<void>((resolve) => {
        connect = resolve
      })
      return adapter.connect(options)
    },
  }
  const options = { ...a, adapter: slow, unusedCacheTime: 0 }
  const loading = open(options as never)
  await Promise.resolve()
  vi.advanceTimersByTime(1e9)
  connect()
  const store = await loading
  vi.advanceTimersByTime(RENDER_HOLD_MS - 1)
  expect(isOpen(store)).toBe(true)
  vi.advanceTimersByTime(1)
  expect(isOpen(store)).toBe(false)
})

test('a store that loads and is no longer wanted is given up', async () => {
  const connect = vi.fn(() => new Promise<never>(() => undefined))
  const stuck = storeOptions({ schema, adapter: { connect }, storeId: 'a', unusedCacheTime: 0 })
  const loading = registry.getOrLoadPromise(stuck) as Promise<unknown>
  const rejected = expect(loading).rejects.toThrow(/nobody waits for the store 'a'/)
  await Promise.resolve()
  registry.retain(stuck)()
  vi.advanceTimersByTime(0)
  await rejected
  expect(connect).toHaveBeenCalledTimes(1)
  expect(await open()).toBeDefined()
})

test('a store that was shut down otherwise is opened anew, after its end', async () => {
  const store = await open()
  const over = vi.fn()
  const ending = store.shutdown().then(over)
  const next = await open()
  expect(over).toHaveBeenCalled()
  await ending
  expect(next).not.toBe(store)
  expect(isOpen(next)).toBe(true)
})

test('another schema for an open store is refused, and an equal one is not', async () => {
  const store = await open()
  const tables = {
    other: State.SQLite.table({ name: 'other', columns: { id: State.SQLite.text() } }),
  }
  const other = makeSchema({
    events: {},
    state: State.SQLite.makeState({ tables, materializers: {} }),
  })
  expect(() => registry.getOrLoadPromise({ ...a, schema: other as never })).toThrow(
    /the store 'a' is open with another schema/,
  )
  const reloaded = Object.create(schema) as typeof schema
  expect(registry.getOrLoadPromise({ ...a, schema: reloaded })).toBe(store)
})

test('options of the store come before those of the registry', async () => {
  const onBootStatus = vi.fn()
  const own = new StoreRegistry({ defaultOptions: { onBootStatus, unusedCacheTime: 5 } })
  const store = (await own.getOrLoadPromise({ ...a, unusedCacheTime: 60_000 })) as unknown as Store
  expect(onBootStatus).toHaveBeenCalledWith({ stage: 'done' })
  vi.advanceTimersByTime(59_999)
  expect(isOpen(store)).toBe(true)
  await own.dispose()
  expect(isOpen(store)).toBe(false)
  expect(() => own.getOrLoadPromise(a)).toThrow(expect.objectContaining({ code: 'Closed' }))
})

test('preload opens a store, and swallows what fails', async () => {
  await registry.preload(a)
  expect(registry.getOrLoadPromise(a)).not.toBeInstanceOf(Promise)
  const failing = { connect: () => Promise.reject(new Error('no engine here')) }
  await registry.preload({ ...a, storeId: 'b', adapter: failing })
  expect(() => registry.getOrLoadPromise({ ...a, storeId: 'b', adapter: failing })).toThrow(
    'no engine here',
  )
})

test('an aborted signal of the app ends the store', async () => {
  const controller = new AbortController()
  const store = await open({ ...a, signal: controller.signal } as never)
  controller.abort()
  expect(isOpen(store)).toBe(false)
})
