/**
 * A port over a broadcast channel that two contexts and nobody else know the name of. Where there
 * is no shared worker nothing can carry a real port from one tab to another.
 *
 *     one end:    BroadcastPort.connect(channel) ── tells the other end the name, by other means
 *     other end:  BroadcastPort.accept(channel)  ── "open" ──► the first end may speak
 *
 * What is posted before the other end listens would be lost, so the end that began waits for a
 * word. From then on nothing is lost and all comes in order, as on a real port. Buffers are copied,
 * not transferred; their sender must not count on having them afterwards.
 */

import type { BroadcastLike, PortLike } from '../env.js'

const open = 'open'

type Listener = (event: { readonly data?: unknown }) => void

export class BroadcastPort implements PortLike {
  readonly #channel: BroadcastLike
  readonly #onOpen: () => void
  #listeners: { readonly type: string; readonly listener: Listener }[] = []
  #waiting: { readonly type: string; readonly data: unknown }[] = []
  #isOpen: boolean
  #started = false

  private constructor(channel: BroadcastLike, isOpen: boolean, onOpen: () => void) {
    this.#channel = channel
    this.#isOpen = isOpen
    this.#onOpen = onOpen
    channel.addEventListener('message', ({ data }) => this.#take('message', data))
    channel.addEventListener('messageerror', () => this.#take('messageerror', undefined))
  }

  /** `onOpen` is called once the other end listens. Nothing may be posted before. */
  static connect(channel: BroadcastLike, onOpen: () => void): BroadcastPort {
    return new BroadcastPort(channel, false, onOpen)
  }

  static accept(channel: BroadcastLike): BroadcastPort {
    const port = new BroadcastPort(channel, true, () => undefined)
    channel.postMessage(open)
    return port
  }

  postMessage(message: unknown): void {
    this.#channel.postMessage(message)
  }

  addEventListener(type: 'message' | 'messageerror', listener: Listener): void {
    this.#listeners.push({ type, listener })
  }

  start(): void {
    this.#started = true
    for (const { type, data } of this.#waiting.splice(0)) this.#dispatch(type, data)
  }

  close(): void {
    this.#listeners = []
    this.#waiting = []
    this.#channel.close()
  }

  #take(type: string, data: unknown): void {
    if (!this.#isOpen) {
      if (data !== open) return
      this.#isOpen = true
      this.#onOpen()
    } else if (data === open) {
      // Of an end that was told the same name, and comes too late.
    } else if (this.#started) {
      this.#dispatch(type, data)
    } else {
      this.#waiting.push({ type, data })
    }
  }

  #dispatch(type: string, data: unknown): void {
    for (const entry of this.#listeners) {
      if (entry.type === type) entry.listener({ data })
    }
  }
}
