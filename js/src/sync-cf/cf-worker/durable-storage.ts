/**
 * The log of a store in its Durable Object's SQLite, in the tables of `@livestore/sync-cf` 0.4 (its
 * format 7): data that is there is read as it is, and could be read by it again.
 *
 *     eventlog_7_<store>  seqNum, parentSeqNum, name, args, createdAt, clientId, sessionId
 *     context_7           storeId, currentHead, backendId
 *
 * The object is the only one of its store and its SQL is synchronous, so nothing happens between a
 * look at the head and an append. What is sent to a client waits in the runtime until the writes
 * before it are durable.
 */

import { newBackendId } from '../../sync-server/backend-id.js'
import type { AppendOutcome, LogHead, StoredEvent, SyncStorage } from '../../sync-server/storage.js'
import type { DurableObjectState } from './cf-types.js'
import { createContext, createEventlog, eventOf, insertsOf, plainTable } from './format-7.js'

type Storage = DurableObjectState['storage']

export class DurableStorage implements SyncStorage {
  readonly #storage: Storage
  readonly #tables = new Set<string>()
  #closed = false

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async head(storeId: string): Promise<LogHead> {
    return this.#head(storeId)
  }

  async append(
    storeId: string,
    parent: number,
    events: readonly StoredEvent[],
  ): Promise<AppendOutcome> {
    const table = this.#table(storeId)
    return this.#storage.transactionSync((): AppendOutcome => {
      const { head } = this.#head(storeId)
      if (head !== parent) return { taken: false, head }
      for (const { query, binds } of insertsOf(table, events)) {
        this.#storage.sql.exec(query, ...binds)
      }
      const last = (events.at(-1) as StoredEvent).seqNum
      this.#storage.sql.exec(
        'UPDATE context_7 SET currentHead = ? WHERE storeId = ?',
        last,
        storeId,
      )
      return { taken: true }
    })
  }

  async read(
    storeId: string,
    after: number,
    limit: { readonly events: number; readonly bytes: number },
  ): Promise<readonly StoredEvent[]> {
    const table = this.#table(storeId)
    const cursor = this.#storage.sql.exec(
      `SELECT * FROM "${table}" WHERE seqNum > ? ORDER BY seqNum LIMIT ?`,
      after,
      limit.events,
    )
    const events: StoredEvent[] = []
    let bytes = 0
    for (const row of cursor) {
      const event = eventOf(row)
      events.push(event)
      bytes += event.args.length + event.name.length + 200
      if (bytes >= limit.bytes) break
    }
    return events
  }

  /** Nobody else appends. */
  watch(): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #head(storeId: string): LogHead {
    const table = this.#table(storeId)
    const { sql } = this.#storage
    const [row] = sql
      .exec('SELECT currentHead, backendId FROM context_7 WHERE storeId = ?', storeId)
      .toArray()
    if (row !== undefined) {
      return { head: Number(row.currentHead), backendId: String(row.backendId) }
    }
    const [last] = sql.exec(`SELECT max(seqNum) AS head FROM "${table}"`).toArray()
    const head = Number(last?.head ?? 0)
    const backendId = newBackendId()
    sql.exec('INSERT INTO context_7 VALUES (?, ?, ?)', storeId, head, backendId)
    return { head, backendId }
  }

  /** The name of the store's table, which is made if it is not there. */
  #table(storeId: string): string {
    if (this.#closed) throw new Error('the storage has been closed')
    const table = plainTable(storeId)
    if (this.#tables.has(table)) return table
    this.#storage.sql.exec(createEventlog(table))
    this.#storage.sql.exec(createContext)
    this.#tables.add(table)
    return table
  }
}
