/**
 * The database of the self-hosted sync server: SQLite of the engine's own build, over files of
 * Node. One instance of the module holds one database; nothing of it is in what a page loads.
 */

// @ts-expect-error A build output: it has no types, and before the first build it is not there.
import createUntyped from '../../../build/wasm-release/wasm/sync_server_db.mjs'
import type { DatabaseModule, ModuleOptions } from '../../../wasm/types/module.js'
import { errorFromReply, LiveStoreError, messageOf } from '../errors.js'
import { readError, readRows, writeInputBinds, writeSql } from './codec.js'
import type { StorageFile } from './module.js'
import type { BindValue } from './values.js'

const createModule = createUntyped as (options: ModuleOptions) => Promise<DatabaseModule>

/** A statement, compiled once. */
export type Statement = { readonly id: number; readonly columns: readonly string[] }

export class ServerDatabase {
  readonly #module: DatabaseModule
  readonly #target: { readonly module: DatabaseModule; reserve(bytes: number): number }

  private constructor(module: DatabaseModule) {
    this.#module = module
    this.#target = { module, reserve: (bytes) => module._ls_input(bytes) }
  }

  /**
   * Opens or creates the database `name`, whose files are in `files`: `name`, `name-wal` and
   * `name-journal`. The caller closes the files after the database.
   *
   * @throws LiveStoreError `EngineLoad`, or `CorruptState`, `StorageIo`... with what SQLite says
   */
  static async open(
    wasm: Uint8Array,
    name: string,
    files: readonly StorageFile[],
  ): Promise<ServerDatabase> {
    const database = new ServerDatabase(await instantiate(wasm, files))
    database.#check(database.#module._ls_db_open(0, database.#writeSql(name)))
    return database
  }

  /** @throws LiveStoreError */
  exec(sql: string): void {
    this.#check(this.#module._ls_db_exec(this.#writeSql(sql)))
  }

  /** `columns` are the names of the result's columns, in order. */
  prepare(sql: string, columns: readonly string[] = []): Statement {
    return { id: this.#check(this.#module._ls_db_prepare(this.#writeSql(sql))), columns }
  }

  /** @throws LiveStoreError */
  run(statement: Statement, binds: readonly BindValue[]): void {
    this.#check(this.#module._ls_db_run(statement.id, writeInputBinds(this.#target, binds)))
  }

  /** The rows as objects. @throws LiveStoreError */
  query<Row>(statement: Statement, binds: readonly BindValue[]): Row[] {
    this.#check(this.#module._ls_db_query(statement.id, writeInputBinds(this.#target, binds)))
    return readRows(this.#module, statement.columns, {}) as Row[]
  }

  /** The way on after a failure of storage: the files are read anew. @throws LiveStoreError */
  reopen(): void {
    this.#check(this.#module._ls_db_reopen())
  }

  /** Calls after it fail with `Closed`. */
  close(): void {
    this.#module._ls_db_close()
  }

  #writeSql(sql: string): number {
    return writeSql(this.#target, sql)
  }

  #check(answer: number): number {
    if (answer < 0) throw errorFromReply(readError(this.#module))
    return answer
  }
}

const instantiate = async (
  wasm: Uint8Array,
  files: readonly StorageFile[],
): Promise<DatabaseModule> => {
  try {
    const compiled = await WebAssembly.compile(new Uint8Array(wasm))
    return await new Promise((resolve, reject) => {
      createModule({
        livestoreHost: { storage: [files] },
        instantiateWasm(imports, done) {
          WebAssembly.instantiate(compiled, imports).then(
            (instance) => done(instance, compiled),
            reject,
          )
          return {}
        },
      }).then(resolve, reject)
    })
  } catch (cause) {
    throw new LiveStoreError('EngineLoad', `SQLite did not start: ${messageOf(cause)}`, { cause })
  }
}
