/**
 * Two stores on one leader, on the real engine: what each sees of the other.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { events, kv, oddMaterializer, schema, todos } from '../../test/todo-schema.js'
import { openLeaderPort } from '../adapter-web/leader-port.js'
import { systemClock } from '../env.js'
import { LeaderServer } from '../leader/leader-server.js'
import { createInProcessChannel } from '../protocol/in-process-channel.js'
import { queryDb } from '../reactivity/definitions.js'
import { schemaDescriptor } from '../schema/descriptor.js'
import { materializeWith } from '../schema/materialize.js'
import { Leader } from '../wasm/leader.js'
import { loadEngine } from '../wasm/load.js'
import type { Engine } from '../wasm/module.js'
import type { Adapter } from './adapter.js'
import { type CreateStoreOptions, createStorePromise } from './create-store.js'
import type { Store } from './store.js'

type Options = Partial<CreateStoreOptions<typeof schema, unknown>>

let engine: Engine
let leader: Leader
let server: LeaderServer
const stores: Store[] = []
const reported: unknown[] = []

beforeEach(async () => {
  reported.length = 0
  vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
  engine = await loadEngine()
  leader = Leader.open(engine, {
    schemaDescriptor: schemaDescriptor(schema),
    storage: 'in-memory',
    materialize: materializeWith(schema),
  })
  while (leader.bootStep().stage !== 'done');
  server = new LeaderServer({ clock: systemClock(), onCrash: (error) => reported.push(error) })
  server.serve(leader, 'persisted')
})

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.shutdown()))
  server.shutdown()
  leader.close()
  oddMaterializer.run = () => []
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** Connects to the leader of the test; `connect` may be called again for another port to it. */
const tab = (sessionId: string) => {
  let onPort: (port: ReturnType<typeof openLeaderPort>) => void = () => undefined
  const connect = () => {
    const channel = createInProcessChannel()
    server.connect(channel.port2)
    onPort(openLeaderPort(channel.port1, () => undefined))
  }
  const adapter: Adapter = {
    connect: async () => ({
      engine,
      clientId: 'client',
      sessionId,
      storageMode: 'in-memory',
      start: (handlers) => {
        onPort = handlers.onPort
        connect()
      },
      close: async () => undefined,
    }),
  }
  return { adapter, connect }
}

const openStore = async (sessionId: string, options: Options = {}): Promise<Store> => {
  const { adapter } = tab(sessionId)
  const store = await createStorePromise({ schema, adapter, storeId: 'test', ...options })
  stores.push(store as Store)
  return store as Store
}

const created = (id: string, text = '') => events.todoCreated({ id, text })
const ids = (store: Store) => store.query(todos.select('id').orderBy('id'))
const inSync = () =>
  vi.waitFor(() => {
    const heads = stores.map((store) => {
      const { upstreamHead, isSynced } = store.syncStatus()
      expect(isSynced).toBe(true)
      return upstreamHead
    })
    expect(new Set(heads).size).toBe(1)
  })

test('the mode of storage is what the leader says', async () => {
  expect((await openStore('a')).storageMode).toBe('persisted')
})

test('what one commits, the other sees, and is told of once', async () => {
  const [a, b] = [await openStore('a'), await openStore('b')]
  const told: unknown[] = []
  b.subscribe(todos.select('id'), (all) => told.push(all))
  a.commit(created('x'), created('y'))
  await inSync()
  expect(ids(b)).toEqual(['x', 'y'])
  expect(told).toEqual([[], ['x', 'y']])
})

test('a tab that comes later has everything at once', async () => {
  const a = await openStore('a')
  a.commit(created('x'))
  await inSync()
  expect(ids(await openStore('b'))).toEqual(['x'])
})

test('commits of both at one time end in one order, and nobody sees half a state', async () => {
  const [a, b] = [await openStore('a'), await openStore('b')]
  const seen: string[] = []
  b.subscribe(queryDb(todos.select('id')), (all) => seen.push([...all].sort().join()))
  a.commit(created('a1'), created('a2'))
  b.commit(created('b1'))
  await inSync()
  expect(ids(a)).toEqual(['a1', 'a2', 'b1'])
  expect(ids(b)).toEqual(['a1', 'a2', 'b1'])
  expect(a.query({ query: 'SELECT id FROM todos' })).toEqual(
    b.query({ query: 'SELECT id FROM todos' }),
  )
  // Rolled back and not yet applied again would be '' or 'a1,a2'.
  expect(seen).toEqual(['', 'b1', 'a1,a2,b1'])
})

test('many commits of both, with subscribers that commit too, end in the same state', async () => {
  const [a, b] = [await openStore('a'), await openStore('b')]
  b.subscribe(todos.count(), (count) => {
    if (count > 0 && count < 40) b.commit(kv.set(count))
  })
  for (let i = 0; i < 20; i++) {
    a.commit(created(`a${i}`))
    b.commit(created(`b${i}`), events.todoDone({ id: `a${i}`, done: true }))
    await new Promise((resolve) => setTimeout(resolve, i % 3))
  }
  await inSync()
  const state = (store: Store) => [
    store.query({ query: 'SELECT * FROM todos ORDER BY id' }),
    store.query({ query: 'SELECT * FROM kv ORDER BY id' }),
  ]
  expect(state(a)).toEqual(state(b))
  expect(a.query(todos.count())).toBe(40)
  expect(reported).toEqual([])
})

test('an event that cannot stand after a rebase is rolled back and reported', async () => {
  const onRejected = vi.fn()
  const [a, b] = [await openStore('a'), await openStore('b', { onRejected })]
  const told: string[] = []
  b.subscribe(todos.select('text'), (texts) => told.push([...texts].sort().join()))
  a.commit(created('same', 'from a'))
  b.commit(created('same', 'from b'), created('other', 'kept'))
  await inSync()
  expect(onRejected).toHaveBeenCalledOnce()
  expect(onRejected.mock.calls[0]?.[0]).toMatchObject([
    { code: 'Constraint', event: { name: 'v1.TodoCreated', sessionId: 'b' } },
  ])
  expect(told).toEqual(['', 'from b,kept', 'from a,kept'])
  expect(b.query(todos.count())).toBe(2)
})

test('rejections go to the handler, or to the console; a handler may throw', async () => {
  const consoleError = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const [a, b] = [await openStore('a'), await openStore('b')]
  a.commit(created('same'))
  b.commit(created('same'))
  await inSync()
  expect(consoleError).toHaveBeenCalledExactlyOnceWith(
    expect.stringMatching(/v1\.TodoCreated.*Constraint/),
  )
  const error = new Error('mine')
  await openStore('c', {
    onRejected: () => {
      throw error
    },
  })
  a.commit(created('again'))
  stores[2]?.commit(created('again'))
  await inSync()
  expect(reported).toEqual([error])
})

test('a new port to the leader: pending events are confirmed, none twice', async () => {
  const { adapter, connect } = tab('a')
  const a = (await createStorePromise({ schema, adapter, storeId: 'test' })) as unknown as Store
  stores.push(a)
  const b = await openStore('b')
  a.commit(created('x'))
  connect()
  a.commit(created('y'))
  await Promise.resolve()
  connect()
  b.commit(created('z'))
  await inSync()
  expect(ids(a)).toEqual(['x', 'y', 'z'])
  expect(ids(b)).toEqual(['x', 'y', 'z'])
})

test('shutdown waits until the leader has what was pending', async () => {
  const [a, b] = [await openStore('a'), await openStore('b')]
  a.commit(created('x'), created('y'))
  await a.shutdown()
  stores.splice(stores.indexOf(a), 1)
  await vi.waitFor(() => expect(ids(b)).toEqual(['x', 'y']))
})

test('a leader that stops is told of once, and the tab goes on', async () => {
  const consoleError = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const a = await openStore('a')
  server.fail('Internal', 'the leader stopped')
  await vi.waitFor(() =>
    expect(consoleError).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/leader stopped/)),
  )
  a.commit(created('x'))
  expect(ids(a)).toEqual(['x'])
  expect(a.syncStatus().pendingCount).toBe(1)
})

test('a tab with another schema is refused with a coded error', async () => {
  const refused = {
    ...schema,
    state: {
      ...schema.state,
      sqlite: { tables: new Map([...schema.state.sqlite.tables].slice(1)) },
    },
  } as typeof schema
  await expect(openStore('a', { schema: refused })).rejects.toThrow(
    expect.objectContaining({ code: 'SchemaMismatch' }),
  )
})
