/** The whole stack in one thread, on the real engine: session, in-process port, server, leader. */

import { expect, test } from 'vitest'
import { Connection, MockSyncServer } from '../../test/mock-sync-server.js'
import { events, schema, todos } from '../../test/todo-schema.js'
import type { BootStatus } from '../store/adapter.js'
import { createStorePromise } from '../store/create-store.js'
import { makeInMemoryAdapter } from './index.js'

test('a store boots, says so, and its events are accepted by the leader', async () => {
  const statuses: BootStatus[] = []
  const store = await createStorePromise({
    schema,
    adapter: makeInMemoryAdapter(),
    storeId: 'store',
    onBootStatus: (status) => statuses.push(status),
  })
  expect(statuses.at(0)).toEqual({ stage: 'loading' })
  expect(statuses.at(-1)).toEqual({ stage: 'done' })
  expect(store.storageMode).toBe('in-memory')
  store.commit(events.todoCreated({ id: 'a', text: 'first' }))
  expect(store.query(todos.count())).toBe(1)
  await expect.poll(() => store.syncStatus().pendingCount).toBe(0)
  await store.shutdown()
})

test('stores with the same id share nothing', async () => {
  const open = () => createStorePromise({ schema, adapter: makeInMemoryAdapter(), storeId: 'same' })
  const [a, b] = [await open(), await open()]
  a.commit(events.todoCreated({ id: 'a', text: 'mine' }))
  await expect.poll(() => a.syncStatus().pendingCount).toBe(0)
  expect(b.query(todos.count())).toBe(0)
  await Promise.all([a.shutdown(), b.shutdown()])
})

test('stores with one sync backend share what it orders', async () => {
  const server = new MockSyncServer()
  const open = () =>
    createStorePromise({
      schema,
      adapter: makeInMemoryAdapter({
        clientId: `client ${server.made.length}`,
        sync: {
          backend: new Connection(server).make,
          initialSyncOptions: { _tag: 'Blocking', timeout: 5_000 },
        },
      }),
      storeId: 'synced',
      syncPayload: { token: 1 },
    })
  const a = await open()
  a.commit(events.todoCreated({ id: 'a', text: 'from a' }))
  await expect.poll(() => server.log).toEqual(['a'])
  const b = await open()
  expect(b.query(todos.select('id'))).toEqual(['a'])
  b.commit(events.todoCreated({ id: 'b', text: 'from b' }))
  await expect.poll(() => a.query(todos.select('id'))).toEqual(['a', 'b'])
  expect(server.made[1]).toMatchObject({ storeId: 'synced', payload: { token: 1 } })
  await Promise.all([a.shutdown(), b.shutdown()])
})

test('a store whose syncPayload is not JSON is refused', async () => {
  const opening = createStorePromise({
    schema,
    adapter: makeInMemoryAdapter(),
    storeId: 'store',
    syncPayload: 1n,
  })
  await expect(opening).rejects.toMatchObject({
    code: 'InvalidArgument',
    message: expect.stringContaining('syncPayload'),
  })
})

test('an address that holds no wasm is an error that names it', async () => {
  const missing = new URL('./nowhere.wasm', import.meta.url)
  const opening = createStorePromise({
    schema,
    adapter: makeInMemoryAdapter({ wasmUrl: missing }),
    storeId: 'store',
  })
  await expect(opening).rejects.toMatchObject({
    code: 'EngineLoad',
    message: expect.stringContaining('nowhere.wasm'),
  })
})
