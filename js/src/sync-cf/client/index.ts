/**
 * `livestore-wasm/sync-cf/client`: sync backends that speak the protocol of LiveStore's Cloudflare
 * provider (`@livestore/sync-cf` 0.4.0), for `sync.backend` of `makeWorker`.
 */

import type { MakeSyncBackend } from '../../sync/backend.js'
import { makeWsSync, type WsSyncOptions } from './ws-sync.js'

export { type HttpSyncOptions, makeHttpSync } from './http-sync.js'
export type { BackendArgs, CommonOptions } from './options.js'
export type { PingTimes } from './reconnect.js'
export { makeWsSync, type WebSocketLike, type WsSyncOptions } from './ws-sync.js'

/** What LiveStore 0.3 called `makeWsSync`. */
export const makeCfSync: (options: WsSyncOptions) => MakeSyncBackend = makeWsSync
