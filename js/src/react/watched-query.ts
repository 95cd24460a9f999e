/**
 * A live query as `useSyncExternalStore` wants it: subscribe and snapshot, with one identity per
 * instance.
 *
 * A component reads before it subscribes, and a render may never be committed. So a read in a
 * render keeps the query alive for a while: the first commit of the component finds the same
 * result, and a render that was thrown away leaves nothing behind.
 */

import type { AnyStore } from '../bindings/client-document.js'
import type { Queryable } from '../reactivity/definitions.js'
import type { Instance } from '../reactivity/query-instance.js'
import { StoreInternalsSymbol } from '../store/store.js'

/** How long a render may take to be committed without its queries running again. */
export const RENDER_HOLD_MS = 5000

export interface WatchedQuery<Result> {
  readonly instance: Instance<Result>
  readonly subscribe: (onChange: () => void) => () => void
  readonly getSnapshot: () => Result
}

const watchedQueries = new WeakMap<Instance<unknown>, WatchedQuery<unknown>>()

/** @throws LiveStoreError for what is not a query, or after the store was shut down */
export const watchedQuery = <Result>(
  store: AnyStore,
  query: Queryable<Result>,
): WatchedQuery<Result> => {
  const instance = store[StoreInternalsSymbol].instance(query)
  let watched = watchedQueries.get(instance) as WatchedQuery<Result> | undefined
  if (watched === undefined) {
    watched = watch(store, instance)
    watchedQueries.set(instance, watched)
  }
  return watched
}

const watch = <Result>(store: AnyStore, instance: Instance<Result>): WatchedQuery<Result> => {
  const internals = store[StoreInternalsSymbol]
  let release: (() => void) | undefined

  const hold = () => {
    if (instance.isWatched) return
    const end = internals.watch(instance, () => undefined)
    const timer = setTimeout(() => release?.(), RENDER_HOLD_MS)
    release = () => {
      release = undefined
      clearTimeout(timer)
      end()
    }
  }
  return {
    instance,
    subscribe: (onChange) => {
      const end = internals.watch(instance, onChange)
      release?.()
      return end
    },
    getSnapshot: () => {
      hold()
      return instance.peek()
    },
  }
}
