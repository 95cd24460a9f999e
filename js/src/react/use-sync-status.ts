/**
 * `useSyncStatus`: how far the leader has confirmed what this tab has committed.
 */

import { useSyncExternalStore } from 'react'
import type { AnyStore } from '../bindings/client-document.js'
import type { SyncStatus } from '../store/store.js'
import { useStoreOr } from './live-store-context.js'

interface WatchedStatus {
  readonly subscribe: (onChange: () => void) => () => void
  readonly getSnapshot: () => SyncStatus
}

const watchedStatuses = new WeakMap<AnyStore, WatchedStatus>()

/** The sync status, and a render when it changes. */
export const useSyncStatus = (options?: { readonly store?: AnyStore | undefined }): SyncStatus => {
  const store = useStoreOr('useSyncStatus', options?.store)
  const { subscribe, getSnapshot } = watchedStatus(store)
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot)
}

const watchedStatus = (store: AnyStore): WatchedStatus => {
  const known = watchedStatuses.get(store)
  if (known !== undefined) return known
  // React compares snapshots by identity.
  let last = store.syncStatus()
  const watched: WatchedStatus = {
    subscribe: (onChange) => store.subscribeSyncStatus(onChange),
    getSnapshot: () => {
      const now = store.syncStatus()
      if (!isSame(now, last)) last = now
      return last
    },
  }
  watchedStatuses.set(store, watched)
  return watched
}

const isSame = (a: SyncStatus, b: SyncStatus): boolean =>
  a.localHead === b.localHead &&
  a.upstreamHead === b.upstreamHead &&
  a.pendingCount === b.pendingCount
