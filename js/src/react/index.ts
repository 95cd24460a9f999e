/**
 * React hooks and the provider, for React 18 and 19.
 */

export type { LiveStoreContextRunning } from './live-store-context.js'
export { LiveStoreContext, useStore } from './live-store-context.js'
export type { LiveStoreProviderProps } from './live-store-provider.js'
export { LiveStoreProvider } from './live-store-provider.js'
export type { ReactApi } from './react-api.js'
export { withReactApi } from './react-api.js'
export type {
  SetDocument,
  UseClientDocumentOptions,
  UseClientDocumentResult,
} from './use-client-document.js'
export { useClientDocument } from './use-client-document.js'
export { useQuery } from './use-query.js'
