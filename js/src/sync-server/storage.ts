/**
 * What a sync server keeps its logs in: SQLite, PostgreSQL, a Durable Object, memory.
 *
 *     head ──► append(parent, events) ──► taken, or the head that the storage really has
 *
 * The storage orders: of two appends on the same parent one is taken, whoever asks, from however
 * many processes. When `append` resolves the events have their place for good. Everything else,
 * what may be appended, in which pages it is read and who is told, is decided above (room.ts).
 *
 * storage-conformance.ts says the same as tests; every storage runs them.
 */

/** An event in its place. The texts hold no NUL and no lone surrogate. */
export interface StoredEvent {
  readonly seqNum: number
  readonly parentSeqNum: number
  readonly name: string
  /** JSON. */
  readonly args: string
  readonly clientId: string
  readonly sessionId: string
  /** ISO 8601, UTC. */
  readonly createdAt: string
}

export interface LogHead {
  /** The number of the last event, 0 if there is none. */
  readonly head: number
  /** Of this log's history. A store that nobody wrote to has the one it will keep. */
  readonly backendId: string
}

export type AppendOutcome =
  | { readonly taken: true }
  /** Nothing was appended: the log does not end at `parent`. */
  | { readonly taken: false; readonly head: number }

/** Rejections of any function are failures of the storage: the client is told to try again. */
export interface SyncStorage {
  head(storeId: string): Promise<LogHead>
  /** All of `events`, which are contiguous and not empty, if the log ends at `parent`; or none. */
  append(storeId: string, parent: number, events: readonly StoredEvent[]): Promise<AppendOutcome>
  /**
   * Events after `after` in order: at most `limit.events`, and no more once they have
   * `limit.bytes`, but at least one if there is one.
   */
  read(
    storeId: string,
    after: number,
    limit: { readonly events: number; readonly bytes: number },
  ): Promise<readonly StoredEvent[]>
  /**
   * `onHead` is called after appends of others: other processes on the same database. It may be
   * called for one's own too, late, or with a head that is known already.
   *
   * @returns what ends it
   */
  watch(storeId: string, onHead: (head: number) => void): () => void
  /** Nothing is called afterwards. */
  close(): Promise<void>
}
