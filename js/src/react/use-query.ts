/**
 * `useQuery`: the result of a query, and a render when it becomes another one.
 */

import { useSyncExternalStore } from 'react'
import type { Queryable } from '../reactivity/definitions.js'
import { type AnyStore, useStoreOr } from './live-store-context.js'
import { watchedQuery } from './watched-query.js'

/**
 * The current result of a query builder, a live query or a signal. Do not change it: other
 * components have the same object.
 *
 * A builder made in the render is fine. A query made from a function in the render needs `deps`, or
 * it is another query in every render.
 *
 * @throws LiveStoreError naming the query, to the nearest error boundary
 */
export const useQuery = <Result>(
  query: Queryable<Result>,
  options?: { readonly store?: AnyStore | undefined },
): Result => {
  const store = useStoreOr('useQuery', options?.store)
  const { subscribe, getSnapshot } = watchedQuery(store, query)
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot)
}
