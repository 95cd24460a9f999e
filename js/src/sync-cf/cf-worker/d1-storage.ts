/**
 * The log of a store in a D1 database, in the tables of `@livestore/sync-cf` 0.4. The head and the
 * backend id are in the Durable Object, which alone appends; the events, of all stores, in D1.
 *
 * The events are inserted first and the head is moved afterwards. If the object dies in between, or
 * an insert is not answered, the head is made to follow the events when it is next asked for.
 *
 * The store that had a table first keeps it: another one whose id differs in punctuation only gets
 * a table of its own, where upstream mixes the two.
 */

import { backendIdFrom, newBackendId } from '../../sync-server/backend-id.js'
import type { AppendOutcome, LogHead, StoredEvent, SyncStorage } from '../../sync-server/storage.js'
import type { D1Database, DurableObjectState } from './cf-types.js'
import { createContext, createEventlog, eventOf, insertsOf, plainTable } from './format-7.js'

type Sql = DurableObjectState['storage']['sql']

interface OpenLog {
  readonly table: string
  readonly backendId: string
  head: number
}

export class D1Storage implements SyncStorage {
  readonly #database: D1Database
  readonly #sql: Sql
  /** Of the one store; undefined before it was asked for, and after an append that failed. */
  #log: { readonly storeId: string; readonly opened: Promise<OpenLog> } | undefined
  #appending: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(database: D1Database, storage: DurableObjectState['storage']) {
    this.#database = database
    this.#sql = storage.sql
  }

  async head(storeId: string): Promise<LogHead> {
    const { head, backendId } = await this.#open(storeId)
    return { head, backendId }
  }

  append(storeId: string, parent: number, events: readonly StoredEvent[]): Promise<AppendOutcome> {
    const appended = this.#appending.then(() => this.#append(storeId, parent, events))
    this.#appending = appended.catch(() => {})
    return appended
  }

  async #append(
    storeId: string,
    parent: number,
    events: readonly StoredEvent[],
  ): Promise<AppendOutcome> {
    const log = await this.#open(storeId)
    if (log.head !== parent) return { taken: false, head: log.head }
    try {
      // A batch is a transaction.
      await this.#database.batch(
        insertsOf(log.table, events).map(({ query, binds }) =>
          this.#database.prepare(query).bind(...binds),
        ),
      )
    } catch (error) {
      this.#log = undefined
      throw error
    }
    this.#moveHead(storeId, log, (events.at(-1) as StoredEvent).seqNum)
    return { taken: true }
  }

  async read(
    storeId: string,
    after: number,
    limit: { readonly events: number; readonly bytes: number },
  ): Promise<readonly StoredEvent[]> {
    const { table } = await this.#open(storeId)
    const size = 'coalesce(length(args), 0) + length(name) + 200'
    const query =
      `SELECT * FROM (SELECT *, sum(${size}) OVER (ORDER BY seqNum) - (${size}) AS total FROM ` +
      `(SELECT * FROM "${table}" WHERE seqNum > ? ORDER BY seqNum LIMIT ?)) WHERE total < ? ` +
      'ORDER BY seqNum'
    return (await this.#all(query, after, limit.events, limit.bytes)).map(eventOf)
  }

  /** Nobody else appends. */
  watch(): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #open(storeId: string): Promise<OpenLog> {
    if (this.#closed) return Promise.reject(new Error('the storage has been closed'))
    if (this.#log?.storeId === storeId) return this.#log.opened
    const log = { storeId, opened: this.#openLog(storeId) }
    this.#log = log
    log.opened.catch(() => {
      if (this.#log === log) this.#log = undefined
    })
    return log.opened
  }

  async #openLog(storeId: string): Promise<OpenLog> {
    this.#sql.exec(createContext)
    const [row] = this.#sql
      .exec('SELECT currentHead, backendId FROM context_7 WHERE storeId = ?', storeId)
      .toArray()
    const table = await this.#table(storeId, row !== undefined)
    const backendId = row === undefined ? newBackendId() : String(row.backendId)
    if (row === undefined) {
      this.#sql.exec('INSERT INTO context_7 VALUES (?, 0, ?)', storeId, backendId)
    }
    const [last] = await this.#all(`SELECT max(seqNum) AS head FROM "${table}"`)
    const log = { table, backendId, head: Number(row?.currentHead ?? 0) }
    const stored = Number(last?.head ?? 0)
    if (stored > log.head) this.#moveHead(storeId, log, stored)
    return log
  }

  #moveHead(storeId: string, log: OpenLog, head: number): void {
    this.#sql.exec('UPDATE context_7 SET currentHead = ? WHERE storeId = ?', head, storeId)
    log.head = head
  }

  /**
   * The store's table, made if it is not there. `isKnown`: upstream or this worker had it before.
   */
  async #table(storeId: string, isKnown: boolean): Promise<string> {
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS livestore_d1 (storeId TEXT PRIMARY KEY, name TEXT NOT NULL)',
    )
    const [row] = this.#sql
      .exec('SELECT name FROM livestore_d1 WHERE storeId = ?', storeId)
      .toArray()
    if (row !== undefined) return String(row.name)
    let table = plainTable(storeId)
    const exists = 'SELECT 1 FROM sqlite_master WHERE name = ?'
    if (!isKnown && (await this.#all(exists, table)).length > 0) {
      const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(storeId))
      table += `_${backendIdFrom(new Uint8Array(hash)).replaceAll('-', '$')}`
    }
    await this.#all(createEventlog(table))
    this.#sql.exec('INSERT INTO livestore_d1 VALUES (?, ?)', storeId, table)
    return table
  }

  async #all(query: string, ...binds: (string | number)[]): Promise<Record<string, unknown>[]> {
    const { results } = await this.#database
      .prepare(query)
      .bind(...binds)
      .all()
    return results
  }
}
