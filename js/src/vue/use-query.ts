/**
 * `useQuery` and `useSyncStatus` for Vue: what a store says, as a ref.
 */

import {
  getCurrentInstance,
  isRef,
  type MaybeRefOrGetter,
  onScopeDispose,
  type Ref,
  type ShallowRef,
  shallowReadonly,
  shallowRef,
  toRaw,
  toValue,
  watch,
} from 'vue'
import type { AnyStore } from '../bindings/client-document.js'
import type { Queryable } from '../reactivity/definitions.js'
import type { SyncStatus } from '../store/store.js'
import { storeOr } from './live-store-provider.js'

export interface UseQueryOptions {
  readonly store?: AnyStore | undefined
}

/**
 * The result of a query builder, a live query or a signal, as a ref that follows it. Do not change
 * the result: other components have the same object. `query` may be a ref or a getter: the result
 * is that of another query as soon as it gives another one.
 *
 * @throws LiveStoreError naming the query
 */
export const useQuery = <Result>(
  query: MaybeRefOrGetter<Queryable<Result>>,
  options?: UseQueryOptions,
): Readonly<ShallowRef<Result>> => {
  const store = storeOr<AnyStore>('useQuery', options?.store)
  // Rows are plain data that is replaced, never changed: nothing in them needs to be tracked.
  const result = shallowRef() as ShallowRef<Result>
  const follow = (next: Queryable<Result>): (() => void) =>
    store.subscribe(next, (value) => {
      result.value = value
    })
  const current = (): Queryable<Result> => toRaw(toValue(query) as object) as Queryable<Result>
  if (isServerRender()) return shallowRef(store.query(current()))
  let end = follow(current())
  if (isRef(query) || typeof query === 'function') {
    watch(
      current,
      (next) => {
        end()
        end = follow(next)
      },
      { flush: 'sync' },
    )
  }
  onScopeDispose(() => end())
  return result
}

/** Nothing changes there any more, and nobody would end a subscription. */
const isServerRender = (): boolean => getCurrentInstance() !== null && !('window' in globalThis)

/** How far the leader has confirmed what this tab has committed. */
export const useSyncStatus = (options?: UseQueryOptions): Readonly<Ref<SyncStatus>> => {
  const store = storeOr<AnyStore>('useSyncStatus', options?.store)
  if (isServerRender()) return shallowRef(store.syncStatus())
  const status = shallowRef() as ShallowRef<SyncStatus>
  onScopeDispose(
    store.subscribeSyncStatus((next) => {
      status.value = next
    }),
  )
  return shallowReadonly(status)
}
