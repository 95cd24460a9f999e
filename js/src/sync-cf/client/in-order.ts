/**
 * Puts the pages of one pull into order. LiveStore's server delivers what is pushed while it still
 * pages at once, in the middle of the older events, and a page may come twice.
 *
 * What always holds: no event is handed on twice, and none before one that it follows while that
 * one can still come. A server that is through with what it had, and still leaves a gap, is not
 * waited for: the engine reports the gap and pulls anew.
 */

import { LiveStoreError } from '../../errors.js'
import type { PullPage } from '../../sync/backend.js'

/** What is held back. A server that sends more early is pulled from anew. */
export const earlyEventsMax = 20_000
export const earlyCharsMax = 64 << 20

export class InOrder {
  #head: number
  #isBehind = true
  #early: PullPage[] = []
  #earlyEvents = 0
  #earlyChars = 0

  /** `head`: the last event that the client has. */
  constructor(head: number) {
    this.#head = head
  }

  /**
   * The pages that can be handed on now that `page` is here, which came in so many characters.
   *
   * @throws LiveStoreError `LimitExceeded`
   */
  take(page: PullPage, chars = 0): readonly PullPage[] {
    const rest = this.#unseen(page)
    const first = rest.batch[0]?.eventEncoded
    if (this.#isBehind && first !== undefined && first.parentSeqNum > this.#head) {
      this.#earlyEvents += rest.batch.length
      this.#earlyChars += chars
      if (this.#earlyEvents > earlyEventsMax || this.#earlyChars > earlyCharsMax) {
        throw new LiveStoreError('LimitExceeded', 'the sync server sent too much ahead of its turn')
      }
      this.#early.push(rest)
      return []
    }
    if (rest.batch.length === 0 && page.batch.length > 0 && page.pageInfo._tag !== 'NoMore') {
      return []
    }
    const ready = [this.#advance(rest)]
    if (page.pageInfo._tag === 'NoMore') this.#isBehind = false
    this.#early = this.#early.filter((early) => {
      const unseen = this.#unseen(early)
      const next = unseen.batch[0]?.eventEncoded
      if (this.#isBehind && next !== undefined && next.parentSeqNum > this.#head) return true
      this.#earlyEvents -= early.batch.length
      if (next !== undefined) ready.push(this.#advance(unseen))
      return false
    })
    if (this.#early.length === 0) this.#earlyChars = 0
    return ready
  }

  #unseen(page: PullPage): PullPage {
    if (page.batch.every(({ eventEncoded }) => eventEncoded.seqNum > this.#head)) return page
    const batch = page.batch.filter(({ eventEncoded }) => eventEncoded.seqNum > this.#head)
    return { ...page, batch }
  }

  #advance(page: PullPage): PullPage {
    this.#head = page.batch.at(-1)?.eventEncoded.seqNum ?? this.#head
    return page
  }
}
