/**
 * One life of a leader worker, from `init` to its end:
 *
 *     init ─► leader lock ─► files ─► engine ─► boot steps ─► sync ─► serve ─► shutdown │ crash
 *
 * Takes the lock before it touches a file, and lets go of it after the last file is closed, so that
 * no two leaders of a store ever have files open at once. After a failure it keeps the lock until
 * the tab ends the worker. A lock of its own it holds from its first line to its end, by which the
 * tab notices that. The files are opened while the page still compiles the engine. Between boot
 * steps it yields: a long replay does not make the worker deaf.
 *
 * Knows what an engine's leader does, not which: `openLeader` is passed in.
 */

import {
  type BroadcastLike,
  type ChannelLike,
  type Clock,
  type LocksLike,
  nextTurn,
  type PortLike,
} from '../../js/src/env.js'
import { errorFromReply, isLiveStoreError, LiveStoreError, messageOf } from '../../js/src/errors.js'
import {
  LeaderServer,
  type ServedLeader,
  type ServedSession,
} from '../../js/src/leader/leader-server.js'
import { bootImageName } from '../../js/src/protocol/boot-image.js'
import { BroadcastPort } from '../../js/src/protocol/broadcast-port.js'
import {
  type BootStatus,
  type BrokerToLeader,
  type HelpTopic,
  type InitMessage,
  type LiveStoreDataAnswer,
  type LiveStoreLog,
  leaderLockName,
  protocolVersion,
  type TabToWorker,
  type WorkerToTab,
  workerLockName,
} from '../../js/src/protocol/messages.js'
import { TypedPort } from '../../js/src/protocol/port.js'
import {
  checkBrokerToLeader,
  checkLiveStoreData,
  checkTabToWorker,
} from '../../js/src/protocol/validate.js'
import { startSync } from '../../js/src/sync/initial-sync.js'
import type { SyncSetup } from '../../js/src/sync/options.js'
import { SyncDriver, type SyncedLeader } from '../../js/src/sync/sync-driver.js'
import type { SeqNum } from '../../js/src/wasm/values.js'
import { openBlockPool } from './block-pool.js'
import { BootImageKeeper } from './boot-image-keeper.js'
import { type OpfsPool, openOpfsPool, type PoolEnv, type PoolFile, refused } from './opfs-pool.js'

/** How long the leader before may take to end. A tab that closes gives its worker much less. */
export const leaderLockWaitMsMax = 30_000

/**
 * How long a boot may keep other tabs unheard. A warm one is over by then; who hears nothing for
 * long takes the leader for one of another build (`leaderUnreachableCheckMs`).
 */
export const receiveAfterMs = 500

export interface LeaderHostEnv extends PoolEnv {
  readonly clock: Clock
  readonly locks: LocksLike
  /** Calls its listener when the device comes online. Returns what ends that. */
  readonly onOnline?: ((listener: () => void) => () => void) | undefined
  openBroadcast(name: string): BroadcastLike
  createChannel(): ChannelLike
  /** Unlike that of any other worker. */
  readonly nonce: string
  warn(message: string): void
}

/** The engine's `Leader` while it boots and after. */
export interface BootableLeader extends ServedLeader, SyncedLeader {
  localHead(): SeqNum
  importLiveStore(log?: LiveStoreLog): number
  bootStep(): {
    readonly stage: 'migrating' | 'rehydrating' | 'done'
    readonly done: number
    readonly total: number
  }
  close(): void
}

/** What the leader needs to know of the app and the engine. */
export interface LeaderFactory {
  /** The files that hold a store. */
  readonly fileNames: readonly string[]
  /** How its leaders sync, if they do. */
  readonly sync?: SyncSetup | undefined
  /** Starts the engine and resolves with what opens the leader on it. */
  startEngine(wasmModule: WebAssembly.Module): Promise<OpenLeader>
}

/** @throws LiveStoreError when the files cannot be used. */
export type OpenLeader = (
  storage: readonly PoolFile[] | 'in-memory',
  clientId: string,
) => BootableLeader

type Pool = Exclude<OpfsPool, { readonly mode: 'no-sync-access' }>

/** What the boot ends with when a shutdown comes in between. */
class Stopped extends Error {}

export class LeaderHost {
  readonly #env: LeaderHostEnv
  readonly #factory: LeaderFactory
  readonly #tab: TypedPort<WorkerToTab, TabToWorker<PortLike>>
  readonly #server: LeaderServer

  #state: 'idle' | 'booting' | 'serving' | 'ended' = 'idle'
  /** Resolves when the boot has come to its end, one way or the other. */
  #boot: Promise<void> = Promise.resolve()
  /** Ends whatever the boot waits for; what it is aborted with is what the boot fails with. */
  readonly #stop = new AbortController()
  #leader: BootableLeader | undefined
  #sync: SyncDriver | undefined
  #pool: Pool | undefined
  #bootImage: BootImageKeeper | undefined
  #releaseLock: () => void = () => undefined
  #isReceiving = false
  #broker: { close(): void } | undefined
  /** Of other tabs, by the names of their locks. */
  #sessions = new Map<string, ServedSession>()

  /** Starts while the lock is waited for and the files are opened. */
  readonly #engine: Promise<OpenLeader>
  #engineArrived: (module: WebAssembly.Module) => void = () => undefined
  #hasLiveStoreData = false

  /** `scope` is the other end of the worker that the tab holds. */
  constructor(scope: PortLike, env: LeaderHostEnv, factory: LeaderFactory) {
    this.#env = env
    this.#factory = factory
    this.#engine = new Promise((resolve, reject) => {
      this.#engineArrived = (wasmModule) => resolve(factory.startEngine(wasmModule))
      this.#stop.signal.addEventListener('abort', () => reject(this.#stop.signal.reason))
    })
    // Whoever awaits it gets the reason; if nobody does yet, that is no error.
    this.#engine.catch(() => undefined)
    this.#server = new LeaderServer({
      clock: env.clock,
      onCrash: (error) => this.#crash(error),
      flush: () => (this.#pool?.mode === 'persisted' ? this.#pool.flush?.() : undefined),
      onDrained: () => {
        this.#sync?.drained()
        this.#bootImage?.changed()
      },
      onPassing: (events) => this.#sync?.pass(events),
    })
    this.#tab = new TypedPort(scope, checkTabToWorker<PortLike>)
    this.#tab.listen({
      onMessage: (message) => this.#receive(message),
      onMalformed: (problem) =>
        this.#report('ProtocolMismatch', `the leader worker received ${problem}`),
    })
    this.#start()
  }

  /** Holds a lock until this worker ends, however that comes: its tab waits for it. */
  #start(): void {
    const lockName = workerLockName(this.#env.nonce)
    const hold = (): Promise<void> => {
      this.#tab.post({ type: 'started', lockName })
      return new Promise(() => undefined)
    }
    this.#env.locks
      .request(lockName, {}, hold)
      .catch((thrown: unknown) => this.#report('Internal', `no lock: ${messageOf(thrown)}`))
  }

  #receive(message: TabToWorker<PortLike>): void {
    switch (message.type) {
      case 'init':
        this.#init(message)
        break
      case 'engine':
        this.#hasLiveStoreData = message.hasLiveStoreData
        this.#engineArrived(message.wasmModule)
        break
      case 'broker':
        this.#acceptFrom(message.port)
        break
      case 'shutdown':
        void this.#shutdown()
    }
  }

  #init(init: InitMessage<PortLike>): void {
    if (this.#state !== 'idle') return
    if (init.protocol !== protocolVersion) {
      this.#report(
        'ProtocolMismatch',
        `the page speaks protocol ${init.protocol}, its worker ${protocolVersion}: ` +
          'they come from different builds. Reload the page.',
      )
      return
    }
    this.#state = 'booting'
    this.#server.connect(init.sessionPort)
    this.#boot = this.#runBoot(init)
  }

  /**
   * Sessions of other tabs come and go through the broker's port. A broker that follows another one
   * knows nothing of its sessions, and cannot tell when they go: those that live come anew.
   */
  #acceptFrom(brokerPort: PortLike): void {
    this.#broker?.close()
    for (const session of this.#sessions.values()) session.drop()
    const sessions = new Map<string, ServedSession>()
    this.#sessions = sessions
    const broker = new TypedPort<never, BrokerToLeader<PortLike>>(
      brokerPort,
      checkBrokerToLeader<PortLike>,
    )
    this.#broker = broker
    broker.listen({
      onMessage: (message) => {
        // The next leader may have heard of this session, too, and would not be listened to.
        if (this.#stop.signal.aborted) return
        sessions.get(message.session)?.drop()
        sessions.delete(message.session)
        const port = this.#portOf(message)
        if (port !== undefined) sessions.set(message.session, this.#server.connect(port))
      },
      // The shared worker is of another build: its tabs are told so by the broker itself.
      onMalformed: () => undefined,
    })
  }

  #portOf(message: BrokerToLeader<PortLike>): PortLike | undefined {
    if (message.type === 'session-port') return message.port
    if (message.type === 'session-gone') return undefined
    return BroadcastPort.accept(this.#env.openBroadcast(message.channel))
  }

  async #runBoot(init: InitMessage<PortLike>): Promise<void> {
    try {
      const pool = await this.#openPool(init)
      this.#pool = pool
      if (pool.mode === 'in-memory') {
        const { reason, message } = pool
        this.#server.reportStatus({ stage: 'warning', reason, message })
      }
      const openLeader = await this.#engine
      this.#stop.signal.throwIfAborted()
      const leader = openLeader(pool.mode === 'persisted' ? pool.files : 'in-memory', init.clientId)
      this.#leader = leader
      if (pool.mode === 'persisted') await this.#importLiveStore(init, leader)
      await this.#runBootSteps(leader)
      this.#server.run(leader, pool.mode)
      await this.#startSync(init, leader)
      this.#stop.signal.throwIfAborted()
      this.#state = 'serving'
      this.#server.serve(leader, pool.mode)
      this.#receiveTabs()
      this.#keepBootImage(pool)
    } catch (thrown) {
      if (thrown instanceof Stopped) return
      const error = bootError(thrown)
      this.#server.fail(error.code, error.message)
      this.#end()
      this.#report(error.code, error.message)
      // The lock stays: the tab ends this worker once it has read why.
    }
  }

  /** Not for an app that waits for its backend before it shows anything. */
  #keepBootImage(pool: Pool): void {
    if (pool.mode !== 'persisted' || pool.directory === undefined) return
    if (this.#factory.sync?.initialSyncMs !== undefined) {
      pool.directory.removeEntry(bootImageName, { recursive: false }).catch(() => undefined)
      return
    }
    this.#bootImage = new BootImageKeeper({
      clock: this.#env.clock,
      directory: pool.directory,
      takeImage: () => this.#server.bootImage(),
    })
    this.#bootImage.changed()
  }

  async #openPool(init: InitMessage<PortLike>): Promise<Pool> {
    const options = {
      directory: init.directory,
      fileNames: this.#factory.fileNames,
      reset: init.resetPersistence,
    }
    const mayOpen = this.#takeLeaderLock(init.storeId).then(() => this.#onLock())
    const pool = await openOpfsPool(this.#env, { ...options, mayOpen })
    if (pool.mode !== 'no-sync-access') return pool
    try {
      return await openBlockPool(this.#askForHelp('stored-blocks'), options)
    } catch (thrown) {
      return refused('storage-unavailable', `${pool.message}; ${messageOf(thrown)}`)
    }
  }

  /** The port by which the page does it. */
  #askForHelp(topic: HelpTopic): PortLike {
    const { port1, port2 } = this.#env.createChannel()
    this.#tab.post({ type: 'help', with: topic, port: port2 }, [port2 as unknown as Transferable])
    return port1
  }

  #onLock(): void {
    this.#tab.post({ type: 'leading' })
    const cancel = this.#env.clock.after(receiveAfterMs, () => this.#receiveTabs())
    this.#stop.signal.addEventListener('abort', cancel)
  }

  /** The boot takes a while: who waits in other tabs hears of it. */
  #reportStatus(status: BootStatus): void {
    this.#server.reportStatus(status)
    this.#receiveTabs()
  }

  #receiveTabs(): void {
    if (!this.#isReceiving) this.#tab.post({ type: 'receiving' })
    this.#isReceiving = true
  }

  /** Takes over the data of LiveStore, if there is any and this log has never held anything. */
  async #importLiveStore(init: InitMessage<PortLike>, leader: BootableLeader): Promise<void> {
    const { global, client } = leader.localHead()
    if (global > 0 || client > 0) return
    // Who wants to begin anew does not want what was before that.
    if (init.resetPersistence) leader.importLiveStore()
    if (init.resetPersistence || !this.#hasLiveStoreData) return
    const answer = await this.#askForLiveStoreData()
    try {
      if (answer.type === 'error') throw errorFromReply(answer)
      // The newest that holds events.
      answer.logs.find((log) => leader.importLiveStore(log) > 0)
    } catch (thrown) {
      if (!answer.optional || !isLiveStoreError(thrown) || thrown.code !== 'ImportFailed')
        throw thrown
      this.#server.reportStatus({
        stage: 'warning',
        reason: 'import-failed',
        message: thrown.message,
      })
    }
  }

  #askForLiveStoreData(): Promise<LiveStoreDataAnswer> {
    return new Promise((resolve, reject) => {
      const port = this.#askForHelp('livestore-data')
      new TypedPort<never, LiveStoreDataAnswer>(port, checkLiveStoreData).listen({
        onMessage: resolve,
        onMalformed: (problem) =>
          reject(new LiveStoreError('ProtocolMismatch', `the page sent ${problem}`)),
      })
      this.#stop.signal.addEventListener('abort', () => reject(this.#stop.signal.reason))
    })
  }

  async #runBootSteps(leader: BootableLeader): Promise<void> {
    for (;;) {
      this.#stop.signal.throwIfAborted()
      const { stage, done, total } = leader.bootStep()
      if (stage === 'done') return
      this.#reportStatus({ stage, progress: { done, total } })
      await nextTurn(this.#env.clock)
    }
  }

  async #startSync(init: InitMessage<PortLike>, leader: BootableLeader): Promise<void> {
    const { sync } = this.#factory
    if (sync === undefined || this.#leader !== leader) return
    const { clock, onOnline } = this.#env
    const { storeId, clientId, syncPayload: payload } = init
    this.#sync = new SyncDriver({
      clock,
      leader,
      makeBackend: () => sync.makeBackend({ storeId, clientId, payload }),
      setup: sync,
      onPassing: (events) => this.#server.pass(events),
      onFatal: (code, message) => this.#server.end(code, message),
      drainSoon: () => this.#server.drainSoon(),
      isFlushing: () => this.#server.isFlushing,
      onCrash: (error) => this.#server.crash(error),
      warn: (message) => this.#env.warn(message),
      onOnline,
    })
    await startSync(this.#sync, {
      clock,
      initialSyncMs: sync.initialSyncMs,
      report: (status) => this.#reportStatus(status),
      signal: this.#stop.signal,
    })
  }

  /** Waits for the leader before to end, and then holds the lock. */
  async #takeLeaderLock(storeId: string): Promise<void> {
    const { clock, locks } = this.#env
    const busy = new LiveStoreError(
      'StorageBusy',
      `another leader of store ${storeId} did not end within ${leaderLockWaitMsMax} ms`,
    )
    const cancelTimeout = clock.after(leaderLockWaitMsMax, () => this.#stop.abort(busy))
    try {
      await new Promise<void>((resolve, reject) => {
        const hold = (): Promise<void> => {
          resolve()
          return new Promise((release) => {
            this.#releaseLock = release
          })
        }
        locks.request(leaderLockName(storeId), { signal: this.#stop.signal }, hold).catch(reject)
      })
    } finally {
      cancelTimeout()
    }
  }

  /** Takes in what was pushed, lets go of everything, and says so. */
  async #shutdown(): Promise<void> {
    this.#stop.abort(new Stopped('the leader worker was asked to shut down'))
    await this.#boot
    // What was posted before the shutdown, on other ports, arrives first.
    await nextTurn(this.#env.clock)
    // What is taken in now is pushed by the next leader.
    this.#sync?.stop()
    await this.#server.shutdown()
    this.#end()
    this.#releaseLock()
    this.#tab.post({ type: 'shutdown-done' })
  }

  /** The engine broke in the middle of a call: what is in the files is all that counts now. */
  #crash(error: unknown): void {
    this.#leader = undefined
    this.#stop.abort(new Stopped('the engine broke'))
    this.#end()
    // The lock stays: it is released when the tab, told why, ends this worker.
    this.#tab.post({ type: 'crashed', message: messageOf(error) })
  }

  /** Closes what is open. The lock is not its concern: no one opens the files before it is free. */
  #end(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#bootImage?.stop()
    this.#sync?.stop()
    try {
      this.#leader?.close()
    } finally {
      if (this.#pool?.mode === 'persisted') this.#pool.close()
    }
  }

  #report(code: string, message: string): void {
    this.#tab.post({ type: 'error', code, message })
  }
}

const bootError = (thrown: unknown): LiveStoreError =>
  isLiveStoreError(thrown)
    ? thrown
    : new LiveStoreError('Internal', `the leader could not boot: ${messageOf(thrown)}`, {
        cause: thrown,
      })
