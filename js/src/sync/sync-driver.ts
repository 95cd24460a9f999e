/**
 * Carries out what the engine's leader wants of the sync backend, and tells it what came of it.
 *
 *     leader ── nextRequests ──► pull, push ──► backend
 *        ▲                          │
 *        └── onPulled, onPush… ─────┴──► drain, and then the next requests
 *
 * The engine decides when to pull, what to push and when to try again; this only does it. Used
 * where the leader is: in the leader worker and, in the same thread, by the in-memory adapter.
 *
 * What always holds: whatever the backend does (throws, answers nonsense, twice or never), the
 * engine hears of exactly one outcome per request; a pull is asked for its next page only when the
 * leader has taken the one before; what a call brings after it was given up is ignored.
 */

import type { Clock } from '../env.js'
import { type ErrorCode, isLiveStoreError, LiveStoreError, messageOf } from '../errors.js'
import { encodeBatch, encodePage } from '../wasm/codec.js'
import type { BackendFailure, BackendRequest } from '../wasm/leader.js'
import type { EventRecord } from '../wasm/values.js'
import {
  EventRefusedError,
  type MakeSyncBackend,
  type PullCursor,
  type SyncBackend,
  type SyncedEvent,
} from './backend.js'
import { BackendCall } from './backend-call.js'
import type { SyncSetup } from './options.js'
import { type CheckedPage, checkPage } from './pulled-page.js'

/** How long the backend may take to be made, to connect, for a push, and for a page it has. */
export const backendAnswerMsMax = 30_000
/** A live pull that has been quiet for so long is pinged, if the backend can be, and again. */
export const backendPingEveryMs = 30_000
/**
 * A live pull that has been quiet for so long is begun anew: its connection may be dead although
 * pings pass, and a push that was answered may have been lost.
 */
export const backendQuietMsMax = 300_000
/** After a failure of storage the engine is asked again after this. */
export const askAgainMs = 1_000
/** Events that the leader is given at once; a longer page goes in parts. */
export const eventsPerPartMax = 5_000

/** Broadcasts that a backend may leave unanswered. Later ones are dropped: they are best effort. */
export const broadcastsMax = 100

/** The part of the engine's `Leader` that syncing needs. */
export interface SyncedLeader {
  hasWork(): boolean
  nextRequests(nowMs: number): readonly BackendRequest[]
  wakeAt(nowMs: number): number | undefined
  onPulled(pull: number, page: Uint8Array, caughtUp: boolean, nowMs: number): void
  onPullEnded(pull: number, nowMs: number): void
  onPullFailed(pull: number, nowMs: number): void
  onPushTaken(push: number): void
  onPushFailed(push: number, failure: BackendFailure, nowMs: number): void
  onPushRefused(push: number, index: number, reason: string, nowMs: number): void
  onBackendReplaced(id: string): void
  onConnection(online: boolean): void
  syncStatus(): { readonly caughtUp: boolean; readonly halted: boolean }
}

export interface SyncDriverOptions {
  readonly clock: Clock
  readonly leader: SyncedLeader
  readonly makeBackend: () => ReturnType<MakeSyncBackend>
  readonly setup: Pick<SyncSetup, 'onBackendIdMismatch' | 'onSyncError'>
  /** What was drained is not on disk yet, and must not leave. `drained` is called when it is. */
  readonly isFlushing?: (() => boolean) | undefined
  /** Asks for a drain of the leader soon. `drained` is to be called after every one. */
  readonly drainSoon: () => void
  /** The engine broke: it must not be called again. */
  readonly onCrash: (error: unknown) => void
  /** The backend is in trouble. Said once, until something works or another trouble comes. */
  readonly warn: (message: string) => void
  /** Events of other clients that are not persisted (`encodeBatch`). */
  readonly onPassing: (events: Uint8Array) => void
  /** Syncing has ended, and the stores are to end too. Called once; the leader goes on. */
  readonly onFatal: (code: ErrorCode, message: string) => void
  /** Calls its listener when the device may be online again. Returns what ends that. */
  readonly onOnline?: ((listener: () => void) => () => void) | undefined
}

/** What has been pulled since the start. `total` is -1 while the backend does not say. */
export interface SyncProgress {
  readonly done: number
  readonly total: number
}

/** Thrown to leave a call whose engine is gone. */
class EngineBroke extends Error {}

type PullRequest = BackendRequest & { readonly kind: 'pull' }
type PushRequest = BackendRequest & { readonly kind: 'push' }

export class SyncDriver {
  readonly #options: SyncDriverOptions
  readonly #cleanUp: (() => void)[] = []
  #isEnded = false
  #backend: Promise<SyncBackend> | undefined
  #saysIfConnected = false
  #pull: { readonly number: number; readonly call: BackendCall } | undefined
  #push: BackendCall | undefined
  #cancelTimer: () => void = () => undefined
  #drainWaiters: (() => void)[] = []
  #lastTrouble = ''
  /** On their way. */
  #broadcasts = 0

  #pulled = 0
  #progress: (progress: SyncProgress) => void = () => undefined
  #isCaughtUp = false
  #caughtUp: () => void = () => undefined

  /** Resolves when the leader has had everything that the backend had. */
  readonly caughtUp: Promise<void>

  constructor(options: SyncDriverOptions) {
    this.#options = options
    this.caughtUp = new Promise((resolve) => {
      this.#caughtUp = resolve
    })
  }

  /** Begins. `onProgress` hears of every page. Called once. */
  start(onProgress?: (progress: SyncProgress) => void): void {
    if (onProgress !== undefined) this.#progress = onProgress
    const { onOnline } = this.#options
    // Only a hint: it ends every wait, and a backend that is still out of reach will say so.
    const stopListening = onOnline?.(() => {
      if (this.#saysIfConnected) return
      this.#tell((leader) => {
        leader.onConnection(false)
        leader.onConnection(true)
      })
    })
    if (stopListening !== undefined) this.#cleanUp.push(stopListening)
    this.#step()
  }

  /** The leader has taken in everything that was queued. */
  drained(): void {
    if (this.#isEnded) return
    if (!this.#isCaughtUp && this.#ask((leader) => leader.syncStatus())?.caughtUp === true) {
      this.#isCaughtUp = true
      this.#caughtUp()
    }
    for (const resume of this.#drainWaiters.splice(0)) resume()
    this.#step()
  }

  /** Events of this client that are not persisted, for others, if the backend can. */
  pass(events: readonly EventRecord[]): void {
    const synced = events.filter(({ seqNum }) => seqNum.client === 0)
    if (this.#isEnded || synced.length === 0 || this.#broadcasts >= broadcastsMax) return
    this.#broadcasts += 1
    quietly(async () => {
      try {
        await (await this.#backend)?.broadcast?.(synced.map(syncedEvent))
      } finally {
        this.#broadcasts -= 1
      }
    })
  }

  /** Ends every call. The leader is not called again. Idempotent. */
  stop(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#cancelTimer()
    this.#pull?.call.drop()
    this.#push?.drop()
    for (const clean of this.#cleanUp) quietly(clean)
    quietly(async () => (await this.#backend)?.close?.())
  }

  // --- the engine -------------------------------------------------------------------------------

  /** What the engine answers; undefined if it cannot now. */
  #ask<T>(question: (leader: SyncedLeader) => T): T | undefined {
    if (this.#isEnded) return undefined
    try {
      return question(this.#options.leader)
    } catch (thrown) {
      if (!isLiveStoreError(thrown) || thrown.code === 'Internal') {
        this.stop()
        this.#options.onCrash(thrown)
      }
      return undefined
    }
  }

  /** Tells the engine something, and does what it wants then. */
  #tell(news: (leader: SyncedLeader) => void): void {
    this.#ask(news)
    this.#step()
  }

  #now(): number {
    return Math.floor(this.#options.clock.now())
  }

  /** The leader has halted, and the app wants to hear of that. */
  #endIfHalted(): void {
    if (this.#options.setup.onBackendIdMismatch !== 'shutdown') return
    if (this.#ask((leader) => leader.syncStatus())?.halted !== true) return
    this.#end('SyncBackendReplaced', 'the sync backend has another history than this client')
  }

  #end(code: ErrorCode, message: string): void {
    if (this.#isEnded) return
    this.stop()
    this.#options.onFatal(code, message)
  }

  #step(): void {
    this.#cancelTimer()
    this.#endIfHalted()
    if (this.#isEnded || this.#options.isFlushing?.() === true) return
    const requests = this.#ask((leader) => leader.nextRequests(this.#now()))
    if (requests === undefined) {
      this.#stepAfter(askAgainMs)
      return
    }
    for (const request of requests) this.#carryOut(request)
    if (this.#ask((leader) => leader.hasWork()) === true) {
      this.#options.drainSoon()
      return
    }
    const wakeAt = this.#ask((leader) => leader.wakeAt(this.#now()))
    if (wakeAt !== undefined) this.#stepAfter(Math.max(wakeAt - this.#now(), 1))
  }

  #stepAfter(delayMs: number): void {
    if (this.#isEnded) return
    this.#cancelTimer = this.#options.clock.after(delayMs, () => this.#step())
  }

  #carryOut(request: BackendRequest): void {
    if (this.#isEnded) return
    if (request.kind === 'push') void this.#runPush(request)
    else if (request.kind === 'pull') void this.#runPull(request)
    else if (this.#pull?.number === request.number) this.#pull.call.drop()
  }

  // --- the backend ------------------------------------------------------------------------------

  /** The backend, made and connected; anew if that failed before. */
  #connected(call: BackendCall): Promise<SyncBackend> {
    const making = this.#backend ?? this.#make()
    const forget = () => {
      if (this.#backend === making) this.#backend = undefined
    }
    if (this.#backend === undefined) {
      this.#backend = making
      making.then((backend) => {
        if (this.#backend === making) this.#watchConnection(backend)
      }, forget)
    }
    return call
      .wait('the making', () => making, backendAnswerMsMax)
      .catch((thrown: unknown) => {
        // One that hangs is not waited for twice.
        if (!call.isUnwanted) forget()
        throw thrown
      })
  }

  async #make(): Promise<SyncBackend> {
    const backend: Partial<SyncBackend> | undefined = await this.#options.makeBackend()
    if (typeof backend?.pull !== 'function' || typeof backend.push !== 'function') {
      throw new LiveStoreError('InvalidArgument', 'the sync backend has no functions pull and push')
    }
    try {
      await backend.connect?.()
    } catch (thrown) {
      quietly(() => backend.close?.())
      throw thrown
    }
    return backend as SyncBackend
  }

  /** From now on the backend says when there is a connection. One that cannot is only asked. */
  #watchConnection({ isConnected }: SyncBackend): void {
    if (isConnected === undefined || this.#isEnded) return
    try {
      const unsubscribe: unknown = isConnected.subscribe((connected) =>
        this.#tell((leader) => leader.onConnection(connected === true)),
      )
      if (typeof unsubscribe === 'function') this.#cleanUp.push(() => unsubscribe())
      this.#saysIfConnected = true
      const { value } = isConnected
      this.#tell((leader) => leader.onConnection(value === true))
    } catch (thrown) {
      this.#report(thrown)
    }
  }

  async #runPull(request: PullRequest): Promise<void> {
    const { number } = request
    const call = new BackendCall(this.#options.clock)
    this.#pull?.call.drop()
    this.#pull = { number, call }
    try {
      const backend = await this.#connected(call)
      await this.#takePages(request, backend, call)
      this.#tell((leader) => leader.onPullEnded(number, this.#now()))
    } catch (thrown) {
      if (call.isUnwanted || thrown instanceof EngineBroke) return
      const text = this.#report(thrown)
      this.#tell((leader) => {
        replacedId(thrown, (id) => leader.onBackendReplaced(id))
        leader.onPullFailed(number, this.#now())
      })
      if (text === undefined || isNamed(thrown, 'BackendIdMismatchError')) return
      if (this.#options.setup.onSyncError === 'shutdown') this.#end('SyncFailed', text)
    } finally {
      call.drop()
      if (this.#pull?.call === call) this.#pull = undefined
    }
  }

  async #takePages(request: PullRequest, backend: SyncBackend, call: BackendCall): Promise<void> {
    const { number, live, cursor, cursorMetadata, backendId } = request
    const options = { live, backendId: backendId || undefined, signal: call.signal }
    const pull = () => backend.pull(pullCursor(cursor, cursorMetadata), options)
    const iterator = iteratorOf(await call.wait('a pull', pull, backendAnswerMsMax))
    try {
      let isQuiet = false
      for (;;) {
        const next = isQuiet
          ? await this.#nextWhileQuiet(backend, iterator, call)
          : await call.wait('a pull', () => iterator.next(), backendAnswerMsMax)
        if (next?.done === true) return
        const page = checkPage(next?.value)
        this.#lastTrouble = ''
        if (page.passing.length > 0) this.#options.onPassing(encodeBatch(page.passing))
        await this.#takePage(number, page, call)
        if (page.caughtUp && !live) return
        isQuiet = page.caughtUp
      }
    } finally {
      quietly(() => iterator.return?.())
    }
  }

  /** A live pull says nothing while there is nothing, and also when its connection has died. */
  async #nextWhileQuiet(
    backend: SyncBackend,
    iterator: AsyncIterator<unknown>,
    call: BackendCall,
  ): Promise<IteratorResult<unknown>> {
    let isWaiting = true
    let cancel: () => void = () => undefined
    const pingLater = () => {
      if (!isWaiting) return
      cancel = this.#options.clock.after(backendPingEveryMs, () => {
        call
          .wait('a ping', () => backend.ping?.(), backendAnswerMsMax)
          .then(pingLater, (thrown: unknown) => call.fail(thrown))
      })
    }
    if (backend.ping !== undefined) pingLater()
    let cancelRefresh: () => void = () => undefined
    const refresh = new Promise<IteratorResult<unknown>>((resolve) => {
      const ended = { done: true, value: undefined } as const
      cancelRefresh = this.#options.clock.after(backendQuietMsMax, () => resolve(ended))
    })
    try {
      return await call.wait('a pull', () => Promise.race([iterator.next(), refresh]))
    } finally {
      isWaiting = false
      cancel()
      cancelRefresh()
    }
  }

  /** Resolves when the leader has merged the page: only then the next one is asked for. */
  async #takePage(number: number, page: CheckedPage, call: BackendCall): Promise<void> {
    const { backendId, events, remaining } = page
    let left = remaining === undefined ? Number.NEGATIVE_INFINITY : remaining + events.length
    for (let from = 0; from === 0 || from < events.length; from += eventsPerPartMax) {
      const part = events.slice(from, from + eventsPerPartMax)
      const caughtUp = page.caughtUp && from + eventsPerPartMax >= events.length
      this.#give(number, encodePage(backendId, part), caughtUp)
      this.#pulled += part.length
      left -= part.length
      this.#progress({ done: this.#pulled, total: left < 0 ? -1 : this.#pulled + left })
      await call.wait('the leader', () => this.#nextDrain())
    }
  }

  /** @throws LiveStoreError what is wrong with the page; the engine then stops this pull. */
  #give(number: number, page: Uint8Array, caughtUp: boolean): void {
    let refusal: LiveStoreError | undefined
    this.#ask((leader) => {
      try {
        leader.onPulled(number, page, caughtUp, this.#now())
      } catch (thrown) {
        if (!isLiveStoreError(thrown) || thrown.code === 'Internal') throw thrown
        refusal = thrown
      }
    })
    if (this.#isEnded) throw new EngineBroke()
    if (refusal !== undefined) throw refusal
  }

  #nextDrain(): Promise<void> {
    this.#options.drainSoon()
    return new Promise((resolve) => this.#drainWaiters.push(resolve))
  }

  async #runPush({ number, events, backendId }: PushRequest): Promise<void> {
    const call = new BackendCall(this.#options.clock)
    this.#push?.drop()
    this.#push = call
    try {
      const backend = await this.#connected(call)
      const batch = events.map(syncedEvent)
      const options = { backendId: backendId || undefined, signal: call.signal }
      await call.wait('a push', () => backend.push(batch, options), backendAnswerMsMax)
      this.#lastTrouble = ''
      this.#tell((leader) => leader.onPushTaken(number))
    } catch (thrown) {
      if (call.isUnwanted) return
      this.#pushFailed(number, thrown)
    } finally {
      call.drop()
      if (this.#push === call) this.#push = undefined
    }
  }

  #pushFailed(number: number, thrown: unknown): void {
    const refusal = refusalOf(thrown)
    if (refusal !== undefined) {
      const { index, reason } = refusal
      this.#tell((leader) => leader.onPushRefused(number, index, reason, this.#now()))
      return
    }
    const failure = failureOf(thrown)
    if (failure !== 'server-ahead') this.#report(thrown)
    this.#tell((leader) => {
      replacedId(thrown, (id) => leader.onBackendReplaced(id))
      leader.onPushFailed(number, failure, this.#now())
    })
  }

  /** Returns what is wrong, if it is more than a lost connection. */
  #report(thrown: unknown): string | undefined {
    if (this.#isEnded || failureOf(thrown) === 'offline') return undefined
    const code = isLiveStoreError(thrown) ? thrown.code : 'CallbackThrew'
    const text = `the sync backend failed (${code}): ${messageOf(thrown)}`
    if (text !== this.#lastTrouble) {
      this.#lastTrouble = text
      this.#options.warn(text)
    }
    return text
  }
}

const pullCursor = (cursor: number, metadataJson: string): PullCursor | undefined =>
  cursor === 0
    ? undefined
    : {
        eventSequenceNumber: cursor,
        metadata: metadataJson === '' ? undefined : JSON.parse(metadataJson),
      }

/** @throws EventRefusedError for arguments that are no JSON: they would block the queue. */
const syncedEvent = (event: EventRecord, index: number): SyncedEvent => ({
  name: event.name,
  args: argsOf(event, index),
  seqNum: event.seqNum.global,
  parentSeqNum: event.parentSeqNum.global,
  clientId: event.clientId,
  sessionId: event.sessionId,
})

const argsOf = ({ argsJson }: EventRecord, index: number): unknown => {
  try {
    return JSON.parse(argsJson)
  } catch {
    throw new EventRefusedError({ index, reason: 'its arguments are no JSON' })
  }
}

const iteratorOf = (pages: unknown): AsyncIterator<unknown> => {
  const iterable = pages as Partial<AsyncIterable<unknown>> | undefined
  const iterator = iterable?.[Symbol.asyncIterator]?.()
  if (typeof iterator?.next === 'function') return iterator
  throw new LiveStoreError('InvalidArgument', 'a pull of the sync backend is no async iterable')
}

/** By name: the class may be of another copy of this package, or of LiveStore's. */
const isNamed = (thrown: unknown, name: string): thrown is Record<string, unknown> =>
  typeof thrown === 'object' &&
  thrown !== null &&
  ((thrown as { name?: unknown }).name === name || (thrown as { _tag?: unknown })._tag === name)

const failureOf = (thrown: unknown): BackendFailure =>
  isNamed(thrown, 'IsOfflineError')
    ? 'offline'
    : isNamed(thrown, 'ServerAheadError')
      ? 'server-ahead'
      : 'unavailable'

const reasonLengthMax = 1_000
const indexMax = 2 ** 32 - 1

const refusalOf = (thrown: unknown): { index: number; reason: string } | undefined => {
  if (!isNamed(thrown, 'EventRefusedError')) return undefined
  const { index, reason } = thrown
  const isIndex = Number.isInteger(index) && (index as number) >= 0 && (index as number) < indexMax
  // One that is not in the batch lets the engine try again.
  return { index: isIndex ? (index as number) : indexMax, reason: textOf(reason) }
}

const textOf = (reason: unknown): string =>
  typeof reason === 'string' ? reason.slice(0, reasonLengthMax) : 'it gave no reason'

const replacedId = (thrown: unknown, onId: (id: string) => void): void => {
  if (isNamed(thrown, 'BackendIdMismatchError') && typeof thrown.received === 'string') {
    onId(thrown.received)
  }
}

/** For what may fail without anybody minding, now or later. */
const quietly = (task: () => unknown): void => {
  Promise.resolve()
    .then(task)
    .catch(() => undefined)
}
