/**
 * An origin on a device, with the real engine in its tabs: stores, sessions, leaders and files are
 * the real ones, over locks, ports, workers, a clock and a file system in memory.
 */

import { Broker } from '../../shared-worker/src/broker.js'
import { LeaderHost } from '../../worker/src/leader-host.js'
import { leaderFactory } from '../../worker/src/leader-worker.js'
import { Journals } from '../src/adapter-web/journals.js'
import { readBootImage } from '../src/adapter-web/read-boot-image.js'
import { Tab } from '../src/adapter-web/tab.js'
import type { PortLike } from '../src/env.js'
import type { LiveStoreError } from '../src/errors.js'
import type { LiveStoreLog } from '../src/protocol/messages.js'
import type { EventInput } from '../src/schema/events.js'
import type { BootStatus, ConnectOptions } from '../src/store/adapter.js'
import { createStorePromise } from '../src/store/create-store.js'
import type { Store } from '../src/store/store.js'
import type { SyncOptions } from '../src/sync/options.js'
import type { Rejection } from '../src/wasm/client-session.js'
import { loadEngine } from '../src/wasm/load.js'
import { type Engine, startEngine } from '../src/wasm/module.js'
import {
  channelIn,
  settle,
  TestBroadcasts,
  TestClock,
  TestContext,
  TestLocks,
  TestOpfs,
  TestSharedWorkers,
  TestStorage,
  TestWorker,
} from './doubles.js'
import { events, schema } from './todo-schema.js'

export interface EngineTab {
  readonly context: TestContext
  readonly store: Store
  readonly statuses: readonly BootStatus[]
  readonly rejected: readonly Rejection[]
  /** What `onError` was told. */
  readonly errors: readonly LiveStoreError[]
  /** The todos in the order in which they were created. */
  ids(): readonly string[]
  event(id: string): EventInput
  add(id: string): void
  /** What the browser tells this page of its life is dispatched here. */
  readonly page: EventTarget
  /** The page ends, as far as it can tell. */
  hide(): void
  /** The page ends, and its process with it. */
  end(): void
}

let wasmModule: Promise<WebAssembly.Module> | undefined
let devices = 0

export class EngineOrigin {
  readonly clock = new TestClock()
  readonly locks = new TestLocks()
  readonly opfs = new TestOpfs()
  readonly localStorage = new TestStorage()
  /** What LiveStore has left there, if it was there. */
  liveStoreData: (() => Promise<readonly LiveStoreLog[]>) | undefined
  /** What every page does where workers have no files. */
  serveBlocks: (port: PortLike) => () => void = () => () => undefined
  /** What the leader workers warned of. */
  readonly warnings: string[] = []
  readonly #clientId = `client${++devices}`
  readonly #sync: SyncOptions | undefined
  readonly sharedWorkers: TestSharedWorkers = new TestSharedWorkers((_, context) => {
    const broker = new Broker({
      locks: this.locks.for(context),
      createChannel: () => channelIn(context),
      nonce: String(this.sharedWorkers.starts),
    })
    return (port) => broker.connect(port)
  })
  readonly #broadcasts = new TestBroadcasts()
  readonly #tabs: EngineTab[] = []
  readonly #journals: { readonly context: TestContext; readonly journals: Journals }[] = []

  constructor(sync?: SyncOptions) {
    this.#sync = sync
    this.localStorage.onSet = (key) => {
      for (const { context, journals } of this.#journals) {
        setImmediate(() => context.alive && journals.changed(key))
      }
    }
  }

  /** Lets `ms` pass, and comes to rest. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms)
    await settle()
  }

  async openTab(): Promise<EngineTab> {
    wasmModule ??= loadEngine().then((engine) => engine.wasmModule)
    const name = `t${this.#tabs.length + 1}`
    const context = new TestContext()
    const engine = await startEngine(await wasmModule)
    const statuses: BootStatus[] = []
    const rejected: Rejection[] = []
    const errors: LiveStoreError[] = []
    const page = new EventTarget()
    const realm = globalThis as { window?: EventTarget }
    realm.window = page
    const store = await createStorePromise({
      schema,
      storeId: 'store',
      adapter: { connect: (options) => this.#connect(name, context, engine, options) },
      syncPayload: { token: 'secret' },
      onBootStatus: (status) => statuses.push(status),
      onRejected: (more) => rejected.push(...more),
      onError: (error) => errors.push(error),
    })
    delete realm.window
    const hide = () => void page.dispatchEvent(new Event('pagehide'))
    const event = (id: string) => events.todoCreated({ id, text: '' })
    const tab: EngineTab = {
      context,
      store: store as Store,
      statuses,
      rejected,
      errors,
      ids: () =>
        store
          .query<{ id: string }>({ query: 'select id from todos order by rowid' })
          .map(({ id }) => id),
      event,
      add: (id) => store.commit(event(id)),
      page,
      hide,
      end: () => {
        hide()
        context.kill()
      },
    }
    this.#tabs.push(tab)
    return tab
  }

  /** Ends every tab. */
  async close(): Promise<void> {
    for (const { store, context } of this.#tabs.splice(0)) {
      if (context.alive) await store.shutdown()
    }
  }

  async #connect(name: string, context: TestContext, engine: Engine, options: ConnectOptions) {
    const { syncPayload, onError } = options
    const journals = new Journals({ localStorage: () => this.localStorage, onError }, 'store')
    this.#journals.push({ context, journals })
    const bootImage = journals.isEmpty()
      ? await readBootImage(() => this.opfs.getDirectory(context), 'd@1')
      : undefined
    let workers = 0
    const script = (worker: TestWorker): void => {
      const env = {
        clock: this.clock,
        locks: this.locks.for(worker.context),
        getDirectory: () => this.opfs.getDirectory(worker.context),
        openBroadcast: (name: string) => this.#broadcasts.open(name, worker.context),
        createChannel: () => channelIn(worker.context),
        nonce: `${name}-${++workers}`,
        warn: (message: string) => this.warnings.push(message),
      }
      new LeaderHost(worker.scope, env, leaderFactory({ schema, sync: this.#sync }))
    }
    const clientId = this.#clientId
    const tab = new Tab(
      {
        clock: this.clock,
        locks: this.locks.for(context),
        createChannel: () => channelIn(context),
        spawnWorker: () => new TestWorker(context, script),
        spawnSharedWorker: (workerName) => this.sharedWorkers.connect(workerName, context),
        help: (topic, port) => {
          if (topic === 'stored-blocks') return this.serveBlocks(port)
          void this.liveStoreData?.().then((logs) =>
            port.postMessage({ type: 'found', logs, optional: false }, []),
          )
          return () => undefined
        },
        nonce: name,
        warn: () => undefined,
      },
      {
        storeId: 'store',
        clientId,
        sessionId: name,
        syncPayload,
        directory: 'd@1',
        resetPersistence: false,
        hasLiveStoreData: Promise.resolve(this.liveStoreData !== undefined),
        wasmModule: Promise.resolve(engine.wasmModule),
        journals,
      },
    )
    return {
      engine,
      clientId,
      sessionId: name,
      takeBootImage: () => bootImage,
      journal: journals,
      get storageMode() {
        return tab.storageMode
      },
      start: (handlers: Parameters<Tab['start']>[0]) => tab.start(handlers),
      close: () => tab.close(),
    }
  }
}
