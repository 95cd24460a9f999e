/**
 * How hooks find their store: from the nearest provider, or from the caller.
 */

import { createContext, useContext } from 'react'
import { LiveStoreError } from '../errors.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'
import { type ReactApi, withReactApi } from './react-api.js'

/** Any store; what its schema and context are does not matter to hooks. */
export type AnyStore = Pick<Store, 'query' | 'commit' | 'sessionId' | typeof StoreInternalsSymbol>

export interface LiveStoreContextRunning {
  readonly stage: 'running'
  readonly store: Store & ReactApi
}

/** Set by `LiveStoreProvider`; an app that creates its store itself can set it too. */
export const LiveStoreContext = createContext<LiveStoreContextRunning | undefined>(undefined)

/**
 * The store of the nearest provider, with the hooks of this store as its methods.
 *
 * @throws LiveStoreError `InvalidArgument` outside of a provider
 */
export const useStore = (options?: {
  readonly store?: Store | undefined
}): { readonly store: Store & ReactApi } => {
  const context = useContext(LiveStoreContext)
  if (options?.store !== undefined) return { store: withReactApi(options.store) }
  if (context === undefined) {
    throw new LiveStoreError(
      'InvalidArgument',
      'useStore can only be used inside LiveStoreProvider',
    )
  }
  return context
}

/** As `useStore`, for the hook `hook`. */
export const useStoreOr = (hook: string, store: AnyStore | undefined): AnyStore => {
  const context = useContext(LiveStoreContext)
  const found = store ?? context?.store
  if (found?.[StoreInternalsSymbol] !== undefined) return found
  throw new LiveStoreError(
    'InvalidArgument',
    `${hook} can only be used inside LiveStoreProvider, or with { store }`,
  )
}
