/**
 * The logs of every store in one SQLite file: what `livestore-wasm serve` keeps its data in.
 *
 *     store  id, name, head, backendId          one row per store that was written to
 *     event  id → parent, bytes, name, args, clientId, sessionId, createdAt      id: store, seqNum
 *     meta   format, databaseId
 *
 * Appends of one turn of the event loop are one transaction and one flush, of however many stores:
 * while a flush takes its time, the next appends gather. This process owns the file, so heads are
 * in memory, and an append that does not fit is refused without looking.
 */

import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ServerDatabase, type Statement } from '../../wasm/server-database.js'
import { backendIdFrom, derivedFrom, newBackendId } from '../backend-id.js'
import type { AppendOutcome, LogHead, StoredEvent, SyncStorage } from '../storage.js'
import { lockDirectory } from './data-lock.js'
import { openDatabaseFiles } from './node-files.js'

/** 1: the first. */
const format = 1
const fileName = 'sync.db'

/** A million millions of events in a log, and eight million stores. */
const seqNumBits = 40

const schema = `
  CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY, value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS store (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, head INTEGER NOT NULL,
    backendId TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, parentSeqNum INTEGER NOT NULL, bytes INTEGER NOT NULL,
    name TEXT NOT NULL, args TEXT NOT NULL, clientId TEXT NOT NULL, sessionId TEXT NOT NULL,
    createdAt TEXT NOT NULL
  ) STRICT;
`

interface Store {
  /** 0 until it is first written to. */
  id: number
  head: number
  readonly backendId: string
}

interface WaitingAppend {
  readonly storeId: string
  readonly parent: number
  readonly events: readonly StoredEvent[]
  resolve(outcome: AppendOutcome): void
  reject(error: unknown): void
}

export class SqliteStorage implements SyncStorage {
  readonly #database: ServerDatabase
  readonly #databaseId: string
  readonly #release: () => void
  readonly #statements: Statements
  /** Stores that were asked for, those that do not exist included. */
  readonly #stores = new Map<string, Store>()
  #waiting: WaitingAppend[] = []
  /** A write or a flush failed, so nothing in memory is believed. */
  #broken = false
  #closed = false

  private constructor(database: ServerDatabase, databaseId: string, release: () => void) {
    this.#database = database
    this.#databaseId = databaseId
    this.#release = release
    this.#statements = prepare(database)
  }

  /**
   * Opens the data in `directory`, which is made if it is not there. `wasm` is
   * sync-server-db.wasm; tests put failing files in `openFiles`' place.
   *
   * @throws (as a rejection) Error when another process has it, LiveStoreError `CorruptState`,
   *   `NewerFormat`
   */
  static async open(
    directory: string,
    wasm: Uint8Array,
    openFiles = openDatabaseFiles,
  ): Promise<SqliteStorage> {
    mkdirSync(directory, { recursive: true })
    const unlock = lockDirectory(directory)
    let release = unlock
    try {
      const { files, close } = openFiles(join(directory, fileName), fileName)
      release = () => {
        close()
        unlock()
      }
      const database = await ServerDatabase.open(wasm, fileName, files)
      return new SqliteStorage(database, begin(database), release)
    } catch (error) {
      release()
      throw error
    }
  }

  async head(storeId: string): Promise<LogHead> {
    const { head, backendId } = this.#store(storeId)
    return { head, backendId }
  }

  async append(
    storeId: string,
    parent: number,
    events: readonly StoredEvent[],
  ): Promise<AppendOutcome> {
    this.#checkOpen()
    const { seqNum } = events.at(-1) as StoredEvent
    if (seqNum >= 2 ** seqNumBits) throw new Error(`a log ends at ${2 ** seqNumBits - 1}`)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ storeId, parent, events, resolve, reject })
      if (this.#waiting.length === 1) setImmediate(() => this.#appendWaiting())
    })
  }

  async read(
    storeId: string,
    after: number,
    limit: { readonly events: number; readonly bytes: number },
  ): Promise<readonly StoredEvent[]> {
    const { id } = this.#store(storeId)
    if (id === 0) return []
    this.#checkOpen()
    const { sizes, events } = this.#statements
    const found = this.#database.query<{ bytes: number }>(sizes, [id, after, limit.events])
    let bytes = 0
    let count = 0
    while (count < found.length && bytes < limit.bytes) bytes += found[count++]!.bytes
    return this.#database.query<StoredEvent>(events, [id, after, count])
  }

  /** Nobody else appends. */
  watch(): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#appendWaiting()
    this.#closed = true
    this.#database.close()
    this.#release()
  }

  #store(storeId: string): Store {
    this.#checkOpen()
    const known = this.#stores.get(storeId)
    if (known !== undefined) return known
    const [row] = this.#database.query<Store>(this.#statements.store, [storeId])
    const hash = createHash('sha256').update(derivedFrom(this.#databaseId, storeId)).digest()
    const store = row ?? { id: 0, head: 0, backendId: backendIdFrom(hash) }
    // Store ids come from strangers: what is remembered of them is bounded, and found again.
    if (this.#stores.size >= storesMax) this.#stores.clear()
    this.#stores.set(storeId, store)
    return store
  }

  #appendWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length === 0) return
    const heads = new Map<Store, number>()
    const fitting: WaitingAppend[] = []
    try {
      this.#checkOpen()
      this.#database.exec('BEGIN IMMEDIATE')
      for (const append of waiting) {
        if (this.#write(append, heads)) fitting.push(append)
      }
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#broken = true
      this.#stores.clear()
      for (const { reject } of waiting) reject(error)
      return
    }
    for (const [store, head] of heads) store.head = head
    const taken = new Set(fitting)
    for (const append of waiting) {
      if (taken.has(append)) append.resolve({ taken: true })
      else append.resolve({ taken: false, head: this.#store(append.storeId).head })
    }
  }

  /** False if it does not fit. The heads of memory follow after the commit. */
  #write(append: WaitingAppend, heads: Map<Store, number>): boolean {
    const { storeId, parent, events } = append
    const { newStore, newEvent, store: find } = this.#statements
    let store = this.#store(storeId)
    const head = heads.get(store) ?? store.head
    if (head !== parent) return false
    let { id } = store
    if (id === 0) {
      this.#database.run(newStore, [storeId, store.backendId])
      id = this.#database.query<Store>(find, [storeId])[0]!.id
      store = { ...store, id }
      this.#stores.set(storeId, store)
    }
    for (const event of events) {
      const { seqNum, parentSeqNum, name, args, clientId, sessionId, createdAt } = event
      this.#database.run(newEvent, [
        id,
        seqNum,
        parentSeqNum,
        args.length + name.length + 200,
        name,
        args,
        clientId,
        sessionId,
        createdAt,
      ])
    }
    const last = (events.at(-1) as StoredEvent).seqNum
    this.#database.run(this.#statements.setHead, [last, id])
    heads.set(store, last)
    return true
  }

  /** @throws when it is closed, or the files still cannot be read after they failed */
  #checkOpen(): void {
    if (this.#closed) throw new Error('the storage has been closed')
    if (!this.#broken) return
    // What was not committed is gone; what was is read again when it is asked for.
    this.#database.reopen()
    this.#broken = false
  }
}

/** Stores whose heads are remembered. */
const storesMax = 100_000

/** A rowid table is appended to with half the page writes of one whose key is both columns. */
const idOf = (store: string, seqNum: string): string => `(${store} << ${seqNumBits}) + ${seqNum}`
const seqNumOfId = `id & ${2 ** seqNumBits - 1}`
/** ?1 the store, ?2 the number after which. */
const inLog = `id > ${idOf('?1', '?2')} AND id < ${idOf('(?1 + 1)', '0')}`

const prepare = (database: ServerDatabase) => ({
  store: database.prepare('SELECT id, head, backendId FROM store WHERE name = ?', [
    'id',
    'head',
    'backendId',
  ]),
  newStore: database.prepare('INSERT INTO store (name, head, backendId) VALUES (?, 0, ?)'),
  setHead: database.prepare('UPDATE store SET head = ? WHERE id = ?'),
  newEvent: database.prepare(`INSERT INTO event VALUES (${idOf('?', '?')}, ?, ?, ?, ?, ?, ?, ?)`),
  sizes: database.prepare(`SELECT bytes FROM event WHERE ${inLog} ORDER BY id LIMIT ?3`, ['bytes']),
  events: database.prepare(
    `SELECT ${seqNumOfId}, parentSeqNum, name, args, clientId, sessionId, createdAt FROM event ` +
      `WHERE ${inLog} ORDER BY id LIMIT ?3`,
    ['seqNum', 'parentSeqNum', 'name', 'args', 'clientId', 'sessionId', 'createdAt'],
  ),
})

type Statements = Record<keyof ReturnType<typeof prepare>, Statement>

/** Makes the tables where they are missing. Returns the database's id. */
const begin = (database: ServerDatabase): string => {
  database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`)
  const get = database.prepare('SELECT value FROM meta WHERE key = ?', ['value'])
  const put = database.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING')
  database.run(put, ['format', String(format)])
  database.run(put, ['databaseId', newBackendId()])
  const value = (key: string): string =>
    database.query<{ value: string }>(get, [key])[0]?.value ?? ''
  if (value('format') !== String(format)) {
    throw new Error(`${fileName} has format ${value('format')}, this build knows ${format}`)
  }
  return value('databaseId')
}
