/**
 * The values that cross between JavaScript and the engine, as the rest of js/ sees them.
 */

/** What can be bound to a statement. Booleans become 1 and 0. */
export type BindValue = null | number | bigint | string | boolean | Uint8Array

/** By position, or by name (with or without the leading `$`, `:` or `@`). */
/**
 * What all rows that a query can see have in common: `column`, from 0, of its only table equals its
 * bind number `parameter`, from 1.
 */
export interface RowKey {
  readonly column: number
  readonly parameter: number
}

export type Binds = readonly BindValue[] | Readonly<Record<string, BindValue>>

/** What SQLite returns. Integers beyond 2^53 come as bigint. */
export type SqlValue = null | number | bigint | string | Uint8Array

/** One write of a materializer. */
export interface Statement {
  readonly sql: string
  readonly binds: Binds
}

/** An event's position; see core/event/seq_num.h. */
export interface SeqNum {
  readonly global: number
  readonly client: number
  readonly generation: number
}

/** An event as it is logged. */
export interface EventRecord {
  readonly name: string
  readonly argsJson: string
  readonly seqNum: SeqNum
  readonly parentSeqNum: SeqNum
  readonly clientId: string
  readonly sessionId: string
}

/**
 * How far the events of a session have come, counted from 1: all up to it, but for rejected ones.
 */
export interface Receipts {
  /** The last event committed. */
  readonly committed: number
  /** Flushed by the leader. */
  readonly persisted: number
  /** Ordered by the sync backend; 0 for ever without one. */
  readonly synced: number
  /** A sync backend orders the log, as the leader said last. */
  readonly hasBackend: boolean
}

/** What a materialization starts from. */
export interface MaterializeInput extends EventRecord {
  /** True for an event of the commit in progress: `args` are the decoded arguments it was given. */
  readonly local: boolean
  /** Only if `local`; otherwise decode `argsJson`. */
  readonly args: unknown
  /** Only if `local`: what whoever commits has to say to the materialization. */
  readonly note?: unknown
}

/**
 * Turns one event into writes. May throw: the engine then fails the event with `MaterializerThrew`,
 * or with the code of a `LiveStoreError`. `reader` sees the state before the event.
 */
export type Materialize = (event: MaterializeInput, reader: StateReader) => readonly Statement[]

/** Turns a stored value into the app's; undefined leaves it as it is. */
export type ColumnDecoder = ((value: SqlValue) => unknown) | undefined

/** How rows become JavaScript values: objects, or with `pluck` the values of the first column. */
export interface RowShape {
  /** By result column. */
  readonly decoders?: readonly ColumnDecoder[]
  readonly pluck?: boolean
}

/** What the engine knows of a statement. Table names are as the schema spells them. */
export interface StatementInfo {
  readonly id: number
  readonly columns: readonly string[]
  /** `''` for a plain `?`, else with its sign. */
  readonly parameters: readonly string[]
  readonly reads: readonly string[]
  readonly writes: readonly string[]
}

/** The reading side of a session or leader. */
export interface StateReader {
  /** @throws LiveStoreError `Sql`, `ReadOnlyQuery`, `InvalidBind` */
  query(sql: string, binds: Binds, shape?: RowShape): unknown[]
  /** @throws LiveStoreError `Sql` */
  prepare(sql: string): StatementInfo
}
