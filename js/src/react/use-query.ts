/**
 * `useQuery`: the result of a query, and a render when it becomes another one.
 */

import { type RefObject, useRef, useSyncExternalStore } from 'react'
import type { AnyStore } from '../bindings/client-document.js'
import type { LiveQuery, Queryable } from '../reactivity/definitions.js'
import { useStoreOr } from './live-store-context.js'
import { watchedQuery } from './watched-query.js'

export interface UseQueryOptions {
  readonly store?: AnyStore | undefined
}

/**
 * The current result of a query builder, a live query or a signal. Do not change it: other
 * components have the same object.
 *
 * A builder made in the render is fine. A query made from a function in the render needs `deps`, or
 * it is another query in every render.
 *
 * @throws LiveStoreError naming the query, to the nearest error boundary
 */
export const useQuery = <Result>(query: Queryable<Result>, options?: UseQueryOptions): Result => {
  const store = useStoreOr('useQuery', options?.store)
  const { subscribe, getSnapshot } = watchedQuery(store, query)
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot)
}

/**
 * As `useQuery`, for code that wants the result in a callback without being made anew by it:
 * `valueRef.current` is the result that was rendered last, `queryRcRef.value` the live query.
 *
 * @throws LiveStoreError naming the query, to the nearest error boundary
 */
export const useQueryRef = <Result>(
  query: Queryable<Result>,
  options?: UseQueryOptions,
): {
  readonly valueRef: Readonly<RefObject<Result>>
  readonly queryRcRef: { readonly value: LiveQuery<Result> }
} => {
  const store = useStoreOr('useQueryRef', options?.store)
  const { subscribe, getSnapshot, instance } = watchedQuery(store, query)
  const value = useSyncExternalStore(subscribe, getSnapshot, getSnapshot)
  const valueRef = useRef(value)
  valueRef.current = value
  return { valueRef, queryRcRef: { value: instance } }
}
