/**
 * Whether a connection's payload is valid, now. Every message is asked about; the app's hook is
 * asked when the payload is another one, or when its last answer is older than `validMs`.
 */

import type { SyncHooks } from './hooks.js'

/** The hook refused the payload; the message is the hook's. */
export class UnauthorizedError extends Error {
  override readonly name = 'UnauthorizedError'
}

export interface Caller {
  readonly storeId: string
  /** Of the connection's URL; JSON or undefined. */
  readonly payload: unknown
  readonly headers: ReadonlyMap<string, string>
}

/** A client that sends ever new payloads has each of them checked anew. */
const keptMax = 4

export class PayloadCheck {
  readonly #validate: SyncHooks['validatePayload']
  readonly #caller: Caller
  readonly #now: () => number
  readonly #validMs: number
  /** Until when each payload, as JSON, is believed. */
  readonly #valid = new Map<string, number>()
  #latest: unknown

  constructor(
    validate: SyncHooks['validatePayload'],
    caller: Caller,
    time: { readonly now: () => number; readonly validMs: number },
  ) {
    this.#validate = validate
    this.#caller = caller
    this.#now = time.now
    this.#validMs = time.validMs
    this.#latest = caller.payload
  }

  /**
   * The payload that a message stands under: its own, else the latest of the connection.
   *
   * @throws (as a rejection) UnauthorizedError
   */
  async check(payload: unknown): Promise<unknown> {
    const checked = payload === undefined ? this.#latest : payload
    if (this.#validate === undefined) return checked
    const key = JSON.stringify(checked) ?? ''
    if ((this.#valid.get(key) ?? 0) > this.#now()) return checked
    this.#valid.delete(key)
    const { storeId, headers } = this.#caller
    try {
      await this.#validate(checked, { storeId, headers })
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown)
      throw new UnauthorizedError(message, { cause: thrown })
    }
    if (this.#valid.size >= keptMax) this.#valid.clear()
    this.#valid.set(key, this.#now() + this.#validMs)
    this.#latest = checked
    return checked
  }
}
