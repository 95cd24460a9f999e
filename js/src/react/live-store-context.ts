/**
 * How hooks find their store: from the nearest provider, or from the caller.
 */

import { createContext, useContext } from 'react'
import type { AnyStore } from '../bindings/client-document.js'
import { LiveStoreError } from '../errors.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'
import type { ReactApi } from './react-api.js'

export interface LiveStoreContextRunning {
  readonly stage: 'running'
  readonly store: Store & ReactApi
}

/** Set by `LiveStoreProvider`; an app that creates its store itself can set it too. */
export const LiveStoreContext = createContext<LiveStoreContextRunning | undefined>(undefined)

/** The store for the hook `hook`: `store`, or that of the nearest provider. */
export const useStoreOr = (hook: string, store: AnyStore | undefined): AnyStore => {
  const context = useContext(LiveStoreContext)
  const found = store ?? context?.store
  if (found?.[StoreInternalsSymbol] !== undefined) return found
  throw new LiveStoreError(
    'InvalidArgument',
    `${hook} can only be used inside LiveStoreProvider, or with { store }`,
  )
}
