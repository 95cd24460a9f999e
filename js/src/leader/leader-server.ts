/**
 * Serves client sessions with a leader: one port per session, one flush per turn.
 *
 *     hello  ──► welcome                     once the boot is done
 *     push   ──► queue ──► drain, once per turn ──► results and news, in the order of the log
 *     journal ─► the same, for a session that is gone ──► result, once it is on disk
 *
 * Used by the leader worker and, in the same thread, by the in-memory adapter. Decides nothing
 * about events: that is the engine's `Leader`. Knows no lock, no file and no worker.
 *
 * What always holds: on each port, what is sent follows the order of the log; a push is answered
 * only after the drain that took it; a session that breaks the rules is told so and dropped, and
 * the others do not notice.
 *
 * Order of calls: sessions may connect at any time. Then `reportStatus` while the leader boots, and
 * either `serve` or `fail`; `run` before `serve` where the leader is to work already while the
 * sessions still wait. `shutdown` or `fail` ends it.
 */

import type { Clock, PortLike } from '../env.js'
import { endsStores, isLiveStoreError, type LiveStoreError, messageOf } from '../errors.js'
import { type BootImage, bootImageInstance } from '../protocol/boot-image.js'
import {
  type BootStatus,
  type HelloMessage,
  type JournalMessage,
  type LeaderToTab,
  type LogMessage,
  type PushMessage,
  protocolVersion,
  type SessionToLeader,
  type StorageMode,
} from '../protocol/messages.js'
import { TypedPort } from '../protocol/port.js'
import { checkSessionToLeader } from '../protocol/validate.js'
import { decodeEvents } from '../wasm/codec.js'
import type { DrainEntry, DrainOutcome, EventReport, Joined } from '../wasm/leader.js'
import type { EventRecord } from '../wasm/values.js'

/** Sessions at one time. Each costs a copy of all news. */
export const sessionsMax = 1_000

/**
 * A drain that storage refused is tried again after this, then after twice as long, up to the
 * maximum.
 */
export const drainRetryFirstMs = 100
export const drainRetryMaxMs = 10_000

/** Warnings kept for sessions that come later; the oldest go first. */
export const warningsMax = 20

/** Journals that wait for the boot, or for the end of their session. More stay where they are. */
export const journalsWaitingMax = 1_000

/** The part of the engine's `Leader` that is needed to serve. */
export interface ServedLeader {
  readonly schemaHash: string
  submit(session: number, push: number, bytes: Uint8Array): void
  submitOrphans(bytes: Uint8Array): void
  drain(): DrainOutcome
  hasWork(): boolean
  join(cursor: Uint8Array | undefined, instance: string): Joined
  settledAfter(global: number, count: number): Uint8Array
}

export interface LeaderServerOptions {
  readonly clock: Clock
  /** The engine broke: it must not be called again. Called once, after every session was told. */
  onCrash(error: unknown): void
  /**
   * Where a drain alone does not make its events durable: resolves when they are; undefined if they
   * are already. Rejects with what a drain would throw, and is then asked again.
   */
  flush?(): Promise<void> | undefined
  /** Everything queued in the leader has been taken in, and is on disk. */
  onDrained?(): void
  /** A session passes these on; they are also for other clients, if there is a way to them. */
  onPassing?(events: readonly EventRecord[]): void
}

/** How a session came in, for whoever connected it. */
export interface ServedSession {
  /** The session is gone: its port is closed, what it pushed is still taken in. Idempotent. */
  drop(): void
}

/** A journal and who handed it over. */
interface HandedOver {
  readonly from: Session
  readonly journal: JournalMessage
}

interface Session {
  readonly number: number
  readonly port: TypedPort<LeaderToTab, SessionToLeader>
  /** It was welcomed, and is sent news. */
  live: boolean
  /** It was told to say hello anew: what it sent before it heard that is void. */
  rejoining: boolean
  /** A hello that waits for the boot, or for the answer to a push sent before it. */
  hello: HelloMessage | undefined
  /** Its name, once it has said hello. */
  instance: string | undefined
  unansweredPush: number | undefined
  /** It was told that storage refuses, and nothing has been taken in since. */
  knowsOfTrouble: boolean
}

type Phase =
  | { readonly name: 'booting' }
  | {
      readonly name: 'running' | 'serving'
      readonly leader: ServedLeader
      readonly storageMode: StorageMode
    }
  | { readonly name: 'failed'; readonly code: string; readonly message: string }
  | { readonly name: 'closed' }

export class LeaderServer {
  readonly #clock: Clock
  readonly #onCrash: (error: unknown) => void
  readonly #flush: () => Promise<void> | undefined
  readonly #onDrained: () => void
  readonly #onPassing: (events: readonly EventRecord[]) => void
  readonly #sessions = new Map<number, Session>()
  #nextSession = 1
  #phase: Phase = { name: 'booting' }

  readonly #warnings: BootStatus[] = []
  #lastStatus: BootStatus | undefined

  #journals: HandedOver[] = []
  /** Journals that the next drain puts on disk. */
  readonly #journalsSubmitted: HandedOver[] = []
  /** Why the stores are to end, once they are. */
  #ending: { readonly code: string; readonly message: string } | undefined

  #drainAsked = false
  /** Drained and not told yet, because it is not known to be on disk. */
  #untold: { readonly outcome: DrainOutcome; readonly journals: readonly HandedOver[] } | undefined
  #flushing: Promise<void> | undefined
  /** Set while storage refuses: the sessions know, and a timer will drain again. */
  #retry: { readonly delayMs: number; readonly cancel: () => void } | undefined

  constructor(options: LeaderServerOptions) {
    this.#clock = options.clock
    this.#onCrash = options.onCrash
    this.#flush = () => options.flush?.()
    this.#onDrained = () => options.onDrained?.()
    this.#onPassing = (events) => options.onPassing?.(events)
  }

  /** Takes over `port`, at whose other end is a client session. */
  connect(port: PortLike): ServedSession {
    const session: Session = {
      number: this.#nextSession++,
      port: new TypedPort(port, checkSessionToLeader),
      live: false,
      rejoining: false,
      hello: undefined,
      instance: undefined,
      unansweredPush: undefined,
      knowsOfTrouble: false,
    }
    const drop = (): void => this.#drop(session)
    if (this.#phase.name === 'closed') {
      session.port.close()
      return { drop }
    }
    const failure = this.#phase.name === 'failed' ? this.#phase : this.#ending
    if (failure !== undefined) {
      this.#refuse(session, failure.code, failure.message)
      return { drop }
    }
    if (this.#sessions.size >= sessionsMax) {
      this.#refuse(session, 'LimitExceeded', `the leader already serves ${sessionsMax} sessions`)
      return { drop }
    }
    this.#sessions.set(session.number, session)
    for (const status of this.#warnings) session.port.post({ type: 'boot-status', status })
    if (this.#lastStatus !== undefined) {
      session.port.post({ type: 'boot-status', status: this.#lastStatus })
    }
    session.port.listen({
      onMessage: (message) => this.#receive(session, message),
      onMalformed: (problem) =>
        this.#refuse(session, 'ProtocolMismatch', `the leader received ${problem}`),
    })
    return { drop }
  }

  /** Tells every session, and those still to come, how far the boot is. */
  reportStatus(status: BootStatus): void {
    if (status.stage === 'warning') {
      this.#warnings.push(status)
      if (this.#warnings.length > warningsMax) this.#warnings.shift()
    } else {
      this.#lastStatus = status
    }
    for (const { port } of this.#sessions.values()) port.post({ type: 'boot-status', status })
  }

  /** `leader` has booted and can drain from now on; the sessions still wait. */
  run(leader: ServedLeader, storageMode: StorageMode): void {
    if (this.#phase.name !== 'booting') return
    this.#phase = { name: 'running', leader, storageMode }
    this.#submitJournals()
    // A boot has things to tell, too: events that have no effect.
    if (this.#isRunning() && leader.hasWork()) this.#drain()
  }

  /** The boot is done. Reports `done`, then welcomes who waits. */
  serve(leader: ServedLeader, storageMode: StorageMode): void {
    this.run(leader, storageMode)
    if (this.#phase.name !== 'running') return
    this.#phase = { name: 'serving', leader, storageMode }
    this.reportStatus({ stage: 'done' })
    for (const session of [...this.#sessions.values()]) this.#welcomeIfAsked(session)
  }

  /** What a session is given that knows nothing; undefined unless sessions are served. */
  bootImage(): BootImage | undefined {
    if (this.#phase.name !== 'serving') return undefined
    const { leader } = this.#phase
    let joined: Joined
    try {
      joined = leader.join(undefined, bootImageInstance)
    } catch (thrown) {
      if (isStorageError(thrown)) this.#drainFailed(thrown)
      else this.crash(thrown)
      return undefined
    }
    const { image } = joined
    return image && { ...joined, image }
  }

  /** Something was queued in the leader by another way than a push. */
  drainSoon(): void {
    this.#drainNextTurn()
  }

  /** The leader cannot go on. Every session, and those still to come, are told and dropped. */
  fail(code: string, message: string): void {
    if (this.#phase.name === 'failed' || this.#phase.name === 'closed') return
    this.#phase = { name: 'failed', code, message }
    this.#retry?.cancel()
    for (const session of [...this.#sessions.values()]) this.#refuse(session, code, message)
  }

  /**
   * The stores are to end. Sessions that follow are told so, and what they still push is taken in;
   * who waits to be welcomed, or comes later, is refused.
   */
  end(code: string, message: string): void {
    if (this.#ending !== undefined) return
    this.#ending = { code, message }
    for (const session of [...this.#sessions.values()]) {
      if (session.live || session.rejoining) {
        session.port.post({ type: 'error', code, message, retrying: true })
      } else {
        this.#refuse(session, code, message)
      }
    }
  }

  /** What was drained may not leave yet. */
  get isFlushing(): boolean {
    return this.#untold !== undefined
  }

  /** Takes in what has been pushed so far, answers it, and closes every port. */
  async shutdown(): Promise<void> {
    // Once for what is under way, and once for what came meanwhile.
    if (this.#flushing !== undefined) await this.#flushing
    this.#drain()
    if (this.#flushing !== undefined) await this.#flushing
    this.#retry?.cancel()
    if (this.#phase.name !== 'failed') this.#phase = { name: 'closed' }
    for (const session of [...this.#sessions.values()]) this.#drop(session)
  }

  #receive(session: Session, message: SessionToLeader): void {
    switch (message.type) {
      case 'hello':
        this.#hello(session, message)
        break
      case 'push':
        this.#push(session, message)
        break
      case 'passing':
        this.#passOn(session, new Uint8Array(message.events))
        break
      case 'ping':
        session.port.post({ type: 'pong' })
        break
      case 'log':
        this.#tellLog(session, message)
        break
      case 'bye':
        this.#drop(session)
        break
      case 'journal':
        this.#takeJournal({ from: session, journal: message })
    }
  }

  #hello(session: Session, hello: HelloMessage): void {
    if (hello.protocol !== protocolVersion) {
      this.#refuse(
        session,
        'ProtocolMismatch',
        `the session speaks protocol ${hello.protocol}, the leader ${protocolVersion}: ` +
          'another tab runs another build of this app. Reload both.',
      )
      return
    }
    session.live = false
    session.rejoining = false
    session.hello = hello
    session.instance = hello.instance
    this.#welcomeIfAsked(session)
  }

  /** What is not known to be on disk is not told: the session asks again when it has news. */
  #tellLog({ port }: Session, { id, after, count }: LogMessage): void {
    if (this.#phase.name !== 'serving') return
    let bytes: Uint8Array | undefined
    if (!this.isFlushing) {
      try {
        bytes = this.#phase.leader.settledAfter(after, count)
      } catch (thrown) {
        if (!isStorageError(thrown)) {
          this.crash(thrown)
          return
        }
        this.#drainFailed(thrown)
      }
    }
    const events = (bytes ?? new Uint8Array()).slice().buffer
    port.post({ type: 'log-page', id, events }, [events])
  }

  #welcomeIfAsked(session: Session): void {
    const { hello } = session
    if (hello === undefined || this.#phase.name !== 'serving' || this.isFlushing) return
    const { leader, storageMode } = this.#phase
    if (hello.schemaHash !== leader.schemaHash) {
      this.#refuse(
        session,
        'SchemaMismatch',
        'another tab leads this store with a different schema ' +
          `(hash ${leader.schemaHash}, here ${hello.schemaHash}). Reload both tabs.`,
      )
      return
    }
    // The events of an unanswered push are not in the log yet, and their author is not sent them
    // later. So they come first: the welcome then contains them.
    if (session.unansweredPush !== undefined) return
    const joined = this.#ask(session, () => {
      const cursor = hello.cursor && new Uint8Array(hello.cursor)
      return leader.join(cursor, hello.instance)
    })
    if (joined === undefined) return
    const { image, history, clientId } = joined
    const buffers = { history: ownBuffer(history) }
    const answer = image === undefined ? buffers : { ...buffers, image: ownBuffer(image) }
    session.hello = undefined
    session.live = true
    const names = clientId === '' || clientId === hello.clientId ? {} : { clientId }
    session.port.post({ type: 'welcome', ...answer, storageMode, ...names }, Object.values(answer))
    // To join, the leader may have had to read its storage anew, and found another log there.
    if (leader.hasWork()) this.#drainNextTurn()
  }

  #push(session: Session, push: PushMessage): void {
    if (session.rejoining) return
    if (this.#phase.name !== 'serving' || !session.live) {
      this.#refuse(session, 'ProtocolMismatch', 'a push before the welcome')
      return
    }
    if (session.unansweredPush !== undefined) {
      this.#refuse(
        session,
        'ProtocolMismatch',
        `push ${push.id} was sent before push ${session.unansweredPush} was answered`,
      )
      return
    }
    const { leader } = this.#phase
    const submitted = this.#ask(session, () => {
      leader.submit(session.number, push.id, new Uint8Array(push.push))
      return true
    })
    if (submitted === undefined) return
    session.unansweredPush = push.id
    this.#drainNextTurn()
  }

  /** The `hello` that follows it finds the events in the log. */
  #takeJournal(handedOver: HandedOver): void {
    if (this.#journals.length >= journalsWaitingMax) return
    this.#journals.push(handedOver)
    if (this.#submitJournals()) this.#drain()
  }

  /**
   * Submits the journals whose sessions are gone, and says whether there were any. One that is
   * still here pushes its events itself: to it they must not come as those of another.
   */
  #submitJournals(): boolean {
    if (this.#phase.name !== 'running' && this.#phase.name !== 'serving') return false
    const { leader, storageMode } = this.#phase
    if (storageMode !== 'persisted') return false
    const here = new Set([...this.#sessions.values()].map(({ instance }) => instance))
    const waiting = this.#journals
    this.#journals = waiting.filter(({ journal }) => here.has(journal.instance))
    for (const handedOver of waiting) {
      const { from, journal } = handedOver
      if (here.has(journal.instance)) continue
      try {
        leader.submitOrphans(new Uint8Array(journal.push))
        this.#journalsSubmitted.push(handedOver)
      } catch (thrown) {
        if (!isLiveStoreError(thrown) || thrown.code === 'Internal') {
          this.crash(thrown)
          return false
        }
        const { code, message } = thrown
        // Too much at once: it is kept where it is.
        if (code === 'LimitExceeded') continue
        from.port.post({ type: 'journal-result', id: journal.id, code, message })
      }
    }
    return this.#journalsSubmitted.length > 0
  }

  /** Read before they are passed on: nobody else is to suffer from damaged ones. */
  #passOn(session: Session, bytes: Uint8Array): void {
    if (!session.live) return
    const events = this.#ask(session, () => decodeEvents(bytes))
    if (events === undefined) return
    this.pass(bytes, session.number)
    this.#onPassing(events)
  }

  /** Sends events that are not persisted to every session that is there, but for their author. */
  pass(events: Uint8Array, author = 0): void {
    this.#tell(author, events, 'passing')
  }

  /** Pushes that arrive together wait for each other, and share one flush. */
  #drainNextTurn(): void {
    if (this.#drainAsked) return
    this.#drainAsked = true
    this.#clock.nextTurn(() => {
      this.#drainAsked = false
      this.#drain()
    })
  }

  #drain(): void {
    const phase = this.#phase
    if (phase.name !== 'serving' && phase.name !== 'running') return
    if (this.#flushing !== undefined) return
    const { leader } = phase
    try {
      // After a failure to flush it is the same once more; what came since waits in the engine.
      this.#untold ??= { outcome: leader.drain(), journals: this.#journalsSubmitted.splice(0) }
    } catch (thrown) {
      this.#drainFailed(thrown)
      return
    }
    const flushing = this.#flush()
    if (flushing === undefined) {
      this.#drained()
      return
    }
    this.#flushing = flushing.then(
      () => {
        this.#flushing = undefined
        this.#drained()
        if (this.#isRunning() && leader.hasWork()) this.#drainNextTurn()
      },
      (thrown: unknown) => {
        this.#flushing = undefined
        if (this.#isRunning()) this.#drainFailed(thrown)
      },
    )
  }

  #drained(): void {
    const untold = this.#untold
    this.#untold = undefined
    if (untold === undefined || !this.#isRunning()) return
    const { outcome, journals } = untold
    this.#retry?.cancel()
    this.#retry = undefined
    for (const session of this.#sessions.values()) session.knowsOfTrouble = false
    for (const { from, journal } of journals) {
      from.port.post({ type: 'journal-result', id: journal.id })
    }
    for (const entry of outcome.entries) {
      if (entry.type === 'news') this.#tell(entry.author, entry.news)
      else this.#answer(entry)
    }
    if (outcome.rejoin) this.#rejoin()
    this.#warnOf('event-skipped', 'has no effect', outcome.skipped)
    this.#warnOf('event-refused', 'was refused by the sync backend', outcome.refused)
    for (const session of [...this.#sessions.values()]) this.#welcomeIfAsked(session)
    if (this.#isRunning()) this.#onDrained()
  }

  #isRunning(): boolean {
    return this.#phase.name === 'serving' || this.#phase.name === 'running'
  }

  #tell(author: number, bytes: Uint8Array, type: 'news' | 'passing' = 'news'): void {
    const receivers = [...this.#sessions.values()].filter(
      (session) => session.live && session.number !== author,
    )
    // A transferred buffer is gone, so each session needs one of its own; the last gets the
    // original.
    for (const [index, { port }] of receivers.entries()) {
      const copy = index === receivers.length - 1 ? ownBuffer(bytes) : ownBuffer(bytes.slice())
      port.post(type === 'news' ? { type, news: copy } : { type, events: copy }, [copy])
    }
  }

  /** Nobody will answer what was pushed, nor tell what became of the log: each begins anew. */
  #rejoin(): void {
    for (const session of this.#sessions.values()) {
      session.unansweredPush = undefined
      if (!session.live) continue
      session.live = false
      session.rejoining = true
      session.port.post({ type: 'rejoin' })
    }
  }

  #warnOf(
    reason: 'event-skipped' | 'event-refused',
    what: string,
    reports: readonly EventReport[],
  ): void {
    const [first] = reports
    if (first === undefined) return
    const others = reports.length === 1 ? '' : ` and ${reports.length - 1} more`
    const { event, code, message } = first
    this.reportStatus({
      stage: 'warning',
      reason,
      message: `the event '${event.name}'${others} ${what} (${code}): ${message}`,
    })
  }

  #answer(entry: Exclude<DrainEntry, { type: 'news' }>): void {
    const session = this.#sessions.get(entry.session)
    if (session === undefined) return
    session.unansweredPush = undefined
    const { session: _, push: id, ...result } = entry
    session.port.post({ id, ...result })
  }

  /**
   * Storage that is full or failing may recover: every push stays queued in the engine and is tried
   * again, at growing intervals and with the next push. Anything else means the engine is broken.
   */
  #drainFailed(thrown: unknown): void {
    if (!isStorageError(thrown)) {
      if (isLiveStoreError(thrown) && endsStores(thrown.code)) {
        this.end(thrown.code, thrown.message)
        this.#drainNextTurn()
      } else {
        this.crash(thrown)
      }
      return
    }
    const delayMs = Math.min((this.#retry?.delayMs ?? drainRetryFirstMs / 2) * 2, drainRetryMaxMs)
    this.#retry?.cancel()
    this.#retry = { delayMs, cancel: this.#clock.after(delayMs, () => this.#drain()) }
    const { code, message } = thrown
    for (const session of this.#sessions.values()) {
      if (session.knowsOfTrouble) continue
      session.knowsOfTrouble = true
      session.port.post({ type: 'error', code, message, retrying: true })
    }
  }

  /**
   * Asks the engine something on behalf of one session; `undefined` if it fails. A coded failure is
   * that session's: it is told and dropped. One of storage is tried again with the next drain. Any
   * other means the engine is broken.
   */
  #ask<T>(session: Session, question: () => T): T | undefined {
    try {
      return question()
    } catch (thrown) {
      if (isStorageError(thrown)) {
        this.#drainFailed(thrown)
      } else if (isLiveStoreError(thrown) && thrown.code !== 'Internal') {
        this.#refuse(session, thrown.code, thrown.message)
      } else {
        this.crash(thrown)
      }
      return undefined
    }
  }

  /** The engine broke in a call of whoever shares it. */
  crash(thrown: unknown): void {
    if (!this.#isRunning()) return
    this.fail('Internal', `the leader stopped: ${messageOf(thrown)}`)
    this.#onCrash(thrown)
  }

  #refuse(session: Session, code: string, message: string): void {
    session.port.post({ type: 'error', code, message })
    this.#drop(session)
  }

  #drop(session: Session): void {
    session.live = false
    session.hello = undefined
    session.port.close()
    this.#sessions.delete(session.number)
    this.#journals = this.#journals.filter(({ from }) => from !== session)
    if (this.#submitJournals()) this.#drainNextTurn()
  }
}

const isStorageError = (thrown: unknown): thrown is LiveStoreError =>
  isLiveStoreError(thrown) && thrown.code.startsWith('Storage')

/** The bytes as a buffer that can be transferred: their own, or a copy where they share it. */
const ownBuffer = (bytes: Uint8Array): ArrayBuffer =>
  bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
    ? bytes.buffer
    : bytes.slice().buffer
