/**
 * Composables and the provider, for Vue 3.
 */

export type { LiveStoreOptions } from './live-store-provider.js'
export { LiveStoreKey, LiveStoreProvider, useStore } from './live-store-provider.js'
export type { ClientDocumentRefs, UseClientDocumentOptions } from './use-client-document.js'
export { useClientDocument, useClientDocumentRef } from './use-client-document.js'
export type { UseQueryOptions } from './use-query.js'
export { useQuery, useSyncStatus } from './use-query.js'
