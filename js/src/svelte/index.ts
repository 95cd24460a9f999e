/**
 * Svelte 5: a store whose reads are followed where Svelte follows what is read.
 */

import { getAbortSignal } from 'svelte'
import { createSubscriber } from 'svelte/reactivity'
import { isQueryBuilder } from '../query/builder.js'
import { isLiveQuery, isQueryDef, type Queryable } from '../reactivity/definitions.js'
import type { Instance } from '../reactivity/query-instance.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import { type CreateStoreOptions, createStorePromise } from '../store/create-store.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'

/**
 * Creates a store whose `query` and `syncStatus` are reactive: in markup, `$derived` and `$effect`
 * they run again when their result changes. Elsewhere they just read.
 *
 * Called in an effect or in a component with `await`, the store ends with it.
 *
 * @throws (as a rejection) what `createStorePromise` does
 */
export const createStore = async <Schema extends LiveStoreSchema, Context = Record<string, never>>(
  options: CreateStoreOptions<Schema, Context>,
): Promise<Store<Schema, Context>> => {
  const signals = [options.signal, effectSignal()].filter((signal) => signal !== undefined)
  const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0]
  return withSvelteApi(await createStorePromise({ ...options, signal }))
}

/** Makes the reads of `store` itself reactive, once, and returns it. */
export const withSvelteApi = <AStore extends Store>(store: AStore): AStore => {
  if (reactiveStores.has(store)) return store
  reactiveStores.add(store)
  const internals = store[StoreInternalsSymbol]
  const readOnce = store.query.bind(store) as (query: unknown) => unknown
  const statusOnce = store.syncStatus.bind(store)

  const subscribers = new WeakMap<Instance<unknown>, () => void>()
  const follow = (instance: Instance<unknown>): void => {
    let subscribe = subscribers.get(instance)
    if (subscribe === undefined) {
      subscribe = createSubscriber((update) => internals.watch(instance, update))
      subscribers.set(instance, subscribe)
    }
    subscribe()
  }
  const followStatus = createSubscriber((update) => {
    let isFirst = true
    return store.subscribeSyncStatus(() => {
      // It tells of the present status at once, which whoever subscribes reads anyway.
      if (isFirst) isFirst = false
      else update()
    })
  })

  return Object.assign(store, {
    query: (query: unknown) => {
      if (!isQueryable(query)) return readOnce(query)
      const instance = internals.instance(query)
      follow(instance)
      return instance.peek()
    },
    syncStatus: () => {
      followStatus()
      return statusOnce()
    },
  })
}

const reactiveStores = new WeakSet<object>()

const isQueryable = (query: unknown): query is Queryable<unknown> =>
  isQueryDef(query) || isLiveQuery(query) || isQueryBuilder(query)

/** That of the effect or component that runs, if one does. */
const effectSignal = (): AbortSignal | undefined => {
  try {
    return getAbortSignal()
  } catch {
    return undefined
  }
}
