/**
 * A message channel within one thread, for a leader that lives beside its session.
 *
 * Like a MessageChannel it delivers later, in order, and keeps messages until `start`. Unlike one
 * it neither clones nor detaches: the receiver gets the very object, which its sender must not
 * touch again. It keeps no process alive.
 */

import type { ChannelLike, PortLike } from '../env.js'

export const createInProcessChannel = (): ChannelLike => {
  const port1 = new InProcessPort()
  const port2 = new InProcessPort()
  port1.entangle(port2)
  port2.entangle(port1)
  return { port1, port2 }
}

class InProcessPort implements PortLike {
  #peer: InProcessPort | undefined
  #listener: ((event: { readonly data?: unknown }) => void) | undefined
  #waiting: unknown[] = []
  #started = false

  entangle(peer: InProcessPort): void {
    this.#peer = peer
  }

  postMessage(message: unknown): void {
    this.#peer?.receive(message)
  }

  receive(message: unknown): void {
    this.#waiting.push(message)
    if (this.#started) this.#deliverSoon()
  }

  addEventListener(
    type: 'message' | 'messageerror',
    listener: (event: { readonly data?: unknown }) => void,
  ): void {
    if (type === 'message') this.#listener = listener
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    for (const _ of this.#waiting) this.#deliverSoon()
  }

  /** What was sent before still arrives at the other end. */
  close(): void {
    this.#peer = undefined
    this.#listener = undefined
  }

  /** One microtask for each message: a listener that throws stops none of the others. */
  #deliverSoon(): void {
    queueMicrotask(() => {
      const data = this.#waiting.shift()
      this.#listener?.({ data })
    })
  }
}
