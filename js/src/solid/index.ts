/**
 * Stores, queries and client documents as resources and accessors, for Solid.
 */

export type { RegistryStoreOptions, StoreRegistryConfig } from '../store/store-registry.js'
export { StoreRegistry, storeOptions } from '../store/store-registry.js'
export type {
  SolidApi,
  UseClientDocumentOptions,
  UseClientDocumentResult,
} from './solid-api.js'
export { withSolidApi } from './solid-api.js'
export {
  getStore,
  query,
  StoreRegistryContext,
  StoreRegistryProvider,
  useStore,
  useStoreRegistry,
} from './store.js'
