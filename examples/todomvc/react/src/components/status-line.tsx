/** Where the data is, and whether the leader has confirmed everything committed here. */

import { useStore, useSyncStatus } from 'livestore-wasm/react'
import { statusText } from '../../../common/texts.js'

export const StatusLine = () => {
  const { store } = useStore()
  const { pendingCount } = useSyncStatus()
  return <p className="status-line">{statusText(store.storageMode, pendingCount)}</p>
}
