/**
 * The rows of one statement with its binds, shared by every query of a store that reads them.
 *
 * While somebody watches, it is a live query of the engine: the engine says when it may have
 * changed, and a run that gives the same bytes keeps the rows that JavaScript already has, so that
 * "equal" is "identical" for everybody above.
 *
 * The signal carries no rows, only that they may be others. So nothing is run until it is read.
 */

import { type Signal, signal } from '@preact/signals-core'
import type { Binds, RowKey, RowShape } from '../wasm/values.js'

/** What is used of a `ClientSession`. */
export interface QueryEngine {
  query(sql: string, binds: Binds, shape?: RowShape): unknown[]
  openLive(sql: string, binds: Binds, rowKey?: RowKey): number
  runLive(id: number, shape?: RowShape): unknown[] | undefined
  closeLive(id: number): void
}

export interface SourceHandlers {
  readonly onOpen: (liveId: number, source: SqlSource) => void
  readonly onUnwatched: (source: SqlSource) => void
}

export class SqlSource {
  readonly key: string
  readonly #engine: QueryEngine
  readonly #sql: string
  readonly #binds: Binds
  readonly #rowKey: RowKey | undefined
  readonly #shape: RowShape
  readonly #handlers: SourceHandlers
  readonly #version: Signal<number>
  #isWatched = false
  #isStale = true
  #live: number | undefined
  #rows: readonly unknown[] = []

  constructor(
    engine: QueryEngine,
    query: { key: string; sql: string; binds: Binds; rowKey: RowKey | undefined; shape: RowShape },
    handlers: SourceHandlers,
  ) {
    this.#engine = engine
    this.key = query.key
    this.#sql = query.sql
    this.#binds = query.binds
    this.#rowKey = query.rowKey
    this.#shape = query.shape
    this.#handlers = handlers
    this.#version = signal(0, {
      watched: () => {
        this.#isWatched = true
      },
      unwatched: () => {
        this.#isWatched = false
        handlers.onUnwatched(this)
      },
    })
  }

  get isWatched(): boolean {
    return this.#isWatched
  }

  get liveId(): number | undefined {
    return this.#live
  }

  /** The current rows, and a dependency on them for the computation in progress. */
  read(): readonly unknown[] {
    void this.#version.value
    return this.peek()
  }

  /** The current rows. The source must be watched, or be closed by its owner later. */
  peek(): readonly unknown[] {
    if (this.#live === undefined) {
      this.#live = this.#engine.openLive(this.#sql, this.#binds, this.#rowKey)
      this.#handlers.onOpen(this.#live, this)
    }
    if (this.#isStale) {
      this.#rows = this.#engine.runLive(this.#live, this.#shape) ?? this.#rows
      this.#isStale = false
    }
    return this.#rows
  }

  /** From now on a read asks the engine again. */
  markStale(): void {
    this.#isStale = true
  }

  /** Tells whoever depends on the rows. */
  announce(): void {
    this.#version.value = this.#version.peek() + 1
  }

  /** Ends the engine's live query. */
  close(): void {
    if (this.#live !== undefined) this.#engine.closeLive(this.#live)
    this.#live = undefined
  }
}
