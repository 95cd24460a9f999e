/**
 * `useStore`: the store of the nearest `LiveStoreProvider`, or, given options, a store that the
 * registry opens while React suspends.
 */

import { useContext, useEffect, useRef } from 'react'
import { LiveStoreError } from '../errors.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import type { Store } from '../store/store.js'
import type { RegistryStoreOptions, StoreRegistry } from '../store/store-registry.js'
import { LiveStoreContext } from './live-store-context.js'
import { type ReactApi, withReactApi } from './react-api.js'
import { useStoreRegistry } from './store-registry-context.js'

interface WithRegistry {
  /** In place of that of the nearest provider. */
  readonly storeRegistry?: StoreRegistry | undefined
}

export interface UseStoreOptions {
  readonly store?: Store | undefined
}

/**
 * With options of a store: that store, which is opened if need be and kept open while the component
 * is there. The component suspends until then; what opening fails with goes to the nearest error
 * boundary. The options may be written inline: a store is known by its `storeId`.
 *
 * Without: `{ store }` of the nearest `LiveStoreProvider`. A component uses one form or the other.
 *
 * The hooks of the store are its methods: `store.useQuery(todos$)`.
 *
 * @throws LiveStoreError `InvalidArgument` outside of a provider
 */
export function useStore<Schema extends LiveStoreSchema, Context = Record<string, never>>(
  options: RegistryStoreOptions<Schema, Context> & WithRegistry,
): Store<Schema, Context> & ReactApi
export function useStore(options?: UseStoreOptions): { readonly store: Store & ReactApi }
export function useStore(options?: object): unknown {
  const isOfStore = options !== undefined && 'schema' in options
  const find: (options: never) => unknown = isOfStore ? useStoreFromRegistry : useStoreFromContext
  return find(options as never)
}

const useStoreFromContext = (options: UseStoreOptions | undefined) => {
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

const useStoreFromRegistry = ({
  storeRegistry,
  ...options
}: RegistryStoreOptions & WithRegistry) => {
  const registry = useStoreRegistry(storeRegistry)
  const found = registry.getOrLoadPromise(options)
  // React renders again when it is there. `use` of React 19 does no more, and 18 has only this.
  if (found instanceof Promise) throw found
  const latest = useRef(options)
  useEffect(() => {
    latest.current = options
  })
  const { storeId } = options
  useEffect(() => registry.retain({ ...latest.current, storeId }), [registry, storeId])
  return withReactApi(found)
}
