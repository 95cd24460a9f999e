/**
 * One tab's place among the tabs of a store: follower of another tab's leader, or owner of it.
 *
 *              tab lock granted                      worker crashed: lock released, queued anew
 *     following ──────────────► leading ──────────────────────────────────────────► following
 *         │ join, leader-port      │ worker, direct port, lead
 *         ▼                        ▼
 *       broker (shared worker) ◄── port of the worker
 *
 * The tab lock elects: who holds it starts the leader worker, the others wait in line for it, and
 * nobody ever steals it. The leading tab talks to its worker directly; a follower gets its port
 * from the broker. Every leader change hands a new port to the session, and the one before is dead.
 * A worker holds a lock from its first line on: by that its tab learns of its end, and tries again.
 *
 * A page may be frozen, or put away and fetched back. What is frozen can do nothing for others, so
 * it lets go of everything first, `pause`, and begins anew when it is back, `resume`.
 *
 * Knows no event, no engine and no storage: the compiled engine is a value it passes on to the
 * worker. The browser is passed in.
 */

import { type ChannelLike, type PortLike, sleep, type WorkerLike } from '../env.js'
import { errorFromReply, LiveStoreError, messageOf } from '../errors.js'
import {
  type HelpTopic,
  leaderLockName,
  leaderWorkerName,
  protocolVersion,
  type StorageMode,
  sessionLockName,
  type TabToWorker,
  tabLockName,
  type WorkerToTab,
} from '../protocol/messages.js'
import { TypedPort } from '../protocol/port.js'
import { checkWorkerToTab } from '../protocol/validate.js'
import type { LeaderPort, LinkHandlers } from '../store/adapter.js'
import { BrokerLink, type BrokerLinkEnv } from './broker-link.js'
import type { Journals } from './journals.js'
import { openLeaderPort } from './leader-port.js'

/**
 * How long the page may sit idle while its worker starts. On a warm boot that takes 70 ms; longer
 * than this only where the script must be fetched first, and then the page has better to do.
 */
export const workerStartWaitMsMax = 120

/**
 * Crashes of this tab's workers within a minute, and starts in a row that led to nothing. One more,
 * and the tab gives up.
 */
export const workerCrashesPerMinuteMax = 3
/**
 * How long until a worker's script runs; twice as long after each start that led to nothing. It may
 * have to be fetched over a slow network.
 */
export const workerStartFirstMs = 10_000
/** How long the tab waits after a start that led to nothing; twice as long after each other. */
export const workerRetryFirstMs = 500
/** How long `close` lets the worker take in the last pushes. */
export const workerShutdownWaitMsMax = 3_000
/**
 * A leader that lives but does not show up at our broker is looked for twice, this far apart. It
 * belongs to another build of the app, whose shared worker is another one.
 */
export const leaderUnreachableCheckMs = 5_000

const minuteMs = 60_000

export interface TabEnv extends BrokerLinkEnv {
  createChannel(): ChannelLike
  spawnWorker(name: string): WorkerLike
  /** Does what this tab's worker asks for, by `port`. Returns what ends that at once. */
  help(topic: HelpTopic, port: PortLike): () => void
  /** Unlike any other, also among tabs that share a session id. */
  readonly nonce: string
  warn(message: string): void
}

export interface TabOptions {
  readonly storeId: string
  readonly clientId: string
  readonly sessionId: string
  /** For the sync backend, as JSON has it. */
  readonly syncPayload?: unknown
  readonly directory: string
  readonly resetPersistence: boolean
  /** Rejected: the tab has no engine, and is about to be closed. */
  readonly wasmModule: Promise<WebAssembly.Module>
  /** Never rejects. */
  readonly hasLiveStoreData?: Promise<boolean> | undefined
  readonly journals?: Journals | undefined
}

/** One time of leading, from the lock to its release. */
interface Leadership {
  readonly worker: TypedPort<TabToWorker<PortLike>, WorkerToTab>
  /** Ends the watch over the worker. */
  readonly over: AbortController
  /** `spoke`: the worker has said something, so its script runs. `led`: it held the leader lock. */
  progress: 'none' | 'spoke' | 'led'
  /** Held by the worker for its life. Empty until it has started. */
  lockName: string
  /** Each ends what is done for the worker. */
  readonly helpers: (() => void)[]
  terminate(): void
  /** Lets go of the tab lock. */
  release(): void
}

export class Tab {
  readonly #env: TabEnv
  readonly #options: TabOptions
  /**
   * Another one after each pause: what a broker or a leader hears late of the one before is not
   * taken for what came after.
   */
  #sessionLock = ''
  #pauses = 0
  /** Used when needed only: starting the shared worker would slow down the boot of a lone tab. */
  readonly #broker: BrokerLink
  /** Aborted by `pause`, `close` and a failure: what waits for a lock or holds one lets go. */
  #stay = new AbortController()
  #state: 'present' | 'paused' | 'over' = 'present'
  #closing: Promise<void> | undefined

  #leadership: Leadership | undefined
  /** Since this tab last began to follow; undefined while it does not. */
  #following: symbol | undefined
  /** The broker pairs this session. */
  #joined = false
  #portsSeen = 0
  /** Until a leader of this tab has done so. */
  #mustReset: boolean
  /** Until when each counts: a crash for a minute, a failed start until a worker leads. */
  #crashes: number[] = []
  #shutdownDone: () => void = () => undefined
  #workerUnderway: () => void = () => undefined
  #stopLeaderWatch: () => void = () => undefined

  #handlers: LinkHandlers | undefined
  #port: LeaderPort | undefined
  #failure: LiveStoreError | undefined
  #storageMode: StorageMode = 'persisted'

  /**
   * Resolves once this tab's worker runs, or it is known that this tab needs none: it follows, or
   * has failed. A worker does not start while the main thread of its page is busy, so whoever is
   * about to keep it so waits for this first. Takes at most `workerStartWaitMsMax` and never
   * rejects.
   */
  readonly workerUnderway: Promise<void>

  /** Starts the election at once. */
  constructor(env: TabEnv, options: TabOptions) {
    this.#env = env
    this.#options = options
    this.#broker = new BrokerLink(env, options.storeId, {
      onJoined: () => this.#watchForUnreachableLeader(this.#portsSeen, 0),
      onLeaderPort: (port) => {
        this.#giveUpReset()
        this.#handOver(port)
      },
      onTrouble: (error) => this.#onBrokerTrouble(error),
    })
    this.workerUnderway = new Promise((resolve) => {
      const cancel = env.clock.after(workerStartWaitMsMax, resolve)
      this.#workerUnderway = () => {
        cancel()
        resolve()
      }
    })
    this.#mustReset = options.resetPersistence
    void this.#elect(this.#stay.signal)
  }

  get storageMode(): StorageMode {
    return this.#storageMode
  }

  /** Ports that came before are handed over now. Called once. */
  start(handlers: LinkHandlers): void {
    this.#handlers = handlers
    if (this.#failure !== undefined) handlers.onFailure(this.#failure)
    else if (this.#port !== undefined) handlers.onPort(this.#port)
  }

  /**
   * Says bye, lets an own worker take in the last pushes, and lets go of every lock: the next tab
   * in line then leads. Takes at most `workerShutdownWaitMsMax`. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#state === 'over') return
    const leadership = this.#leadership
    this.#port?.post({ type: 'bye' })
    if (leadership !== undefined) {
      leadership.over.abort()
      await new Promise<void>((resolve) => {
        const cancel = this.#env.clock.after(workerShutdownWaitMsMax, resolve)
        this.#shutdownDone = () => {
          cancel()
          resolve()
        }
        leadership.worker.post({ type: 'shutdown' })
      })
    }
    this.#end()
  }

  /**
   * The page is about to be frozen, or put away: nothing in it will run, its worker included, until
   * `resume`, or for good. Lets go of everything at once, in the call: a page that keeps a lock,
   * a file or its place in line while it is frozen would stop all others. Its worker is ended as by
   * a crash, which costs nothing that was confirmed. Idempotent.
   */
  pause(): void {
    if (this.#state !== 'present') return
    this.#state = 'paused'
    this.#pauses += 1
    this.#port?.post({ type: 'bye' })
    this.#letGo()
  }

  /** The page is back: it follows whoever leads now, or leads again. Idempotent. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'present'
    this.#stay = new AbortController()
    void this.#elect(this.#stay.signal)
  }

  // --- election ---------------------------------------------------------------------------------

  async #elect(signal: AbortSignal): Promise<void> {
    const { locks } = this.#env
    const { storeId } = this.#options
    const name = tabLockName(storeId)
    try {
      const leading = locks.request(name, { ifAvailable: true }, (lock) => {
        if (lock !== null) return this.#lead(signal)
        this.#workerUnderway()
        return this.#giveUpReset()
      })
      const sessionLockHeld = this.#holdSessionLock(signal)
      // Only a follower needs it, and asks for it again then.
      sessionLockHeld.catch(() => undefined)
      await leading
      while (!signal.aborted) {
        this.#follow(sessionLockHeld)
        const failed = this.#failedStarts()
        if (failed > 0) await sleep(this.#env.clock, workerRetryFirstMs * 2 ** (failed - 1))
        await locks.request(name, { signal }, () => this.#lead(signal))
      }
    } catch (thrown) {
      // The signal rejects what waits; that is the end we asked for.
      if (!signal.aborted) {
        this.#fail(new LiveStoreError('Internal', `the election failed: ${messageOf(thrown)}`))
      }
    }
  }

  /** Another tab leads: what is stored is its, too. */
  #giveUpReset(): void {
    if (!this.#mustReset) return
    this.#mustReset = false
    const { storeId } = this.#options
    this.#env.warn(`resetPersistence was ignored: another tab has store ${storeId} open`)
  }

  #failedStarts(): number {
    return this.#crashes.filter((until) => until === Number.POSITIVE_INFINITY).length
  }

  /** Held until the tab goes; a tab that dies lets go of it too, and so is noticed. */
  #holdSessionLock(signal: AbortSignal): Promise<void> {
    const { locks, nonce } = this.#env
    const { storeId, sessionId } = this.#options
    this.#sessionLock = sessionLockName(storeId, sessionId, `${nonce}-${this.#pauses}`)
    return new Promise((resolve, reject) => {
      const hold = (): Promise<void> => {
        resolve()
        return new Promise((release) => onAbort(signal, release))
      }
      locks.request(this.#sessionLock, { signal }, hold).catch(reject)
    })
  }

  // --- following --------------------------------------------------------------------------------

  /** The broker is told of this session once its lock is held: it waits for the lock at once. */
  #follow(sessionLockHeld: Promise<void>): void {
    const following = Symbol('following')
    this.#following = following
    this.#broker.connect()
    sessionLockHeld.then(
      () => {
        if (this.#following !== following) return
        this.#joined = true
        this.#broker.join(this.#options.sessionId, this.#sessionLock)
      },
      (thrown: unknown) => {
        if (this.#following !== following) return
        this.#fail(new LiveStoreError('Internal', `no session lock: ${messageOf(thrown)}`))
      },
    )
  }

  #stopFollowing(): void {
    this.#following = undefined
    if (!this.#joined) return
    this.#joined = false
    this.#stopLeaderWatch()
    this.#broker.leave()
  }

  /** A leading tab can do without the broker; the other tabs notice for themselves. */
  #onBrokerTrouble(error: LiveStoreError): void {
    this.#stopLeaderWatch()
    if (this.#leadership === undefined) this.#fail(error)
    else this.#env.warn(`other tabs cannot be served: ${error.message}`)
  }

  #watchForUnreachableLeader(portsBefore: number, suspicions: number): void {
    this.#stopLeaderWatch()
    this.#stopLeaderWatch = this.#env.clock.after(leaderUnreachableCheckMs, () => {
      void this.#env.locks.query().then(({ held }) => {
        if (!this.#joined || this.#portsSeen > portsBefore) return
        const lock = leaderLockName(this.#options.storeId)
        const leads = held?.some(({ name }) => name === lock) ?? false
        if (leads && suspicions > 0) {
          this.#fail(
            new LiveStoreError(
              'ProtocolMismatch',
              `store ${this.#options.storeId} is open in a tab that runs another build of this ` +
                'app. Close or reload that tab, then reload this one.',
            ),
          )
          return
        }
        this.#watchForUnreachableLeader(portsBefore, leads ? suspicions + 1 : 0)
      })
    })
  }

  // --- leading ----------------------------------------------------------------------------------

  /** Holds the tab lock for as long as the returned promise is pending. */
  async #lead(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    this.#stopFollowing()
    if (this.#mustReset) this.#options.journals?.clear()
    let worker: WorkerLike
    try {
      worker = this.#env.spawnWorker(
        leaderWorkerName(this.#options.storeId, this.#options.sessionId),
      )
    } catch (thrown) {
      this.#fail(asSpawnError('leader worker', thrown))
      return
    }
    await new Promise<void>((release) => this.#run(worker, release))
  }

  #run(worker: WorkerLike, release: () => void): void {
    const leadership: Leadership = {
      worker: new TypedPort(worker, checkWorkerToTab),
      over: new AbortController(),
      progress: 'none',
      lockName: '',
      helpers: [],
      terminate: () => worker.terminate(),
      release,
    }
    this.#leadership = leadership
    const session = this.#env.createChannel()
    leadership.worker.listen({
      onMessage: (message) => this.#onWorkerMessage(leadership, message),
      onMalformed: (problem) =>
        this.#failLeadership(
          leadership,
          new LiveStoreError('ProtocolMismatch', `the leader worker sent ${problem}`),
        ),
    })
    worker.addEventListener('error', ({ message }) => {
      // What cannot be fetched now may be later; what throws will throw again.
      if (message && leadership.progress === 'none') {
        this.#failLeadership(leadership, asSpawnError('leader worker', new Error(message)))
      } else {
        this.#onCrash(leadership, message || 'its script did not load')
      }
    })
    const waitMs = workerStartFirstMs * 2 ** this.#failedStarts()
    this.#env.clock.after(waitMs, () => {
      if (leadership.lockName !== '') return
      this.#onCrash(leadership, `it did not start within ${waitMs} ms`)
    })
    leadership.worker.post(
      {
        type: 'init',
        protocol: protocolVersion,
        storeId: this.#options.storeId,
        clientId: this.#options.clientId,
        syncPayload: this.#options.syncPayload,
        directory: this.#options.directory,
        resetPersistence: this.#mustReset,
        sessionPort: session.port2,
      },
      [session.port2 as unknown as Transferable],
    )
    Promise.all([this.#options.wasmModule, this.#options.hasLiveStoreData]).then(
      ([wasmModule, hasLiveStoreData = false]) =>
        leadership.worker.post({ type: 'engine', wasmModule, hasLiveStoreData }),
      // Whoever loads the engine reports it, and closes this tab.
      () => undefined,
    )
    this.#handOver(session.port1)
  }

  #onWorkerMessage(leadership: Leadership, message: WorkerToTab): void {
    if (this.#leadership !== leadership) return
    if (leadership.progress === 'none') leadership.progress = 'spoke'
    this.#workerUnderway()
    switch (message.type) {
      case 'started':
        leadership.lockName = message.lockName
        this.#watchWorker(leadership)
        break
      case 'leading':
        leadership.progress = 'led'
        this.#crashes = this.#crashes.filter(Number.isFinite)
        break
      case 'receiving':
        this.#mustReset = false
        this.#announce(leadership)
        break
      case 'error':
        this.#failLeadership(leadership, errorFromReply(message))
        break
      case 'crashed':
        this.#onCrash(leadership, message.message)
        break
      case 'help':
        leadership.helpers.push(this.#env.help(message.with, message.port))
        break
      case 'shutdown-done':
        this.#shutdownDone()
        break
    }
  }

  /** Other tabs may come, through this broker and through any that follows it. */
  #announce({ worker, lockName }: Leadership): void {
    this.#broker.lead(lockName, () => {
      const { port1, port2 } = this.#env.createChannel()
      worker.post({ type: 'broker', port: port2 }, [port2 as unknown as Transferable])
      return port1
    })
  }

  #watchWorker(leadership: Leadership): void {
    this.#env.locks
      .request(leadership.lockName, { mode: 'shared', signal: leadership.over.signal }, () =>
        this.#onCrash(leadership, 'it ended without a word'),
      )
      .catch(() => undefined)
  }

  /** Storage is what counts: a new worker boots from it, here or in the next tab in line. */
  #onCrash(leadership: Leadership, what: string): void {
    if (this.#leadership !== leadership || leadership.over.signal.aborted) return
    const now = this.#env.clock.now()
    const hasLed = leadership.progress === 'led'
    this.#crashes = this.#crashes.filter((until) => until > now)
    this.#crashes.push(hasLed ? now + minuteMs : Number.POSITIVE_INFINITY)
    if (this.#crashes.length > workerCrashesPerMinuteMax) {
      this.#failLeadership(
        leadership,
        new LiveStoreError(
          hasLed ? 'Internal' : 'Unsupported',
          `the leader worker failed ${this.#crashes.length} times in a row; at last: ${what}.`,
        ),
      )
      return
    }
    this.#env.warn(`the leader worker of store ${this.#options.storeId} is replaced: ${what}`)
    this.#endLeadership(leadership)
  }

  #failLeadership(leadership: Leadership, error: LiveStoreError): void {
    if (this.#leadership !== leadership) return
    // While the tab closes there is nobody left to tell; only the waiting ends.
    if (leadership.over.signal.aborted) this.#shutdownDone()
    else this.#fail(error)
  }

  #endLeadership(leadership: Leadership): void {
    this.#leadership = undefined
    this.#broker.leave()
    leadership.over.abort()
    leadership.worker.close()
    leadership.terminate()
    // What they keep is the next leader's as soon as the lock is free.
    for (const end of leadership.helpers) end()
    leadership.release()
  }

  // --- both -------------------------------------------------------------------------------------

  #handOver(port: PortLike): void {
    this.#portsSeen += 1
    this.#port?.close()
    const onStorageMode = (mode: StorageMode): void => {
      this.#storageMode = mode
    }
    this.#port = openLeaderPort(port, onStorageMode, this.#options.journals)
    this.#handlers?.onPort(this.#port)
  }

  #fail(error: LiveStoreError): void {
    if (this.#state === 'over') return
    this.#failure = error
    this.#end()
    this.#handlers?.onFailure(error)
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#letGo()
  }

  /**
   * First of what waits for locks, then of what holds them: a page that is frozen while it is given
   * one could not let go of it.
   */
  #letGo(): void {
    this.#stopFollowing()
    this.#broker.close()
    this.#port?.close()
    this.#port = undefined
    if (this.#leadership !== undefined) this.#endLeadership(this.#leadership)
    this.#shutdownDone()
    this.#workerUnderway()
    this.#stay.abort()
  }
}

const asSpawnError = (what: string, thrown: unknown): LiveStoreError =>
  thrown instanceof LiveStoreError
    ? thrown
    : new LiveStoreError('Unsupported', `the ${what} could not start: ${messageOf(thrown)}`, {
        cause: thrown,
      })

const onAbort = (signal: AbortSignal, task: () => void): void => {
  if (signal.aborted) task()
  else signal.addEventListener('abort', task, { once: true })
}
