/**
 * A typed endpoint over anything that has `postMessage`.
 *
 * Knows nothing about what the messages mean. What arrives is checked before it is handed on,
 * because the other end can be of another build.
 */

import type { PortLike } from '../env.js'
import type { Checked } from './validate.js'

export interface PortHandlers<In> {
  onMessage(message: In): void
  /** The other end sent something this build does not understand, or that could not be cloned. */
  onMalformed(problem: string): void
}

/** One end of a conversation that sends `Out` and receives `In`. */
export class TypedPort<Out, In> {
  readonly #port: PortLike
  readonly #check: (data: unknown) => Checked<In>
  #open = true
  #listening = false

  constructor(port: PortLike, check: (data: unknown) => Checked<In>) {
    this.#port = port
    this.#check = check
  }

  /** Sends `message`; what `transfer` names is gone from here. Does nothing after `close`. */
  post(message: Out, transfer: Transferable[] = []): void {
    if (this.#open) this.#port.postMessage(message, transfer)
  }

  /** Starts delivery, in order. Messages that arrived before wait for this. Called once. */
  listen(handlers: PortHandlers<In>): void {
    if (this.#listening) throw new Error('this port is listened to already')
    this.#listening = true
    this.#port.addEventListener('message', (event) => {
      if (!this.#open) return
      const checked = this.#check(event.data)
      if (checked.ok) handlers.onMessage(checked.message)
      else handlers.onMalformed(checked.problem)
    })
    this.#port.addEventListener('messageerror', () => {
      if (this.#open) handlers.onMalformed('a message that cannot be read here')
    })
    this.#port.start?.()
  }

  /** Ends both directions; what was posted before still arrives at the other end. Idempotent. */
  close(): void {
    this.#open = false
    this.#port.close?.()
  }
}
