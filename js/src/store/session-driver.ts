/**
 * Drives one client session over the ports to its leaders: hello and welcome, pushes, news, and the
 * change from one leader to the next.
 *
 *     attach(port) ── hello ──► leader ── welcome ──► following: push ⇄ push-result, news
 *                       ▲                                │
 *                       └─ lost track, rejoin, no image ─┘
 *
 * It decides when to speak, never what events mean: that is the engine's. It knows no store, no
 * query and no browser API.
 *
 * What always holds: one push is unanswered at most; messages of a port that was replaced, and
 * answers to a push that was forgotten, are ignored; between `hello` and its `welcome` only boot
 * statuses and errors are heeded, because the welcome covers the rest.
 */

import { type Clock, systemClock } from '../env.js'
import { errorFromReply, isLiveStoreError, LiveStoreError, messageOf } from '../errors.js'
import type { BootImage } from '../protocol/boot-image.js'
import {
  type BootStatus,
  type LeaderToSession,
  type LogMessage,
  type NewsMessage,
  type PassingMessage,
  type PushResultMessage,
  protocolVersion,
  type RejoinMessage,
  type StorageMode,
  type WelcomeMessage,
} from '../protocol/messages.js'
import type { FollowOutcome } from '../wasm/client-session.js'
import type { LeaderPort } from './adapter.js'

/** What the driver uses of a `ClientSession`. */
export interface DrivenSession {
  readonly schemaHash: string
  readonly instance: string
  loadImage(image: Uint8Array, history: Uint8Array): FollowOutcome
  nextPush(): Uint8Array | undefined
  nextPassing(): Uint8Array | undefined
  onPassing(events: Uint8Array): FollowOutcome
  onPushAccepted(): void
  onPushRejected(): void
  onPushFailed(failedIndex: number, code: string, message: string): FollowOutcome
  onNews(news: Uint8Array): FollowOutcome
  onHistory(history: Uint8Array): FollowOutcome
  onLeaderChange(): Uint8Array
  syncStatus(): { readonly pendingCount: number }
  setClientId(id: string): void
}

export interface DriverHandlers {
  /** The session has a state: the leader's, or the boot image. Called once. */
  readonly onReady: () => void
  /** A leader's welcome has been taken in. */
  readonly onWelcome: (storageMode: StorageMode) => void
  /** The state has followed upstream. */
  readonly onFollow: (outcome: FollowOutcome) => void
  /** Pending events were confirmed or dropped, or the upstream head moved. */
  readonly onStatus: () => void
  /** Another client turned out to have this one's id; this is the new one. */
  readonly onClientId: (id: string) => void
  readonly onBootStatus: (status: BootStatus) => void
  /** The leader cannot persist at the moment. It keeps what was pushed, and tries again. */
  readonly onTrouble: (error: LiveStoreError) => void
  /** Whoever leads owes an answer and says nothing. It is waited for; told once a silence. */
  readonly onSilence: (error: LiveStoreError) => void
  /** This leader is of no use. Another port may follow and is then used. */
  readonly onFailure: (error: LiveStoreError) => void
}

/**
 * How long a leader may owe an answer and say nothing; it is then asked whether it is there, and
 * has as long again. One that is busy answers late, one whose page is frozen does not.
 */
export const leaderSilenceMsMax = 5_000

/** Hellos in a row that led to no progress. After them this leader is given up. */
const HELLOS_IN_A_ROW_MAX = 3

interface LogRead {
  readonly message: LogMessage
  readonly resolve: (events: Uint8Array | undefined) => void
}

export class SessionDriver {
  readonly #session: DrivenSession
  #ids: { readonly clientId: string; readonly sessionId: string }
  readonly #handlers: DriverHandlers
  readonly #clock: Clock
  #port: LeaderPort | undefined
  #state: 'detached' | 'greeting' | 'following' | 'closed' = 'detached'
  #ready = false
  /** There is no leader, and none is to come. */
  #isAlone = false
  #pushId = 0
  #inFlight: number | undefined
  #pushScheduled = false
  #hellosInARow = 0
  /** Times that it was looked whether the leader has said anything, and it had not. */
  #silentChecks = 0
  #stopWatching: (() => void) | undefined
  readonly #idleWaiters = new Set<() => void>()
  /** What was asked of the log and not answered yet. */
  readonly #logReads = new Map<number, LogRead>()
  #logReadId = 0

  constructor(
    session: DrivenSession,
    ids: { readonly clientId: string; readonly sessionId: string },
    handlers: DriverHandlers,
    clock: Clock = systemClock(),
  ) {
    this.#session = session
    this.#ids = ids
    this.#handlers = handlers
    this.#clock = clock
    this.#watchSilence()
  }

  /**
   * Starts from the state that a leader left behind. What has come since then is told by the leader
   * that is attached later.
   *
   * @throws LiveStoreError when it cannot be used; nothing has changed then.
   */
  start({ image, history, clientId }: BootImage): void {
    const outcome = this.#session.loadImage(image, history)
    this.#takeClientId(clientId)
    this.#followed(outcome)
    this.#becomeReady()
  }

  /** Talks to the leader at `port` from now on. The port before it is closed. */
  attach(port: LeaderPort): void {
    if (this.#state === 'closed') {
      port.close()
      return
    }
    this.#port?.close()
    this.#port = port
    this.#isAlone = false
    this.#hellosInARow = 0
    port.onMessage((message) => {
      if (this.#port !== port) return
      this.#silentChecks = 0
      this.#take(message)
      this.#watchSilence()
    })
    this.#greet(this.#ready)
  }

  /** There is no leader, and none will come. */
  fail(error: LiveStoreError): void {
    if (this.#state !== 'closed') this.#giveUp(error)
  }

  /** Sends what is not persisted at once. Without a leader nobody else sees it. */
  sendPassing(): void {
    const bytes = this.#session.nextPassing()
    if (bytes === undefined || this.#state !== 'following') return
    const events = ownBuffer(bytes)
    this.#port?.post({ type: 'passing', events }, [events])
  }

  /** Sends what is pending, after the current task's other commits have joined it. */
  schedulePush(): void {
    if (this.#pushScheduled) return
    this.#pushScheduled = true
    queueMicrotask(() => {
      this.#pushScheduled = false
      this.#push()
    })
  }

  /**
   * Up to `count` settled events after the synced one with the number `after`, as the leader has
   * them; empty if there are none yet. Waits for a leader. Undefined once this is closed.
   */
  readLog(after: number, count: number): Promise<Uint8Array | undefined> {
    if (this.#state === 'closed') return Promise.resolve(undefined)
    this.#logReadId += 1
    const message = { type: 'log', id: this.#logReadId, after, count } as const
    return new Promise((resolve) => {
      this.#logReads.set(message.id, { message, resolve })
      if (this.#state === 'following') this.#port?.post(message)
    })
  }

  /**
   * Resolves when nothing is pending any more, when there is no leader to wait for, or after
   * `timeoutMs`.
   */
  async drained(timeoutMs: number): Promise<void> {
    const isIdle = () => this.#isAlone || this.#session.syncStatus().pendingCount === 0
    if (this.#state === 'closed' || isIdle()) return
    let timer: ReturnType<typeof setTimeout> | undefined
    await new Promise<void>((resolve) => {
      const check = () => {
        if (this.#state === 'closed' || isIdle()) resolve()
      }
      this.#idleWaiters.add(check)
      timer = setTimeout(resolve, timeoutMs)
    })
    this.#idleWaiters.clear()
    clearTimeout(timer)
  }

  /** Says bye and ends the conversation. Idempotent. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#port?.post({ type: 'bye' })
    this.#port?.close()
    this.#port = undefined
    for (const { resolve } of this.#logReads.values()) resolve(undefined)
    this.#logReads.clear()
    this.#watchSilence()
    this.#wakeWaiters()
  }

  #greet(withCursor: boolean): void {
    const cursor = ownBuffer(this.#session.onLeaderChange())
    this.#state = 'greeting'
    this.#inFlight = undefined
    this.#hellosInARow += 1
    this.#port?.post({
      type: 'hello',
      protocol: protocolVersion,
      ...this.#ids,
      instance: this.#session.instance,
      schemaHash: this.#session.schemaHash,
      ...(withCursor ? { cursor } : {}),
    })
    this.#watchSilence()
  }

  /** To be called whenever it may have changed whether the leader owes an answer. */
  #watchSilence(): void {
    if (!this.#isOwedAnAnswer()) {
      this.#stopWatching?.()
      this.#stopWatching = undefined
      return
    }
    this.#stopWatching ??= this.#clock.after(leaderSilenceMsMax, () => {
      this.#stopWatching = undefined
      this.#silentChecks += 1
      if (this.#silentChecks === 1) this.#port?.post({ type: 'ping' })
      if (this.#silentChecks === 2) this.#handlers.onSilence(silent())
      this.#watchSilence()
    })
  }

  #isOwedAnAnswer(): boolean {
    if (this.#state === 'detached') return !this.#isAlone
    return (
      this.#state === 'greeting' || (this.#state === 'following' && this.#inFlight !== undefined)
    )
  }

  /** Says hello to the same leader again, unless that has led to nothing too often. */
  #greetAgain(withCursor: boolean, why: LiveStoreError): void {
    if (this.#hellosInARow >= HELLOS_IN_A_ROW_MAX) this.#giveUp(why)
    else this.#greet(withCursor)
  }

  #take(message: LeaderToSession): void {
    try {
      this.#dispatch(message)
    } catch (thrown) {
      this.#recover(message, asLiveStoreError(thrown))
    }
  }

  #dispatch(message: LeaderToSession): void {
    switch (message.type) {
      case 'boot-status':
        this.#handlers.onBootStatus(message.status)
        break
      case 'error':
        if (message.retrying === true) this.#handlers.onTrouble(errorFromReply(message))
        else this.#giveUp(errorFromReply(message))
        break
      case 'pong':
        break
      case 'log-page':
        this.#logReads.get(message.id)?.resolve(new Uint8Array(message.events))
        this.#logReads.delete(message.id)
        break
      case 'welcome':
        if (this.#state === 'greeting') this.#takeWelcome(message)
        break
      default:
        // Sent before the leader took the hello in: its welcome covers this.
        if (this.#state === 'following') this.#follow(message)
    }
  }

  #follow(message: NewsMessage | PassingMessage | RejoinMessage | PushResultMessage): void {
    switch (message.type) {
      case 'news':
        this.#progressed(this.#session.onNews(new Uint8Array(message.news)))
        break
      case 'passing':
        this.#handlers.onFollow(this.#session.onPassing(new Uint8Array(message.events)))
        break
      case 'rejoin':
        this.#hellosInARow = 0
        this.#greet(true)
        break
      case 'push-result':
        if (message.id === this.#inFlight) this.#takePushResult(message)
    }
  }

  #takeWelcome({ image, history, storageMode, clientId }: WelcomeMessage): void {
    this.#takeClientId(clientId ?? '')
    const outcome =
      image === undefined
        ? this.#session.onHistory(new Uint8Array(history))
        : this.#session.loadImage(new Uint8Array(image), new Uint8Array(history))
    this.#followed(outcome)
    // A handler may have closed this, and without the image hello has been said anew.
    if (this.#state !== 'greeting' || outcome.needImage) return
    this.#state = 'following'
    this.#handlers.onWelcome(storageMode)
    this.#becomeReady()
    for (const { message } of this.#logReads.values()) this.#port?.post(message)
    this.#push()
  }

  /** Empty: the leader knows of no other. */
  #takeClientId(clientId: string): void {
    if (clientId === '' || clientId === this.#ids.clientId) return
    this.#session.setClientId(clientId)
    this.#ids = { ...this.#ids, clientId }
    this.#handlers.onClientId(clientId)
  }

  #becomeReady(): void {
    if (this.#ready) return
    this.#ready = true
    this.#handlers.onReady()
  }

  #takePushResult(message: PushResultMessage): void {
    this.#inFlight = undefined
    if (message.outcome === 'failed') {
      const { failedIndex, code, message: text } = message
      this.#progressed(this.#session.onPushFailed(failedIndex, code, text))
    } else if (message.outcome === 'accepted') {
      this.#session.onPushAccepted()
      this.#hellosInARow = 0
      this.#statusChanged()
    } else {
      // The rebase has happened already: what this session lacked came before this answer. If it
      // did not, the engine calls it a gap.
      this.#session.onPushRejected()
    }
    this.#push()
  }

  #progressed(outcome: FollowOutcome): void {
    this.#hellosInARow = 0
    this.#followed(outcome)
  }

  #followed(outcome: FollowOutcome): void {
    this.#handlers.onFollow(outcome)
    this.#statusChanged()
    if (this.#port === undefined) return
    // The whole state is what a hello without a cursor asks for.
    if (outcome.needImage) this.#greetAgain(false, noImage())
    else if (this.#state === 'following') this.schedulePush()
  }

  #push(): void {
    if (this.#state !== 'following' || this.#inFlight !== undefined) return
    const bytes = this.#session.nextPush()
    if (bytes === undefined) return
    this.#pushId += 1
    this.#inFlight = this.#pushId
    const push = ownBuffer(bytes)
    this.#port?.post({ type: 'push', id: this.#pushId, push }, [push])
    this.#watchSilence()
  }

  /** What came could not be followed. A gap is repaired by asking for what is missing. */
  #recover(message: LeaderToSession, error: LiveStoreError): void {
    const wasCursorAsked = message.type === 'welcome' && message.image === undefined
    // If not even the answer to a cursor continues what is here, only the whole state will do.
    if (wasCursorAsked) this.#greetAgain(false, error)
    else if (error.code === 'UpstreamGap') this.#greetAgain(message.type !== 'welcome', error)
    else this.#giveUp(error)
  }

  #giveUp(error: LiveStoreError): void {
    this.#port?.close()
    this.#port = undefined
    this.#isAlone = true
    this.#state = 'detached'
    this.#inFlight = undefined
    this.#watchSilence()
    this.#wakeWaiters()
    this.#handlers.onFailure(error)
  }

  #statusChanged(): void {
    this.#handlers.onStatus()
    this.#wakeWaiters()
  }

  #wakeWaiters(): void {
    for (const check of [...this.#idleWaiters]) check()
  }
}

/** The engine's bytes as a buffer that holds nothing else, so that it can be transferred. */
const ownBuffer = (bytes: Uint8Array): ArrayBuffer =>
  bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
    ? bytes.buffer
    : bytes.slice().buffer

const silent = (): LiveStoreError =>
  new LiveStoreError(
    'StorageBusy',
    `the tab that leads this store has said nothing for ${(2 * leaderSilenceMsMax) / 1000} s: ` +
      'it is suspended or very busy. What is committed here waits until it goes on or is closed.',
  )

const noImage = (): LiveStoreError =>
  new LiveStoreError('Internal', 'the state of the leader does not let this tab follow it')

const asLiveStoreError = (thrown: unknown): LiveStoreError =>
  isLiveStoreError(thrown)
    ? thrown
    : new LiveStoreError('Internal', `cannot follow the leader: ${messageOf(thrown)}`, {
        cause: thrown,
      })
