/**
 * How `useStore(options)` finds the registry that opens its store.
 */

import { createContext, createElement, type ReactNode, useContext } from 'react'
import { LiveStoreError } from '../errors.js'
import type { StoreRegistry } from '../store/store-registry.js'

/** Set by `StoreRegistryProvider`. */
export const StoreRegistryContext = createContext<StoreRegistry | undefined>(undefined)

/** Gives the hooks below it the registry that they open stores with. */
export const StoreRegistryProvider = (props: {
  /** Create it outside of the component. */
  readonly storeRegistry: StoreRegistry
  readonly children?: ReactNode
}): ReactNode =>
  createElement(StoreRegistryContext.Provider, { value: props.storeRegistry }, props.children)

/**
 * The registry of the nearest provider, or `override`.
 *
 * @throws LiveStoreError `InvalidArgument` without either
 */
export const useStoreRegistry = (override?: StoreRegistry): StoreRegistry => {
  const registry = useContext(StoreRegistryContext)
  const found = override ?? registry
  if (found !== undefined) return found
  throw new LiveStoreError(
    'InvalidArgument',
    'useStoreRegistry() must be used within <StoreRegistryProvider>',
  )
}
