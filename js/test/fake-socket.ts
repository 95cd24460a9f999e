/** A WebSocket whose other end is the test, and the world of a sync client in memory. */

import type { ClientEnv } from '../src/sync-cf/client/link.js'
import type { WebSocketLike } from '../src/sync-cf/client/ws-sync.js'
import { TestClock } from './doubles.js'

type Listener = (event: never) => void

export class FakeSocket implements WebSocketLike {
  readonly url: string
  readonly sent: string[] = []
  isClosed = false
  readonly #listeners = new Map<string, Listener[]>()

  constructor(url: string) {
    this.url = url
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener])
  }

  send(text: string): void {
    if (this.isClosed) throw new Error('the socket is closed')
    this.sent.push(text)
  }

  /** The client gives it up. The event comes later, as in browsers. */
  close(): void {
    this.isClosed = true
  }

  open(): void {
    this.#dispatch('open', {})
  }

  /** The server says `frame`: text as it is, anything else as JSON. */
  say(frame: unknown): void {
    this.#dispatch('message', { data: typeof frame === 'string' ? frame : JSON.stringify(frame) })
  }

  /** The connection ends. */
  end(code = 1006, reason = ''): void {
    this.isClosed = true
    this.#dispatch('error', {})
    this.#dispatch('close', { code, reason })
  }

  /** What was sent since the last time, without pings. */
  take(): string[] {
    return this.sent.splice(0).filter((frame) => frame !== '{"_tag":"Ping"}')
  }

  #dispatch(type: string, event: object): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never)
  }
}

export class FakeWorld implements ClientEnv {
  readonly clock = new TestClock()
  readonly sockets: FakeSocket[] = []
  /** What `random` says. */
  luck = 0.5
  readonly #networkListeners = new Set<(isOnline: boolean) => void>()

  readonly random = (): number => this.luck

  readonly onNetwork = (listener: (isOnline: boolean) => void): (() => void) => {
    this.#networkListeners.add(listener)
    return () => this.#networkListeners.delete(listener)
  }

  get networkListeners(): number {
    return this.#networkListeners.size
  }

  readonly openSocket = (url: string): FakeSocket => {
    const socket = new FakeSocket(url)
    this.sockets.push(socket)
    return socket
  }

  /** The newest. */
  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket
  }

  network(isOnline: boolean): void {
    for (const listener of [...this.#networkListeners]) listener(isOnline)
  }
}
