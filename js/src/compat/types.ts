/** Types that the root of `@livestore/livestore` exports and that nothing here needs. */

import type { LiveQuery } from '../reactivity/definitions.js'
import type { Store } from '../store/store.js'
import type { MutableDebugInfo } from './tools.js'

/** A signal of one store. */
export type Signal<Value> = LiveQuery<Value>
/** What was measured of queries. */
export type DebugInfo = Readonly<MutableDebugInfo>
/** What was measured of one query. */
export interface QueryDebugInfo {
  readonly _tag: string
  readonly label: string
  readonly query: string
  readonly durationMs: number
}
/** Why a query ran again. */
export interface RefreshReason {
  readonly _tag: string
  readonly label?: string | undefined
}
/** Something that is shared for as long as somebody holds it. */
export interface RcRef<Value> {
  readonly rc: number
  readonly value: Value
  deref(): void
}
/** For tracing; nothing is traced without it. */
export interface OtelOptions {
  readonly tracer?: unknown
  readonly rootSpanContext?: unknown
}
/** A store that can be used, as React contexts carry it. */
export interface LiveStoreContextRunning {
  readonly stage: 'running'
  readonly store: Store
}
/** What React contexts carry. */
export type LiveStoreContext = LiveStoreContextRunning | { readonly stage: string }
/** How far a session is ahead of its leader. */
export interface SyncState {
  readonly pending: readonly unknown[]
  readonly upstreamHead: unknown
  readonly localHead: unknown
}
/** Completed when the store ends: a Deferred of effect. */
export type ShutdownDeferred = unknown
/** The session of a tab. It is inside the engine. */
export interface ClientSession {
  readonly clientId: string
  readonly sessionId: string
}
/** A database. It is inside the engine. */
export interface SqliteDb {
  select<Row>(query: string, bindValues?: unknown): readonly Row[]
  execute(query: string, bindValues?: unknown): void
}
/** A statement. It is inside the engine. */
export interface PreparedStatement {
  readonly sql: string
}
