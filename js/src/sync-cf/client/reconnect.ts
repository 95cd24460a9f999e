/**
 * When to connect, when to ask whether the connection lives, and when to give it up. Told what
 * happens and what time it is, it answers what to do; no socket, no timer.
 *
 *     idle ──► opening ──► open ──► lost ──► waiting ──► opening …
 *                 └──► failed ──────────────────┘
 *
 * What always holds: a wait is between half and all of a time that doubles with each failure, so
 * clients that lost a server together do not come back together; it begins anew only when something
 * was heard; a connection on which nothing was heard for a ping's time is given up; while the
 * device says that it is offline nothing is tried but at the longest wait, as it may be wrong.
 */

/** After a failure, then twice as long, up to the maximum. */
export const retryFirstMs = 1_000
export const retryMaxMs = 30_000
/** How long a connection may take to open. */
export const openMsMax = 20_000

export interface PingTimes {
  readonly enabled: boolean
  /** After so long without a word a ping is sent. */
  readonly requestInterval: number
  /** So long may its answer take. */
  readonly requestTimeout: number
}

export const defaultPing: PingTimes = {
  enabled: true,
  requestInterval: 10_000,
  requestTimeout: 10_000,
}

/** `close` stands before the others, and is not said of a connection that is gone already. */
export type Command = 'close' | 'open' | 'ping'

type State =
  | { readonly name: 'idle' }
  | { readonly name: 'opening'; readonly deadline: number }
  | { readonly name: 'open'; readonly pingAt: number; readonly deadline: number }
  | { readonly name: 'waiting'; readonly until: number }

export class Reconnect {
  readonly #ping: PingTimes
  readonly #random: () => number
  #state: State = { name: 'idle' }
  #failures = 0
  #isOffline = false

  constructor(ping: PingTimes, random: () => number) {
    this.#ping = ping
    this.#random = random
  }

  get state(): State['name'] {
    return this.#state.name
  }

  /** Somebody wants a connection. */
  start(now: number): Command[] {
    return this.#state.name === 'idle' ? this.#open(now) : []
  }

  /** `wasHeard`: the server has already said something, and need not be asked at once. */
  opened(now: number, wasHeard: boolean): Command[] {
    if (this.#state.name !== 'opening') return []
    const commands = this.#sendPing(now)
    if (!wasHeard) return commands
    this.heard(now)
    return []
  }

  /** Something came from the server. */
  heard(now: number): void {
    if (this.#state.name !== 'open') return
    this.#failures = 0
    const pingAt = now + this.#ping.requestInterval
    this.#state = { name: 'open', pingAt, deadline: Number.POSITIVE_INFINITY }
  }

  /** The connection is gone, or could not be opened. */
  lost(now: number): void {
    if (this.#state.name === 'idle' || this.#state.name === 'waiting') return
    const longest = Math.min(retryFirstMs * 2 ** Math.min(this.#failures, 10), retryMaxMs)
    this.#failures += 1
    const delay = this.#isOffline ? retryMaxMs : longest * (0.5 + 0.5 * this.#random())
    this.#state = { name: 'waiting', until: now + Math.ceil(delay) }
  }

  /** The time that `wakeAt` named has come. */
  tick(now: number): Command[] {
    const state = this.#state
    if (state.name === 'waiting') return now >= state.until ? this.#open(now) : []
    if (state.name === 'idle') return []
    if (now >= state.deadline) {
      this.lost(now)
      return ['close']
    }
    return state.name === 'open' && now >= state.pingAt ? this.#sendPing(now) : []
  }

  /** The device says that it has a network, or none. */
  network(isOnline: boolean, now: number): Command[] {
    this.#isOffline = !isOnline
    if (isOnline) return this.#state.name === 'waiting' ? this.#open(now) : []
    if (this.#state.name !== 'open' && this.#state.name !== 'opening') return []
    this.lost(now)
    return ['close']
  }

  /** Nobody wants a connection any more. */
  stop(): Command[] {
    const isThere = this.#state.name === 'open' || this.#state.name === 'opening'
    this.#state = { name: 'idle' }
    return isThere ? ['close'] : []
  }

  /** When `tick` has something to do; undefined: not before something happens. */
  wakeAt(): number | undefined {
    const state = this.#state
    if (state.name === 'idle') return undefined
    if (state.name === 'waiting') return state.until
    const at = state.name === 'open' ? Math.min(state.pingAt, state.deadline) : state.deadline
    return Number.isFinite(at) ? at : undefined
  }

  #open(now: number): Command[] {
    this.#state = { name: 'opening', deadline: now + openMsMax }
    return ['open']
  }

  #sendPing(now: number): Command[] {
    const { enabled, requestTimeout } = this.#ping
    const never = Number.POSITIVE_INFINITY
    this.#state = {
      name: 'open',
      pingAt: never,
      deadline: enabled ? now + requestTimeout : never,
    }
    return enabled ? ['ping'] : []
  }
}
