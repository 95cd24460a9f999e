/** Logs in memory, gone with the process: for tests, and to try things out. */

import { newBackendId } from './backend-id.js'
import type { AppendOutcome, LogHead, StoredEvent, SyncStorage } from './storage.js'

export class MemoryStorage implements SyncStorage {
  readonly #logs = new Map<string, StoredEvent[]>()
  readonly #ids = new Map<string, string>()
  #closed = false

  async head(storeId: string): Promise<LogHead> {
    this.#checkOpen()
    const backendId = this.#ids.get(storeId) ?? newBackendId()
    this.#ids.set(storeId, backendId)
    return { head: this.#logs.get(storeId)?.at(-1)?.seqNum ?? 0, backendId }
  }

  async append(
    storeId: string,
    parent: number,
    events: readonly StoredEvent[],
  ): Promise<AppendOutcome> {
    this.#checkOpen()
    const log = this.#logs.get(storeId) ?? []
    const head = log.at(-1)?.seqNum ?? 0
    if (head !== parent) return { taken: false, head }
    log.push(...events)
    this.#logs.set(storeId, log)
    return { taken: true }
  }

  async read(
    storeId: string,
    after: number,
    limit: { readonly events: number; readonly bytes: number },
  ): Promise<readonly StoredEvent[]> {
    const log = this.#logs.get(storeId) ?? []
    const first = log.findIndex(({ seqNum }) => seqNum > after)
    const found: StoredEvent[] = []
    let bytes = 0
    for (let i = first; i >= 0 && i < log.length; i++) {
      if (found.length >= limit.events || bytes >= limit.bytes) break
      const event = log[i] as StoredEvent
      found.push(event)
      bytes += event.args.length
    }
    return found
  }

  watch(): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    this.#logs.clear()
    this.#closed = true
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('the storage has been closed')
  }
}
