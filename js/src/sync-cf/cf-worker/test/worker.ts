/**
 * The worker of the tests, bundled for workerd: a sync backend as an app would write it, and a
 * Durable Object that lets the storage's tests in.
 */

import { conformanceHooks } from '../../../sync-server/test/hooks.js'
import type { DurableObjectState } from '../cf-types.js'
import { DurableStorage } from '../durable-storage.js'
import { makeDurableObject, makeWorker } from '../index.js'

export class SyncBackendDO extends makeDurableObject({
  ...(conformanceHooks.onPush && { onPush: conformanceHooks.onPush }),
  http: { responseHeaders: { 'access-control-allow-origin': '*' } },
}) {}

/** Calls of `SyncStorage` as JSON, and SQL. */
export class StorageDO {
  readonly #state: DurableObjectState
  #storage: DurableStorage

  constructor(state: DurableObjectState) {
    this.#state = state
    this.#storage = new DurableStorage(state.storage)
  }

  async fetch(request: Request): Promise<Response> {
    const { method, args } = (await request.json()) as { method: string; args: unknown[] }
    try {
      if (method === 'sql') {
        const [query, ...binds] = args as [string, ...string[]]
        return Response.json({ value: this.#state.storage.sql.exec(query, ...binds).toArray() })
      }
      if (method === 'reopen') this.#storage = new DurableStorage(this.#state.storage)
      const call = this.#storage[method as 'head'] as ((...args: unknown[]) => unknown) | undefined
      return Response.json({ value: (await call?.apply(this.#storage, args)) ?? null })
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  }
}

const sync = makeWorker({
  syncBackendBinding: 'SYNC_BACKEND_DO',
  enableCORS: true,
  ...(conformanceHooks.validatePayload && { validatePayload: conformanceHooks.validatePayload }),
})

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
    if (!pathname.startsWith('/storage/')) return sync.fetch(request, env)
    return env.STORAGE_DO.get(env.STORAGE_DO.idFromName(pathname)).fetch(request)
  },
}
