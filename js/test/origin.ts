/**
 * An origin with tabs in it, in memory: the real election, broker, leader host, server and ports
 * over the doubles, and in place of the engine a leader that keeps a list of texts in its storage.
 *
 * The sessions here push texts and follow; they stand for the engine's, and keep its rules: one
 * push at a time, and whatever a leader's log does not show after a leader change is pushed again.
 */

import { Broker } from '../../shared-worker/src/broker.js'
import {
  type BootableLeader,
  type LeaderFactory,
  LeaderHost,
} from '../../worker/src/leader-host.js'
import type { PoolFile } from '../../worker/src/opfs-pool.js'
import { BroadcastBroker } from '../src/adapter-web/broadcast-broker.js'
import { makeBroadcastWorker } from '../src/adapter-web/broadcast-worker.js'
import type { Journals } from '../src/adapter-web/journals.js'
import { Tab, type TabEnv } from '../src/adapter-web/tab.js'
import type { BroadcastLike } from '../src/env.js'
import { LiveStoreError } from '../src/errors.js'
import type { BootStatus, LeaderToSession } from '../src/protocol/messages.js'
import type { LeaderPort } from '../src/store/adapter.js'
import type { DrainEntry, DrainOutcome, Joined } from '../src/wasm/leader.js'
import {
  channelIn,
  later,
  settle,
  TestBroadcasts,
  TestClock,
  TestContext,
  TestLocks,
  TestOpfs,
  TestSharedWorkers,
  TestWorker,
  UnsyncedLeader,
} from './doubles.js'

/** The smallest module there is: magic and version. */
const emptyModule = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))

const bytesOf = (value: unknown): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(JSON.stringify(value)).slice()
const listOf = (bytes: ArrayBuffer | Uint8Array | undefined): string[] =>
  bytes === undefined || bytes.byteLength === 0 ? [] : JSON.parse(new TextDecoder().decode(bytes))

/** Keeps its log in `eventlog.db`, written before anything is answered. */
class TextLeader extends UnsyncedLeader implements BootableLeader {
  readonly schemaHash: string
  readonly #origin: TestOrigin
  readonly #file: PoolFile | undefined
  #log: string[] = []
  #queue: { session: number; push: number; texts: string[] }[] = []

  constructor(origin: TestOrigin, schemaHash: string, storage: readonly PoolFile[] | 'in-memory') {
    super()
    this.#origin = origin
    this.schemaHash = schemaHash
    if (storage === 'in-memory') return
    this.#file = storage.find(({ name }) => name === 'eventlog.db')
    const bytes = new Uint8Array(this.#file?.handle.getSize() ?? 0)
    this.#file?.handle.read(bytes, { at: 0 })
    this.#log = listOf(bytes)
  }

  bootStep(): ReturnType<BootableLeader['bootStep']> {
    if (this.#origin.bootFailure !== undefined) throw this.#origin.bootFailure
    return this.#origin.bootSteps.shift() ?? { stage: 'done', done: 0, total: 0 }
  }

  submit(session: number, push: number, events: Uint8Array): void {
    this.#queue.push({ session, push, texts: listOf(events) })
  }

  submitOrphans(events: Uint8Array): void {
    this.submit(0, 0, events)
  }

  drain(): DrainOutcome {
    const entries = this.#queue.splice(0).flatMap(({ session, push, texts }): DrainEntry[] => {
      if (texts.includes('abort')) throw new WebAssembly.RuntimeError('unreachable')
      this.#log.push(...texts)
      const bytes = bytesOf(this.#log)
      this.#file?.handle.truncate(0)
      this.#file?.handle.write(bytes, { at: 0 })
      return [
        { type: 'news', author: session, news: bytesOf(texts) },
        { type: 'push-result', session, push, outcome: 'accepted' },
      ]
    })
    return { entries, rejoin: false, skipped: [], refused: [] }
  }

  override hasWork(): boolean {
    return this.#queue.length > 0
  }

  /** A cursor is how many texts the session knows. */
  join(cursor: Uint8Array | undefined): Joined {
    const known = cursor === undefined ? this.#log.length + 1 : (cursor[0] as number)
    return known > this.#log.length
      ? { image: bytesOf(this.#log), history: bytesOf([]), clientId: '' }
      : { image: undefined, history: bytesOf(this.#log.slice(known)), clientId: '' }
  }

  close(): void {}
}

export interface OpenTabOptions {
  readonly sessionId?: string
  readonly schemaHash?: string
  readonly resetPersistence?: boolean
  readonly protocolOfWorker?: number
  readonly journals?: Journals
  /** Another build of the app has another shared worker of the same name. */
  readonly build?: string
  /** Runs in place of the leader worker's script, which is the second argument. */
  readonly workerScript?: (worker: TestWorker, runScript: () => void) => void
}

export class TestOrigin {
  /** Without them tabs meet in broadcast channels. */
  static hasSharedWorkers = true

  readonly clock = new TestClock()
  readonly locks = new TestLocks()
  readonly opfs = new TestOpfs()
  /** What the next boots go through. */
  bootSteps: ReturnType<BootableLeader['bootStep']>[] = []
  /** Thrown by the boot of every leader while it is set. */
  bootFailure: Error | undefined
  /** Runs before the broker, in every shared worker that starts. */
  sharedWorkerScript: (context: TestContext) => void = () => undefined
  readonly #broadcasts = new TestBroadcasts()
  readonly #sharedWorkers = new Map<string, TestSharedWorkers>()
  #tabs = 0

  /** What is stored, as the next leader will find it. */
  get stored(): string[] {
    const file = this.opfs.files.get('livestore-wasm-store@1/eventlog.db')
    return listOf(file?.bytes)
  }

  /** Tabs of different versions use different names. */
  openBroadcast({ build = '' }: OpenTabOptions, name: string, context: TestContext): BroadcastLike {
    return this.#broadcasts.open(`${build}${name}`, context)
  }

  openTab(options: OpenTabOptions = {}): TestTab {
    this.#tabs += 1
    return new TestTab(this, `t${this.#tabs}`, options)
  }

  sharedWorkers(build = 'build-1'): TestSharedWorkers {
    const known = this.#sharedWorkers.get(build)
    if (known !== undefined) return known
    const workers = new TestSharedWorkers((_, context) => {
      this.sharedWorkerScript(context)
      const broker = new Broker({
        locks: this.locks.for(context),
        createChannel: () => channelIn(context),
        nonce: `${build}-${workers.starts}`,
      })
      return (port) => broker.connect(port)
    })
    this.#sharedWorkers.set(build, workers)
    return workers
  }
}

/** A tab with a session in it. */
export class TestTab {
  readonly name: string
  readonly context = new TestContext()
  readonly workers: TestWorker[] = []
  readonly warnings: string[] = []
  readonly failures: LiveStoreError[] = []
  /** Events of the log in order, as this session knows them. */
  log: string[] = []
  readonly committed: string[] = []
  /** Committed here, not confirmed. */
  pending: string[] = []
  /** How far the boot was, as this tab was told. */
  readonly statuses: BootStatus[] = []
  /** The messages heard, by type. */
  readonly heard: string[] = []
  ports = 0
  readonly tab: Tab
  readonly #schemaHash: string
  #port: LeaderPort | undefined
  #inFlight: string[] | undefined
  #following = false
  #pushId = 0

  constructor(origin: TestOrigin, name: string, options: OpenTabOptions) {
    this.name = name
    this.#schemaHash = options.schemaHash ?? 'schema-1'
    const factory: LeaderFactory = {
      fileNames: ['eventlog.db', 'state.db'],
      startEngine: async () => (storage) => new TextLeader(origin, this.#schemaHash, storage),
    }
    const runScript = (worker: TestWorker): void => {
      const env = {
        clock: origin.clock,
        locks: origin.locks.for(worker.context),
        getDirectory: () => origin.opfs.getDirectory(worker.context),
        openBroadcast: (name: string) => origin.openBroadcast(options, name, worker.context),
        createChannel: () => channelIn(worker.context),
        nonce: `${name}-${this.workers.length}`,
        warn: () => undefined,
      }
      new LeaderHost(worker.scope, env, factory)
    }
    const script = (worker: TestWorker): void => {
      if (options.workerScript === undefined) runScript(worker)
      else options.workerScript(worker, () => runScript(worker))
    }
    const env: TabEnv = {
      clock: origin.clock,
      locks: origin.locks.for(this.context),
      createChannel: () => channelIn(this.context),
      spawnWorker: () => {
        const worker = new TestWorker(this.context, script)
        this.workers.push(worker)
        return worker
      },
      spawnSharedWorker: (workerName) =>
        TestOrigin.hasSharedWorkers
          ? origin.sharedWorkers(options.build).connect(workerName, this.context)
          : makeBroadcastWorker(
              {
                locks: origin.locks.for(this.context),
                openBroadcast: (broadcast) =>
                  origin.openBroadcast(options, broadcast, this.context),
              },
              workerName,
              () => new Promise((resolve) => later(() => resolve({ BroadcastBroker }))),
            ),
      help: () => () => undefined,
      nonce: name,
      warn: (message) => this.warnings.push(message),
    }
    this.tab = new Tab(env, {
      storeId: 'store',
      clientId: 'client',
      sessionId: options.sessionId ?? name,
      directory: 'livestore-wasm-store@1',
      resetPersistence: options.resetPersistence ?? false,
      wasmModule: Promise.resolve(emptyModule),
      journals: options.journals,
    })
    this.tab.start({
      onPort: (port) => this.#attach(port),
      onFailure: (error) => this.failures.push(error),
    })
  }

  get leads(): boolean {
    return this.workers.some((worker) => worker.context.alive)
  }

  /** What the tab shows: confirmed and pending. */
  get shown(): string[] {
    return [...this.log, ...this.pending]
  }

  commit(text: string): void {
    this.committed.push(text)
    this.pending.push(text)
    this.#push()
  }

  async close(): Promise<void> {
    await this.tab.close()
    this.context.kill()
  }

  /** As the browser does it to a page that is not looked at, which is told before; or without. */
  freeze({ isTold }: { isTold: boolean }): void {
    if (isTold) this.tab.pause()
    for (const context of this.#contexts) context.freeze()
  }

  thaw(): void {
    for (const context of this.#contexts) context.thaw()
    this.tab.resume()
  }

  get #contexts(): TestContext[] {
    return [this.context, ...this.workers.map(({ context }) => context)]
  }

  /** As when the browser ends it: nothing more is said. */
  kill(): void {
    this.context.kill()
  }

  #attach(port: LeaderPort): void {
    this.ports += 1
    this.#port = port
    this.#following = false
    this.#inFlight = undefined
    port.onMessage((message) => {
      if (this.#port === port) this.#take(message)
    })
    port.post({
      type: 'hello',
      protocol: 1,
      sessionId: this.name,
      clientId: 'client',
      instance: this.name,
      schemaHash: this.#schemaHash,
      cursor: new Uint8Array([this.log.length]).buffer,
    })
  }

  #take(message: LeaderToSession): void {
    this.heard.push(message.type === 'error' ? `error ${message.code}` : message.type)
    if (message.type === 'boot-status') this.statuses.push(message.status)
    if (message.type === 'welcome') {
      if (message.image !== undefined) this.log = listOf(message.image)
      this.#follow(listOf(message.history))
      this.#following = true
    } else if (message.type === 'news') {
      this.#follow(listOf(message.news))
    } else if (message.type === 'push-result') {
      this.#follow(this.#inFlight ?? [])
      this.#inFlight = undefined
    }
    this.#push()
  }

  /** Own events found in the log are confirmed by it. */
  #follow(texts: readonly string[]): void {
    this.log.push(...texts)
    this.pending = this.pending.filter((text) => !texts.includes(text))
  }

  #push(): void {
    if (!this.#following || this.#inFlight !== undefined || this.pending.length === 0) return
    this.#inFlight = [...this.pending]
    this.#pushId += 1
    const push = bytesOf(this.#inFlight).buffer
    this.#port?.post({ type: 'push', id: this.#pushId, push }, [push])
  }
}

/** The names of those that lead. */
export const leaders = (...tabs: TestTab[]): string[] =>
  tabs.filter((tab) => tab.leads).map(({ name }) => name)

export { LiveStoreError, settle }
