/**
 * The worker of the tests, bundled for workerd: a sync backend as an app would write it, and a
 * Durable Object that lets the storage's tests in.
 */

import type { SyncStorage } from '../../../sync-server/storage.js'
import { conformanceHooks } from '../../../sync-server/test/hooks.js'
import type { D1Database, DurableObjectState } from '../cf-types.js'
import { D1Storage } from '../d1-storage.js'
import { DurableStorage } from '../durable-storage.js'
import { makeDurableObject, makeWorker } from '../index.js'

export class SyncBackendDO extends makeDurableObject({
  ...(conformanceHooks.onPush && { onPush: conformanceHooks.onPush }),
  http: { responseHeaders: { 'access-control-allow-origin': '*' } },
}) {}

/** The same over D1, below `/d1/`. */
export class SyncBackendD1 extends makeDurableObject({
  ...(conformanceHooks.onPush && { onPush: conformanceHooks.onPush }),
  storage: { _tag: 'd1', binding: 'DB' },
}) {}

/** Calls of `SyncStorage` as JSON, and SQL. */
export class StorageDO {
  readonly #state: DurableObjectState
  readonly #database: D1Database
  #storage: SyncStorage | undefined

  constructor(state: DurableObjectState, env: { readonly DB: D1Database }) {
    this.#state = state
    this.#database = env.DB
  }

  async fetch(request: Request): Promise<Response> {
    const { method, args } = (await request.json()) as { method: string; args: unknown[] }
    const open = () =>
      new URL(request.url).pathname.startsWith('/storage/d1')
        ? new D1Storage(this.#database, this.#state.storage)
        : new DurableStorage(this.#state.storage)
    if (method === 'reopen') this.#storage = undefined
    this.#storage ??= open()
    const storage = this.#storage
    try {
      if (method === 'd1') {
        const [query, ...binds] = args as [string, ...string[]]
        const { results } = await this.#database
          .prepare(query)
          .bind(...binds)
          .all()
        return Response.json({ value: results })
      }
      if (method === 'sql') {
        const [query, ...binds] = args as [string, ...string[]]
        return Response.json({ value: this.#state.storage.sql.exec(query, ...binds).toArray() })
      }
      const call = storage[method as 'head'] as ((...args: unknown[]) => unknown) | undefined
      return Response.json({ value: (await call?.apply(storage, args)) ?? null })
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  }
}

const workerWith = (syncBackendBinding: string) =>
  makeWorker({
    syncBackendBinding,
    enableCORS: true,
    ...(conformanceHooks.validatePayload && { validatePayload: conformanceHooks.validatePayload }),
  })
const sync = workerWith('SYNC_BACKEND_DO')
const syncOverD1 = workerWith('SYNC_BACKEND_D1')

interface Env {
  readonly STORAGE_DO: {
    idFromName(name: string): unknown
    get(id: unknown): { fetch(request: Request): Promise<Response> }
  }
}

// biome-ignore lint/style/noDefaultExport: the runtime looks for it.
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname.startsWith('/d1/')) {
      return syncOverD1.fetch(new Request(request.url.replace('/d1/', '/'), request), env)
    }
    if (!pathname.startsWith('/storage/')) return sync.fetch(request, env)
    return env.STORAGE_DO.get(env.STORAGE_DO.idFromName(pathname)).fetch(request)
  },
}
