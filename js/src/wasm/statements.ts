/**
 * The statements of one engine object: SQL text to number, and the running of queries.
 *
 * Shared by the client session and the leader, which both let materializers read their state.
 * Numbers are the engine's; this only remembers them, and drops them with the engine object.
 */

import type { EngineModule } from '../../../wasm/types/module.js'
import { errorFromReply, LiveStoreError } from '../errors.js'
import {
  positionalBinds,
  readError,
  readRows,
  readStatementInfo,
  type Target,
  writeInputBinds,
  writeSql,
} from './codec.js'
import type { Binds, RowShape, StatementInfo, StateReader } from './values.js'

const asIs: RowShape = {}

export class Statements implements StateReader {
  readonly #module: EngineModule
  readonly #slot: number
  readonly #input: Target
  readonly #bySql = new Map<string, StatementInfo>()

  constructor(module: EngineModule, slot: number) {
    this.#module = module
    this.#slot = slot
    this.#input = { module, reserve: (bytes) => module._ls_input(bytes) }
  }

  prepare(sql: string): StatementInfo {
    const known = this.#bySql.get(sql)
    if (known !== undefined) return known
    if (sql.includes('\0'))
      throw new LiveStoreError('Sql', `an SQL text holds a NUL character: ${sql}`)
    const id = this.#module._ls_prepare(this.#slot, writeSql(this.#input, sql))
    if (id < 0) throw this.lastError()
    const info = readStatementInfo(this.#module, id)
    this.#bySql.set(sql, info)
    return info
  }

  query(sql: string, binds: Binds, shape: RowShape = asIs): unknown[] {
    const info = this.prepare(sql)
    const bytes = writeInputBinds(this.#input, positionalBinds(binds, info, sql))
    if (this.#module._ls_query(this.#slot, info.id, bytes) < 0) throw this.lastError()
    return readRows(this.#module, info.columns, shape)
  }

  /** Writes the binds of `sql` into the input; returns the statement and the bytes. */
  bind(sql: string, binds: Binds): { info: StatementInfo; bytes: number } {
    const info = this.prepare(sql)
    return { info, bytes: writeInputBinds(this.#input, positionalBinds(binds, info, sql)) }
  }

  /** The error that the last raw export reported. */
  lastError(): LiveStoreError {
    return errorFromReply(readError(this.#module))
  }
}
