import { expect, test } from 'vitest'
import * as react from './index.js'

test('every name of LiveStore, 0.3 and 0.4, is there', () => {
  const names = `StoreRegistry storeOptions StoreRegistryProvider StoreRegistryContext
    useStoreRegistry useStore withReactApi useQuery useQueryRef useClientDocument useSyncStatus
    LiveList captureStackInfo LiveStoreProvider LiveStoreContext useStackInfo`
  const missing = names.split(/\s+/).filter((name) => !(name in react))
  expect(missing).toEqual([])
  expect(react.useStackInfo()).toEqual({ frames: [] })
  expect(react.captureStackInfo()).toEqual({ frames: [] })
})
