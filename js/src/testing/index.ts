/**
 * `livestore-wasm/testing`: for the tests of apps, a sync backend in memory; for those who write a
 * sync backend, the cases that it must pass.
 */

export {
  type ConformanceOptions,
  type SyncBackendCase,
  syncBackendCases,
} from './conformance.js'
export {
  type MockSyncBackend,
  type MockSyncBackendOptions,
  makeMockSyncBackend,
} from './mock-backend.js'
