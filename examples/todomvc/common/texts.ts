/** What the user reads, whichever framework shows it. */

import type { BootStatus, StorageMode } from 'livestore-wasm'
import type { Filter } from './schema.js'

export const stageTexts: Record<BootStatus['stage'], string> = {
  loading: 'Loading',
  migrating: 'Preparing tables',
  rehydrating: 'Replaying events',
  syncing: 'Fetching events',
  warning: 'Loading',
  done: 'Ready',
}

export const filterTexts: Record<Filter, string> = {
  all: 'All',
  active: 'Active',
  completed: 'Completed',
}

export const leftText = (count: number): string => `${count === 1 ? 'item' : 'items'} left`

/** Where the data is, and whether the leader has confirmed everything committed here. */
export const statusText = (storageMode: StorageMode, pendingCount: number): string => {
  if (storageMode !== 'persisted') {
    return 'Kept in memory only: this browser refuses storage, so a reload loses the todos.'
  }
  const saved = pendingCount === 0 ? 'Everything saved' : `Saving ${pendingCount} …`
  return `Stored in this browser. ${saved}.`
}

export const hint = 'Double-click a todo to edit it. Open this page in a second tab.'
