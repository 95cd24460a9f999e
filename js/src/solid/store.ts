/**
 * Stores for Solid: as a resource, from the registry of the nearest provider.
 */

import {
  type Accessor,
  createComponent,
  createContext,
  createEffect,
  createResource,
  type JSX,
  onCleanup,
  type Resource,
  untrack,
  useContext,
} from 'solid-js'
import { LiveStoreError } from '../errors.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import { createStorePromise } from '../store/create-store.js'
import type { Store } from '../store/store.js'
import type { RegistryStoreOptions, StoreRegistry } from '../store/store-registry.js'
import { type SolidApi, useQuery, withSolidApi } from './solid-api.js'

/** Set by `StoreRegistryProvider`. */
export const StoreRegistryContext = createContext<StoreRegistry | undefined>(undefined)

/** Gives what is below it the registry that it opens stores with. */
export const StoreRegistryProvider = (props: {
  readonly storeRegistry: StoreRegistry
  readonly children?: JSX.Element
}): JSX.Element =>
  createComponent(StoreRegistryContext.Provider, {
    value: props.storeRegistry,
    get children() {
      return props.children
    },
  })

/**
 * The registry of the nearest provider, or `override`.
 *
 * @throws LiveStoreError `InvalidArgument` without either
 */
export const useStoreRegistry = (override?: StoreRegistry): StoreRegistry => {
  const found = override ?? useContext(StoreRegistryContext)
  if (found !== undefined) return found
  throw new LiveStoreError(
    'InvalidArgument',
    'useStoreRegistry() must be used within <StoreRegistryProvider>',
  )
}

/**
 * The store for `options()`, which is opened if need be, and kept open for as long as the owner
 * lives. It may be used before it is there: `store.useQuery` then gives `undefined`, and suspends
 * inside `Suspense`. What opening fails with goes to the nearest `ErrorBoundary`.
 */
export const useStore = <Schema extends LiveStoreSchema, Context = Record<string, never>>(
  options: Accessor<
    RegistryStoreOptions<Schema, Context> & { readonly storeRegistry?: StoreRegistry | undefined }
  >,
): Resource<Store<Schema, Context>> & SolidApi => {
  const registry = useStoreRegistry(untrack(options).storeRegistry)
  const read = (): RegistryStoreOptions<Schema, Context> => {
    const { storeRegistry: _, ...rest } = options()
    return rest
  }
  // A store is known by its id: other options for the same id are no reason to load anew.
  const [store] = createResource(
    () => options().storeId,
    () => registry.getOrLoadPromise(untrack(read)),
  )
  createEffect(() => {
    if (store.error === undefined)
      onCleanup(registry.retain({ ...untrack(read), storeId: options().storeId }))
  })
  return withSolidApi(store)
}

let globalStore: Accessor<Store | undefined> | undefined

/**
 * One store for the whole app, as LiveStore 0.3 has it: `const store = await getStore(options)`.
 * `query` reads from it. Another call makes another store, and `query` then reads from that one.
 */
export const getStore = async <Schema extends LiveStoreSchema, Context = Record<string, never>>(
  options: RegistryStoreOptions<Schema, Context>,
): Promise<Accessor<Store<Schema, Context>>> => {
  const store = await createStorePromise(options)
  globalStore = () => store as unknown as Store
  return () => store
}

/**
 * The result of a query of the store that `getStore` made; `initial` while there is none.
 */
export const query = <Result>(
  query$: Parameters<typeof useQuery<Result>>[1],
  initial: Result,
): Accessor<Result> => {
  const result = useQuery<Result>(() => globalStore?.(), query$)
  return () => {
    const value = result()
    return value === undefined ? initial : value
  }
}
