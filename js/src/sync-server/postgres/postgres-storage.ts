/**
 * The logs of every store in a PostgreSQL database: any number of servers share it and keep nothing
 * of their own.
 *
 *     livestore_store  id, name, head, backend_id       locked by an append until it commits
 *     livestore_event  store, seq_num → parent, bytes, name, args, client and session, created_at
 *     livestore_meta   format, database_id
 *
 * An append is one statement: it moves the head if that is the parent, inserts the events and tells
 * the other servers (NOTIFY livestore_head), or does nothing. The row lock of the store is the
 * order. One connection of each process listens; after it was lost, every head is asked for again.
 */

import type { Client, Pool, PoolClient } from 'pg'
import { derivedBackendId, newBackendId } from '../backend-id.js'
import type { AppendOutcome, LogHead, StoredEvent, SyncStorage } from '../storage.js'

/** 1: the first. */
const format = '1'
const channel = 'livestore_head'
/** Any number that nobody else takes for an advisory lock. */
const schemaLock = 7_205_759_403_792

const schema = `
  CREATE TABLE IF NOT EXISTS livestore_meta (key text PRIMARY KEY, value text NOT NULL);
  CREATE TABLE IF NOT EXISTS livestore_store (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE, head bigint NOT NULL, backend_id text NOT NULL
  );
  CREATE TABLE IF NOT EXISTS livestore_event (
    store bigint NOT NULL, seq_num bigint NOT NULL, parent_seq_num bigint NOT NULL,
    bytes integer NOT NULL, name text NOT NULL, args text NOT NULL, client_id text NOT NULL,
    session_id text NOT NULL, created_at text NOT NULL,
    PRIMARY KEY (store, seq_num)
  );
`

const appendTo = (moved: string): string => `
  WITH moved AS (${moved}), inserted AS (
    INSERT INTO livestore_event
    SELECT moved.id, event.* FROM moved, unnest(
      $4::bigint[], $5::bigint[], $6::integer[], $7::text[], $8::text[], $9::text[], $10::text[],
      $11::text[]
    ) AS event
  )
  SELECT pg_notify('${channel}', $12) FROM moved`

/** $1 the store's name, $2 the parent, $3 the new head. */
const append = {
  name: 'livestore_append',
  text: appendTo('UPDATE livestore_store SET head = $3 WHERE name = $1 AND head = $2 RETURNING id'),
}
/** The first of a store, which makes its row; $13 is its backend id. */
const appendFirst = {
  name: 'livestore_append_first',
  text: appendTo(
    'INSERT INTO livestore_store AS store (name, head, backend_id) VALUES ($1, $3, $13) ' +
      'ON CONFLICT (name) DO UPDATE SET head = excluded.head WHERE store.head = $2::bigint ' +
      'RETURNING id',
  ),
}
const head = {
  name: 'livestore_head',
  text: 'SELECT head, backend_id FROM livestore_store WHERE name = $1',
}
/** Events until their bytes are enough: `total` is what comes before an event. */
const read = {
  name: 'livestore_read',
  text: `
    SELECT seq_num, parent_seq_num, name, args, client_id, session_id, created_at FROM (
      SELECT *, sum(bytes) OVER (ORDER BY seq_num) - bytes AS total FROM (
        SELECT event.* FROM livestore_event AS event
        JOIN livestore_store AS store ON store.id = event.store
        WHERE store.name = $1 AND seq_num > $2 ORDER BY seq_num LIMIT $3
      ) AS candidate
    ) AS summed WHERE total < $4 ORDER BY seq_num`,
}

interface EventRow {
  readonly seq_num: string
  readonly parent_seq_num: string
  readonly name: string
  readonly args: string
  readonly client_id: string
  readonly session_id: string
  readonly created_at: string
}

export interface PostgresOptions {
  /** Connections for appends and reads, beside the one that listens. */
  readonly connectionsMax?: number
  /** Told of what goes wrong outside of any call. */
  readonly onProblem?: (problem: string) => void
}

type Pg = typeof import('pg')

/** A database that does not answer is one that failed: the client is told to try again. */
const connectMsMax = 10_000
const queryMsMax = 30_000
/** Whether the listening connection still is one is asked this often. */
const listenerCheckMs = 15_000
const retryMsFirst = 100
const retryMsMax = 5000

export class PostgresStorage implements SyncStorage {
  readonly #pg: Pg
  readonly #url: string
  readonly #pool: Pool
  readonly #databaseId: string
  readonly #onProblem: (problem: string) => void
  readonly #watchers = new Map<string, Set<(head: number) => void>>()
  #listener: Client | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #retryMs = retryMsFirst
  #closed = false

  private constructor(
    pg: Pg,
    url: string,
    pool: Pool,
    databaseId: string,
    onProblem: (problem: string) => void,
  ) {
    this.#pg = pg
    this.#url = url
    this.#pool = pool
    this.#databaseId = databaseId
    this.#onProblem = onProblem
  }

  /**
   * Connects to `url` and makes the tables where they are missing.
   *
   * @throws (as a rejection) Error when the package pg is not installed, the database cannot be
   *   reached, or its tables are of a newer format
   */
  static async open(url: string, options: PostgresOptions = {}): Promise<PostgresStorage> {
    const { connectionsMax = 10, onProblem = () => {} } = options
    const pg = await loadPg()
    const pool = new pg.Pool({
      connectionString: url,
      max: connectionsMax,
      connectionTimeoutMillis: connectMsMax,
      query_timeout: queryMsMax,
    })
    // A connection that breaks while nobody uses it; the next call makes another.
    pool.on('error', (error) => onProblem(`a connection was lost: ${error.message}`))
    try {
      const storage = new PostgresStorage(pg, url, pool, await setUp(pool), onProblem)
      await storage.#listen()
      return storage
    } catch (error) {
      await pool.end()
      throw error
    }
  }

  async head(storeId: string): Promise<LogHead> {
    const { rows } = await this.#pool.query({ ...head, values: [storeId] })
    const [row] = rows as { head: string; backend_id: string }[]
    if (row !== undefined) return { head: Number(row.head), backendId: row.backend_id }
    return { head: 0, backendId: await derivedBackendId(this.#databaseId, storeId) }
  }

  async append(
    storeId: string,
    parent: number,
    events: readonly StoredEvent[],
  ): Promise<AppendOutcome> {
    const last = (events.at(-1) as StoredEvent).seqNum
    const values: unknown[] = [
      storeId,
      parent,
      last,
      events.map(({ seqNum }) => seqNum),
      events.map(({ parentSeqNum }) => parentSeqNum),
      events.map(({ args, name }) => args.length + name.length + 200),
      events.map(({ name }) => name),
      events.map(({ args }) => args),
      events.map(({ clientId }) => clientId),
      events.map(({ sessionId }) => sessionId),
      events.map(({ createdAt }) => createdAt),
      JSON.stringify([storeId, last]),
    ]
    if (parent === 0) values.push(await derivedBackendId(this.#databaseId, storeId))
    const { rowCount } = await this.#pool.query({
      ...(parent === 0 ? appendFirst : append),
      values,
    })
    return rowCount === 1
      ? { taken: true }
      : { taken: false, head: (await this.head(storeId)).head }
  }

  async read(
    storeId: string,
    after: number,
    limit: { readonly events: number; readonly bytes: number },
  ): Promise<readonly StoredEvent[]> {
    const values = [storeId, after, limit.events, limit.bytes]
    const { rows } = await this.#pool.query({ ...read, values })
    return (rows as EventRow[]).map((row) => ({
      seqNum: Number(row.seq_num),
      parentSeqNum: Number(row.parent_seq_num),
      name: row.name,
      args: row.args,
      clientId: row.client_id,
      sessionId: row.session_id,
      createdAt: row.created_at,
    }))
  }

  watch(storeId: string, onHead: (head: number) => void): () => void {
    const watchers = this.#watchers.get(storeId) ?? new Set()
    watchers.add(onHead)
    this.#watchers.set(storeId, watchers)
    return () => {
      watchers.delete(onHead)
      if (watchers.size === 0) this.#watchers.delete(storeId)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#retry)
    const listener = this.#listener
    this.#listener = undefined
    await listener?.end().catch(() => {})
    await this.#pool.end()
  }

  /** @throws what connecting throws */
  async #listen(): Promise<void> {
    const listener = new this.#pg.Client({
      connectionString: this.#url,
      keepAlive: true,
      connectionTimeoutMillis: connectMsMax,
      query_timeout: connectMsMax,
    })
    listener.on('notification', ({ payload }) => this.#onNotification(payload ?? ''))
    listener.on('error', (error) => this.#onProblem(`listening failed: ${error.message}`))
    listener.on('end', () => {
      if (this.#listener === listener) this.#listenLater()
    })
    try {
      await listener.connect()
      await listener.query(`LISTEN ${channel}`)
      if (this.#closed) throw new Error('the storage has been closed')
    } catch (error) {
      // It may be connected all the same, and nobody else would end it.
      await listener.end().catch(() => {})
      throw error
    }
    this.#listener = listener
    this.#retryMs = retryMsFirst
    // A connection may be gone without a word of it.
    const check = setInterval(() => {
      listener.query('SELECT 1').catch((error: Error) => {
        this.#onProblem(`listening failed: ${error.message}`)
        void listener.end()
      })
    }, listenerCheckMs)
    check.unref()
    listener.once('end', () => clearInterval(check))
  }

  #listenLater(): void {
    this.#listener = undefined
    if (this.#closed) return
    this.#retry = setTimeout(() => {
      this.#listen().then(
        () => this.#tellAll(),
        (error) => {
          if (this.#closed) return
          this.#onProblem(`listening failed: ${(error as Error).message}`)
          this.#listenLater()
        },
      )
    }, this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax)
  }

  /** Of what was appended while nobody listened. */
  async #tellAll(): Promise<void> {
    for (const storeId of [...this.#watchers.keys()]) {
      try {
        this.#tell(storeId, (await this.head(storeId)).head)
      } catch (error) {
        this.#onProblem(`a head could not be read: ${(error as Error).message}`)
      }
    }
  }

  #onNotification(payload: string): void {
    let parsed: unknown
    try {
      parsed = JSON.parse(payload)
    } catch {
      return
    }
    // Anybody with access to the database may notify.
    if (!Array.isArray(parsed)) return
    const [storeId, known] = parsed
    if (typeof storeId === 'string' && Number.isSafeInteger(known)) this.#tell(storeId, known)
  }

  #tell(storeId: string, known: number): void {
    for (const onHead of this.#watchers.get(storeId) ?? []) onHead(known)
  }
}

const loadPg = async (): Promise<Pg> => {
  try {
    return (await import('pg')).default as unknown as Pg
  } catch (cause) {
    throw new Error('PostgreSQL needs the package pg: run `npm install pg`', { cause })
  }
}

/** Returns the database's id. */
const setUp = async (pool: Pool): Promise<string> => {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    // Servers that start together do not make the tables at the same time.
    await client.query('SELECT pg_advisory_xact_lock($1)', [schemaLock])
    await client.query(schema)
    const put = 'INSERT INTO livestore_meta VALUES ($1, $2) ON CONFLICT DO NOTHING'
    await client.query(put, ['format', format])
    await client.query(put, ['database_id', newBackendId()])
    const found = await metaOf(client)
    if (found.get('format') !== format) {
      throw new Error(`the tables have format ${found.get('format')}, this build knows ${format}`)
    }
    await client.query('COMMIT')
    return found.get('database_id') as string
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}

const metaOf = async (client: PoolClient): Promise<Map<string, string>> => {
  const { rows } = await client.query('SELECT key, value FROM livestore_meta')
  return new Map((rows as { key: string; value: string }[]).map(({ key, value }) => [key, value]))
}
