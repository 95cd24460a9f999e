/** The whole stack in one thread, on the real engine: session, in-process port, server, leader. */

import { expect, test } from 'vitest'
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
