/**
 * The hooks as methods of a store: `store.useQuery(todos$)`.
 */

import type { Queryable } from '../reactivity/definitions.js'
import type { SessionIdSymbol } from '../schema/values.js'
import type { Store, SyncStatus } from '../store/store.js'
import {
  type ClientDocument,
  type UseClientDocumentOptions,
  type UseClientDocumentResult,
  useClientDocument,
} from './use-client-document.js'
import { useQuery } from './use-query.js'
import { useSyncStatus } from './use-sync-status.js'

export interface ReactApi {
  useQuery<Result>(query: Queryable<Result>): Result
  useClientDocument<Table extends ClientDocument>(
    table: Table,
    id?: string | SessionIdSymbol,
    options?: UseClientDocumentOptions<Table['Value']>,
  ): UseClientDocumentResult<Table>
  useClientDocument<Table extends ClientDocument>(
    table: Table,
    options: UseClientDocumentOptions<Table['Value']>,
  ): UseClientDocumentResult<Table>
  useSyncStatus(): SyncStatus
}

/** Adds the hooks to `store` itself, once, and returns it. */
export const withReactApi = <AStore extends Store>(store: AStore): AStore & ReactApi => {
  const target = store as AStore & Partial<ReactApi>
  if (target.useQuery === undefined) {
    Object.assign(target, {
      useQuery: (query: Queryable<unknown>) => useQuery(query, { store }),
      useClientDocument: (
        table: ClientDocument,
        second?: string | SessionIdSymbol | UseClientDocumentOptions<unknown>,
        third?: UseClientDocumentOptions<unknown>,
      ) => {
        const isOptions = typeof second === 'object'
        const options = isOptions ? second : third
        return useClientDocument(table, isOptions ? undefined : second, { ...options, store })
      },
      useSyncStatus: () => useSyncStatus({ store }),
    })
  }
  return target as AStore & ReactApi
}
