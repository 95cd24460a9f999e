/**
 * Tabs of one origin with the real engine in them: stores, sessions, leaders and files are the real
 * ones, over locks, ports, workers and a file system in memory.
 */

import { beforeAll, beforeEach, expect, test } from 'vitest'
import { Broker } from '../../shared-worker/src/broker.js'
import { LeaderHost } from '../../worker/src/leader-host.js'
import { leaderFactory, storeFileNames } from '../../worker/src/leader-worker.js'
import { Tab } from '../src/adapter-web/tab.js'
import { createStorePromise } from '../src/store/create-store.js'
import type { Store } from '../src/store/store.js'
import { leaderFileNames } from '../src/wasm/leader.js'
import { type Engine, loadEngine, startEngine } from '../src/wasm/module.js'
import {
  channelIn,
  TestClock,
  TestContext,
  TestLocks,
  TestOpfs,
  TestPort,
  TestSharedWorkers,
  TestWorker,
} from './doubles.js'
import { events, schema, todos } from './todo-schema.js'

let wasmModule: WebAssembly.Module
let locks: TestLocks
let opfs: TestOpfs
let sharedWorkers: TestSharedWorkers

beforeAll(async () => {
  wasmModule = (await loadEngine()).wasmModule
})

beforeEach(() => {
  locks = new TestLocks()
  opfs = new TestOpfs()
  sharedWorkers = new TestSharedWorkers(() => {
    const broker = new Broker({
      locks: locks.for(new TestContext()),
      createChannel: () => TestPort.channel(),
    })
    return (port) => broker.connect(port)
  })
})

interface OpenTab {
  readonly context: TestContext
  readonly store: Store
  ids(): string[]
}

let tabs = 0

const openTab = async (): Promise<OpenTab> => {
  tabs += 1
  const name = `t${tabs}`
  const clock = new TestClock()
  const context = new TestContext()
  const script = (worker: TestWorker): void => {
    const env = {
      clock,
      locks: locks.for(worker.context),
      getDirectory: () => opfs.getDirectory(worker.context),
    }
    new LeaderHost(worker.scope, env, leaderFactory({ schema }))
  }
  const engine: Engine = await startEngine(wasmModule)
  const connect = async () => {
    const tab = new Tab(
      {
        clock,
        locks: locks.for(context),
        createChannel: () => channelIn(context),
        spawnWorker: () => new TestWorker(context, script),
        spawnSharedWorker: (workerName) => sharedWorkers.connect(workerName, context),
        nonce: name,
        warn: () => undefined,
      },
      {
        storeId: 'store',
        clientId: 'client',
        sessionId: name,
        directory: 'd@1',
        resetPersistence: false,
        wasmModule: Promise.resolve(wasmModule),
      },
    )
    return {
      engine,
      clientId: 'client',
      sessionId: name,
      get storageMode() {
        return tab.storageMode
      },
      start: (handlers: Parameters<Tab['start']>[0]) => tab.start(handlers),
      close: () => tab.close(),
    }
  }
  const store = await createStorePromise({ schema, adapter: { connect }, storeId: 'store' })
  const byId = todos.select('id').orderBy('id', 'asc')
  return { context, store: store as Store, ids: () => [...store.query(byId)] }
}

const add = ({ store }: OpenTab, id: string): void =>
  store.commit(events.todoCreated({ id, text: '' }))

const confirmed = (...all: OpenTab[]): Promise<void> =>
  expect
    .poll(() => all.map(({ store }) => store.syncStatus().pendingCount), { timeout: 5_000 })
    .toEqual(all.map(() => 0))

test('the worker opens the files the engine asks for', async () => {
  expect([...storeFileNames].toSorted()).toEqual(
    [...leaderFileNames(await startEngine(wasmModule))].toSorted(),
  )
})

test('what one tab commits is in all, and after the last has closed it is in storage', async () => {
  const [a, b] = [await openTab(), await openTab()]
  expect(a.store.storageMode).toBe('persisted')
  add(a, 'from a')
  add(b, 'from b')
  await confirmed(a, b)
  await expect.poll(() => [a.ids(), b.ids()]).toEqual(Array(2).fill(['from a', 'from b']))
  await a.store.shutdown()
  await b.store.shutdown()
  const again = await openTab()
  expect(again.ids()).toEqual(['from a', 'from b'])
  await again.store.shutdown()
})

test('a leader that is killed amid commits costs no event and doubles none', async () => {
  const [a, b, c] = [await openTab(), await openTab(), await openTab()]
  for (let i = 0; i < 30; i++) {
    add(b, `b${String(i).padStart(2, '0')}`)
    add(c, `c${String(i).padStart(2, '0')}`)
    await new Promise((resolve) => setImmediate(resolve))
    if (i === 15) a.context.kill()
  }
  await confirmed(b, c)
  await expect.poll(() => b.ids()).toHaveLength(60)
  await expect.poll(() => c.ids()).toEqual(b.ids())
  await b.store.shutdown()
  await c.store.shutdown()
  const again = await openTab()
  expect(again.ids()).toHaveLength(60)
  await again.store.shutdown()
})

test('without storage the tabs share one store in memory, and say so', async () => {
  opfs.refusal = new DOMException('private window', 'SecurityError')
  const [a, b] = [await openTab(), await openTab()]
  expect([a.store.storageMode, b.store.storageMode]).toEqual(['in-memory', 'in-memory'])
  add(b, 'from b')
  await confirmed(b)
  await expect.poll(() => a.ids()).toEqual(['from b'])
  await a.store.shutdown()
  await b.store.shutdown()
})
