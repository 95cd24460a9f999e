/**
 * Keeps one connection: carries out what `Reconnect` decides, tells who listens whether there is
 * one, and lets callers wait for it. What a connection is, a WebSocket or a server that answers
 * requests, is its user's.
 */

import type { Clock } from '../../env.js'
import { IsOfflineError, type SyncBackend } from '../../sync/backend.js'
import { type Command, type PingTimes, Reconnect } from './reconnect.js'

/** The slice of the world that a client needs. */
export interface ClientEnv {
  readonly clock: Pick<Clock, 'now' | 'after'>
  /** From 0 to below 1. */
  readonly random: () => number
  /** Calls its listener when the device goes online or offline. Returns what ends that. */
  readonly onNetwork: (listener: (isOnline: boolean) => void) => () => void
}

export interface LinkActions {
  /** Begins to open a connection; then `opened` or `lost` is to be called. */
  readonly open: () => void
  /** Gives up the connection that is open or opening. What it says afterwards is to be ignored. */
  readonly close: (why: Error) => void
  readonly ping: () => void
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class Link {
  readonly #env: ClientEnv
  readonly #actions: LinkActions
  readonly #machine: Reconnect
  readonly #listeners = new Set<(isConnected: boolean) => void>()
  #waiters: Waiter[] = []
  #cancelTimer: () => void = () => undefined
  #stopListening: (() => void) | undefined
  #wasConnected = false
  #hasBeenOpen = false

  constructor(env: ClientEnv, ping: PingTimes, actions: LinkActions) {
    this.#env = env
    this.#actions = actions
    this.#machine = new Reconnect(ping, env.random)
  }

  get isOpen(): boolean {
    return this.#machine.state === 'open'
  }

  readonly isConnected: NonNullable<SyncBackend['isConnected']> = linkedValue(
    () => this.#wasConnected,
    (listener) => {
      this.#listeners.add(listener)
      return () => this.#listeners.delete(listener)
    },
  )

  /**
   * Resolves when there is a connection. From then on it is opened again whenever it is lost, until
   * `close`.
   *
   * @throws (as a rejection) what is wrong, `IsOfflineError` if it is only that nothing answers
   */
  connect(): Promise<void> {
    if (this.#machine.state === 'open') return Promise.resolve()
    if (this.#machine.state === 'waiting') {
      return Promise.reject(new IsOfflineError('there is no connection to the sync server'))
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#stopListening ??= this.#env.onNetwork((isOnline) =>
        this.#do(this.#machine.network(isOnline, this.#env.clock.now())),
      )
      this.#do(this.#machine.start(this.#env.clock.now()))
    })
  }

  /** `wasHeard`: see `Reconnect`. */
  opened(wasHeard = false): void {
    this.#hasBeenOpen = true
    this.#do(this.#machine.opened(this.#env.clock.now(), wasHeard))
    for (const { resolve } of this.#waiters.splice(0)) resolve()
  }

  heard(): void {
    this.#machine.heard(this.#env.clock.now())
    this.#settle()
  }

  /** The connection that was open or opening is gone. */
  lost(why: Error): void {
    this.#machine.lost(this.#env.clock.now())
    this.#gone(why)
    this.#settle()
  }

  /** Ends the connection for good, unless `connect` is called again. */
  close(): void {
    this.#endListening()
    this.#hasBeenOpen = false
    this.#do(this.#machine.stop(), new IsOfflineError('the sync client was closed'))
  }

  #do(commands: readonly Command[], why = new IsOfflineError('the sync server is silent')): void {
    for (const command of commands) {
      if (command === 'close') {
        this.#actions.close(why)
        this.#gone(why)
      } else this.#actions[command]()
    }
    this.#settle()
  }

  /** A connection that never was there is not opened again: who wanted it may have given it up. */
  #gone(why: Error): void {
    if (!this.#hasBeenOpen) {
      this.#machine.stop()
      this.#endListening()
    }
    for (const { reject } of this.#waiters.splice(0)) reject(why)
  }

  #endListening(): void {
    this.#stopListening?.()
    this.#stopListening = undefined
  }

  /** Sets the timer for what comes next, and tells whether there is a connection. */
  #settle(): void {
    this.#cancelTimer()
    const { clock } = this.#env
    const at = this.#machine.wakeAt()
    this.#cancelTimer =
      at === undefined
        ? () => undefined
        : clock.after(Math.max(at - clock.now(), 0), () =>
            this.#do(this.#machine.tick(clock.now())),
          )
    if (this.isOpen === this.#wasConnected) return
    this.#wasConnected = this.isOpen
    for (const listener of [...this.#listeners]) {
      try {
        listener(this.#wasConnected)
      } catch (thrown) {
        globalThis.reportError?.(thrown)
      }
    }
  }
}

const linkedValue = (
  read: () => boolean,
  subscribe: (listener: (isConnected: boolean) => void) => () => void,
): NonNullable<SyncBackend['isConnected']> => ({
  get value() {
    return read()
  },
  subscribe,
})

/** The real world, on a page, in a worker or in Node. */
export const systemEnv = (): ClientEnv => ({
  clock: {
    now: () => performance.now(),
    after: (delayMs, task) => {
      const timer = setTimeout(task, delayMs)
      return () => clearTimeout(timer)
    },
  },
  random: Math.random,
  onNetwork: (listener) => {
    const realm = globalThis as Partial<EventTarget>
    const events = ['online', 'offline'] as const
    const listeners = events.map((name) => {
      const onEvent = () => listener(name === 'online')
      realm.addEventListener?.(name, onEvent)
      return () => realm.removeEventListener?.(name, onEvent)
    })
    return () => {
      for (const end of listeners) end()
    }
  },
})
