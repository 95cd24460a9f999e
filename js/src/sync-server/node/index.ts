/**
 * `livestore-wasm/sync-server`: the self-hosted sync server for programs of Node. From a shell it
 * is `npx livestore-wasm serve`.
 */

export { EventRefusedError } from '../../sync/backend.js'
export type { PullRequest, PushRequest, WireEvent } from '../../sync-cf/wire/requests.js'
export type { ForwardHeaders, HookContext, SyncHooks } from '../hooks.js'
export type { Limits } from '../limits.js'
export type { Log, LogFields, LogForm } from './log.js'
export { type RunningServer, type ServeOptions, serve } from './serve.js'
