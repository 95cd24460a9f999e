/** Where the data is, and whether the leader has confirmed everything committed here. */

import { useStore } from 'livestore-wasm/react'
import { useEffect, useState } from 'react'

export const StatusLine = () => {
  const { store } = useStore()
  const [pendingCount, setPendingCount] = useState(() => store.syncStatus().pendingCount)

  useEffect(
    () => store.subscribeSyncStatus((status) => setPendingCount(status.pendingCount)),
    [store],
  )

  const saved = pendingCount === 0 ? 'Everything saved' : `Saving ${pendingCount} …`
  return (
    <p className="status-line">
      {store.storageMode === 'persisted'
        ? `Stored in this browser. ${saved}.`
        : 'Kept in memory only: this browser refuses storage, so a reload loses the todos.'}
    </p>
  )
}
