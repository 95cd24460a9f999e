/**
 * React hooks and the providers, for React 18 and 19.
 */

export type { RegistryStoreOptions, StoreRegistryConfig } from '../store/store-registry.js'
export { StoreRegistry, storeOptions } from '../store/store-registry.js'
export type { LiveListProps } from './live-list.js'
export { LiveList } from './live-list.js'
export type { LiveStoreContextRunning } from './live-store-context.js'
export { LiveStoreContext } from './live-store-context.js'
export type { LiveStoreProviderProps } from './live-store-provider.js'
export { LiveStoreProvider } from './live-store-provider.js'
export type { ReactApi } from './react-api.js'
export { withReactApi } from './react-api.js'
export type { StackInfo } from './stack-info.js'
export { captureStackInfo, useStackInfo } from './stack-info.js'
export {
  StoreRegistryContext,
  StoreRegistryProvider,
  useStoreRegistry,
} from './store-registry-context.js'
export type {
  Dispatch,
  SetDocument,
  SetStateAction,
  SetStateActionPartial,
  StateSetters,
  UseClientDocumentOptions,
  UseClientDocumentResult,
  UseStateResult,
} from './use-client-document.js'
export { useClientDocument } from './use-client-document.js'
export type { UseQueryOptions } from './use-query.js'
export { useQuery, useQueryRef } from './use-query.js'
export type { UseStoreOptions } from './use-store.js'
export { useStore } from './use-store.js'
export { useSyncStatus } from './use-sync-status.js'
