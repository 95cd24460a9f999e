/**
 * `livestore-wasm/sync-cf/cf-worker`: the sync backend as a Cloudflare worker, one Durable Object
 * per store. Clients of LiveStore 0.4 sync with it, and it takes over the data of
 * `@livestore/sync-cf`.
 */

export { EventRefusedError } from '../../sync/backend.js'
export type { ForwardHeaders, HookContext, SyncHooks } from '../../sync-server/hooks.js'
export type { Limits } from '../../sync-server/limits.js'
export type { PullRequest, PushRequest, WireEvent } from '../wire/requests.js'
export type { DurableObjectNamespace, DurableObjectState } from './cf-types.js'
export {
  type DurableObjectOptions,
  makeDurableObject,
  type SyncDurableObject,
} from './durable-object.js'
export {
  handleSyncRequest,
  makeWorker,
  type StandardSchema,
  type SyncRequestOptions,
  type WorkerOptions,
} from './worker.js'
