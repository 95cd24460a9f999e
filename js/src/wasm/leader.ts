/**
 * The leader engine, as the leader worker uses it.
 *
 * This file owns the C++ handle: no other file sees it, and `close()` is the one place that ends
 * it. Every method is synchronous because the engine is; js/src/leader makes it asynchronous for
 * sessions.
 */

import type { LeaderCountersValue, LeaderHandle } from '../../../wasm/types/module.js'
import { errorFromReply, LiveStoreError } from '../errors.js'
import { materializeCallback } from './materializer.js'
import type { Engine, StorageFile } from './module.js'
import { check, unwrap } from './reply.js'
import { Statements } from './statements.js'
import type { Materialize, SeqNum } from './values.js'

export type { StorageFile } from './module.js'

export interface LeaderOptions {
  /** What `schemaDescriptor()` made. */
  readonly schemaDescriptor: string
  /** Open handles, one per name of `leaderFileNames`, which the caller closes after `close()`. */
  readonly storage: readonly StorageFile[] | 'in-memory'
  readonly materialize: Materialize
}

export interface BootProgress {
  readonly stage: 'migrating' | 'rehydrating' | 'done'
  readonly done: number
  readonly total: number
}

/** What a group commit has to tell, in order. */
export type DrainEntry =
  | { readonly type: 'advance'; readonly author: number; readonly events: Uint8Array }
  | {
      readonly type: 'push-result'
      readonly session: number
      readonly push: number
      readonly outcome: 'accepted' | 'rejected'
    }
  | {
      readonly type: 'push-result'
      readonly session: number
      readonly push: number
      readonly outcome: 'failed'
      readonly failedIndex: number
      readonly code: string
      readonly message: string
    }

/** The files a leader's storage must hold. */
export const leaderFileNames = (engine: Engine): readonly string[] =>
  engine.module.Leader.fileNames()

const stages = ['migrating', 'rehydrating', 'done'] as const

export class Leader {
  readonly schemaHash: string
  readonly #engine: Engine
  readonly #slot: number
  readonly #pool: number
  #handle: LeaderHandle | undefined

  private constructor(engine: Engine, handle: LeaderHandle, pool: number, options: LeaderOptions) {
    this.#engine = engine
    this.#handle = handle
    this.#slot = handle.slot()
    this.#pool = pool
    this.schemaHash = handle.schemaHash()
    const statements = new Statements(engine.module, this.#slot)
    const noLocalEvent = (): never => {
      throw new LiveStoreError('Internal', 'a leader commits nothing of its own')
    }
    engine.materializers.set(
      this.#slot,
      materializeCallback(engine, statements, options.materialize, noLocalEvent, {
        clientId: '',
        sessionId: '',
      }),
    )
  }

  /**
   * Opens or creates the databases.
   *
   * @throws LiveStoreError `CorruptEventlog`, `NewerFormat` (the files are left untouched),
   * `StorageFull`,
   *   `StorageIo`, `InvalidSchema`
   */
  static open(engine: Engine, options: LeaderOptions): Leader {
    const { storage, schemaDescriptor } = options
    const pool = storage === 'in-memory' ? -1 : engine.registerStorage(storage)
    try {
      return new Leader(
        engine,
        unwrap(engine.module.Leader.open(pool, schemaDescriptor)),
        pool,
        options,
      )
    } catch (error) {
      if (pool >= 0) engine.releaseStorage(pool)
      throw error
    }
  }

  /** Does a bounded piece of the boot; call until `done`. */
  bootStep(): BootProgress {
    const { stage, done, total } = unwrap(this.#live().bootStep())
    return { stage: stages[stage], done, total }
  }

  /**
   * Queues a push.
   *
   * @throws LiveStoreError `MalformedBytes`, `LimitExceeded`: the session is at fault.
   */
  submit(session: number, push: number, events: Uint8Array): void {
    check(this.#live().submit(session, push, events))
  }

  /**
   * Takes everything queued into the log with one flush; accepted means durable.
   *
   * @throws LiveStoreError `StorageFull`, `StorageIo`: everything stays queued, try again later.
   */
  drain(): readonly DrainEntry[] {
    return unwrap(this.#live().drain()).map((entry): DrainEntry => {
      if ('author' in entry) return { type: 'advance', ...entry }
      const { session, push } = entry
      if (entry.answer !== 2) {
        return {
          type: 'push-result',
          session,
          push,
          outcome: entry.answer === 0 ? 'accepted' : 'rejected',
        }
      }
      const { code, message } = errorFromReply(entry)
      return {
        type: 'push-result',
        session,
        push,
        outcome: 'failed',
        failedIndex: entry.failedIndex,
        code,
        message,
      }
    })
  }

  /** The events after `cursor` as a batch; undefined if the log does not hold that position. */
  eventsAfter(cursor: SeqNum): Uint8Array | undefined {
    return unwrap(this.#live().eventsAfter(cursor))
  }

  /** The state for `ClientSession.loadImage`, in a buffer of its own. */
  image(): Uint8Array {
    return unwrap(this.#live().image())
  }

  localHead(): SeqNum {
    return this.#live().localHead()
  }

  /** Work done so far, for benchmarks and tests. */
  counters(): LeaderCountersValue {
    return this.#live().counters()
  }

  /** Ends the engine object and closes its databases. Idempotent; later calls of others throw. */
  close(): void {
    if (this.#handle === undefined) return
    this.#handle.delete()
    this.#handle = undefined
    this.#engine.materializers.delete(this.#slot)
    if (this.#pool >= 0) this.#engine.releaseStorage(this.#pool)
  }

  #live(): LeaderHandle {
    if (this.#handle === undefined) throw new LiveStoreError('Closed', 'the leader has been closed')
    return this.#handle
  }
}
