/**
 * The web adapters: where a store keeps its data and how tabs share it.
 */

export type {
  Adapter,
  BootStatus,
  ConnectOptions,
  LeaderPort,
  LinkHandlers,
  SessionLink,
  StorageMode,
} from '../store/adapter.js'
export type {
  MakeSyncBackend,
  PageInfo,
  PullCursor,
  PullOptions,
  PullPage,
  PushOptions,
  SyncBackend,
  SyncedEvent,
} from '../sync/backend.js'
export {
  BackendIdMismatchError,
  EventRefusedError,
  IsOfflineError,
  ServerAheadError,
} from '../sync/backend.js'
export type { SyncOptions } from '../sync/options.js'
export { makeInMemoryAdapter } from './in-memory-adapter.js'
export type { InMemoryAdapterOptions, PersistedAdapterOptions } from './options.js'
export { makePersistedAdapter } from './persisted-adapter.js'
export type { WorkerSource } from './spawn.js'
