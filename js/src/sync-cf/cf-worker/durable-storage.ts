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

/** A statement takes 100 parameters at most. */
const rowsPerInsert = 14

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
      for (let first = 0; first < events.length; first += rowsPerInsert) {
        this.#insert(table, events.slice(first, first + rowsPerInsert))
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

  #insert(table: string, events: readonly StoredEvent[]): void {
    const rows = events.map(() => '(?, ?, ?, ?, ?, ?, ?)').join()
    const columns = 'seqNum, parentSeqNum, name, args, createdAt, clientId, sessionId'
    this.#storage.sql.exec(
      `INSERT INTO "${table}" (${columns}) VALUES ${rows}`,
      ...events.flatMap((event) => [
        event.seqNum,
        event.parentSeqNum,
        event.name,
        event.args,
        event.createdAt,
        event.clientId,
        event.sessionId,
      ]),
    )
  }

  /** The name of the store's table, which is made if it is not there. */
  #table(storeId: string): string {
    if (this.#closed) throw new Error('the storage has been closed')
    const table = `eventlog_7_${storeId.replace(/[^a-zA-Z0-9]/g, '_')}`
    if (this.#tables.has(table)) return table
    const { sql } = this.#storage
    sql.exec(
      `CREATE TABLE IF NOT EXISTS "${table}" (seqNum INTEGER PRIMARY KEY, ` +
        'parentSeqNum INTEGER NOT NULL, name TEXT NOT NULL, args TEXT, createdAt TEXT NOT NULL, ' +
        'clientId TEXT NOT NULL, sessionId TEXT NOT NULL) STRICT',
    )
    sql.exec(
      'CREATE TABLE IF NOT EXISTS context_7 ' +
        '(storeId TEXT PRIMARY KEY, currentHead INTEGER, backendId TEXT) STRICT',
    )
    this.#tables.add(table)
    return table
  }
}

const eventOf = (row: Record<string, unknown>): StoredEvent => ({
  seqNum: Number(row.seqNum),
  parentSeqNum: Number(row.parentSeqNum),
  name: String(row.name),
  // Events without arguments were stored as NULL.
  args: row.args === null ? 'null' : String(row.args),
  clientId: String(row.clientId),
  sessionId: String(row.sessionId),
  createdAt: String(row.createdAt),
})
