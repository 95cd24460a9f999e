/**
 * Sees to it that no two tabs go by one session id: "Duplicate tab" and `window.open` copy the
 * session storage, and the id with it.
 *
 * A page holds a lock for the id it goes by. Who finds it held by another page takes a new id,
 * unless a page of this very tab has said in the session storage that it leaves: it may still hold
 * the lock for a while, on a busy machine for a second. Stores of one page share its id.
 */

import type { Clock, LocksLike } from '../env.js'
import { sessionIdLockName } from '../protocol/messages.js'

/** For a page that had no time to say that it leaves. A duplicate boots so much later. */
export const sessionIdWaitMsMax = 300

export interface SessionClaimEnv {
  readonly clock: Clock
  readonly locks: LocksLike
}

/** The claims of one page, by the names of their locks. */
export type PageClaims = Map<string, { holders: number; readonly over: AbortController }>

export class SessionClaim {
  readonly #env: SessionClaimEnv
  readonly #ofPage: PageClaims
  readonly #storeId: string
  #lockName: string
  #isHeld = false

  constructor(env: SessionClaimEnv, ofPage: PageClaims, storeId: string, sessionId: string) {
    this.#env = env
    this.#ofPage = ofPage
    this.#storeId = storeId
    this.#lockName = sessionIdLockName(storeId, sessionId)
  }

  /** The same for another id. */
  change(sessionId: string): Promise<boolean> {
    this.release()
    this.#lockName = sessionIdLockName(this.#storeId, sessionId)
    return this.take()
  }

  /** The id is this page's, even if a page that leaves still holds it. */
  inherit(): void {
    void this.#take(Number.POSITIVE_INFINITY)
  }

  /** Resolves with whether the id is this page's; it is held until `release`. Never rejects. */
  take(): Promise<boolean> {
    return this.#take(sessionIdWaitMsMax)
  }

  async #take(waitMs: number): Promise<boolean> {
    if (this.#isHeld) return true
    this.#isHeld = true
    const known = this.#ofPage.get(this.#lockName)
    if (known !== undefined) {
      known.holders += 1
      return true
    }
    const over = new AbortController()
    this.#ofPage.set(this.#lockName, { holders: 1, over })
    if (await this.#lock(over, waitMs)) return true
    this.release()
    return false
  }

  /** Idempotent. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    const known = this.#ofPage.get(this.#lockName)
    if (known === undefined) return
    known.holders -= 1
    if (known.holders > 0) return
    this.#ofPage.delete(this.#lockName)
    known.over.abort()
  }

  #lock(over: AbortController, waitMs: number): Promise<boolean> {
    const { clock, locks } = this.#env
    const { signal } = over
    return new Promise((resolve) => {
      const cancel =
        waitMs === Number.POSITIVE_INFINITY
          ? () => undefined
          : clock.after(waitMs, () => over.abort())
      const hold = (): Promise<void> => {
        cancel()
        resolve(true)
        return new Promise((release) => {
          signal.addEventListener('abort', () => release(), { once: true })
          if (signal.aborted) release()
        })
      }
      locks.request(this.#lockName, { signal }, hold).catch(() => {
        cancel()
        resolve(false)
      })
    })
  }
}
