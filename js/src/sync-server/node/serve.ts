/**
 * `serve`: a self-hosted sync server, as `npx livestore-wasm serve` starts it.
 *
 * Its data is a SQLite file in a directory, or a PostgreSQL database that any number of these
 * servers share.
 */

import { readFileSync } from 'node:fs'
import type { ForwardHeaders, SyncHooks } from '../hooks.js'
import type { Limits } from '../limits.js'
import { MemoryStorage } from '../memory-storage.js'
import type { SyncStorage } from '../storage.js'
import { SyncHttpServer } from './http-server.js'
import { type Log, type LogForm, makeLog } from './log.js'

export interface ServeOptions {
  /**
   * Where the data is: a directory, made if it is not there. `./livestore-data` if none is named.
   */
  readonly data?: string | undefined
  /** Instead of a directory: the URL of a PostgreSQL database. Needs the package `pg`. */
  readonly postgres?: string | undefined
  /** Instead of both: nothing is kept. For tests. */
  readonly memory?: boolean | undefined
  /** 8787 if none is given; 0 for any that is free. */
  readonly port?: number | undefined
  /** The address to listen at: 127.0.0.1 unless given. 0.0.0.0 is every address of the machine. */
  readonly host?: string | undefined
  readonly hooks?: SyncHooks | undefined
  /** Request headers that hooks are given. */
  readonly forwardHeaders?: ForwardHeaders | undefined
  readonly limits?: Partial<Limits> | undefined
  readonly log?: LogForm | Log | undefined
}

export interface RunningServer {
  /** Of the form `http://127.0.0.1:8787`; a client's `url`. */
  readonly url: string
  readonly port: number
  /** Ends every connection, finishes what was begun, closes the storage. */
  close(): Promise<void>
}

/**
 * Starts a server; resolves when it listens.
 *
 * @throws (as a rejection) when the data cannot be opened or the port is taken
 */
export const serve = async (options: ServeOptions = {}): Promise<RunningServer> => {
  const { port = 8787, host = '127.0.0.1', hooks, forwardHeaders, limits } = options
  const log = typeof options.log === 'function' ? options.log : makeLog(options.log ?? 'none')
  const storage = await openStorage(options, log)
  try {
    const server = await SyncHttpServer.start({
      storage,
      port,
      host,
      log,
      hooks,
      forwardHeaders,
      limits,
    })
    const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host
    const url = `http://${shown.includes(':') ? `[${shown}]` : shown}:${server.port}`
    log('info', 'listening', { url })
    return {
      url,
      port: server.port,
      async close() {
        await server.close()
        await storage.close()
        log('info', 'stopped')
      },
    }
  } catch (error) {
    await storage.close()
    throw error
  }
}

const openStorage = async (options: ServeOptions, log: Log): Promise<SyncStorage> => {
  if (options.memory === true) return new MemoryStorage()
  if (options.postgres !== undefined) {
    const { PostgresStorage } = await import('../postgres/postgres-storage.js')
    return PostgresStorage.open(options.postgres, {
      onProblem: (problem) => log('warn', 'PostgreSQL', { problem }),
    })
  }
  const { SqliteStorage } = await import('../sqlite/sqlite-storage.js')
  const directory = options.data ?? 'livestore-data'
  const storage = await SqliteStorage.open(directory, readFileSync(wasmFile))
  log('info', 'opened', { directory })
  return storage
}

/** Beside this file in the package. */
const wasmFile = new URL('./sync-server-db.wasm', import.meta.url)
