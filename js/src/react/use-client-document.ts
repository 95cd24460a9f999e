/**
 * `useClientDocument`: a client document as a piece of state, `[value, setValue, id, query$]`.
 */

import { useCallback, useMemo } from 'react'
import {
  type AnyStore,
  type ClientDocument,
  documentIdText,
  documentRef,
  type SetDocument,
  setDocument,
} from '../bindings/client-document.js'
import type { LiveQuery } from '../reactivity/definitions.js'
import type { SessionIdSymbol } from '../schema/values.js'
import { useStoreOr } from './live-store-context.js'
import { useQuery } from './use-query.js'
import { watchedQuery } from './watched-query.js'

export type { ClientDocument, SetDocument } from '../bindings/client-document.js'

export type UseClientDocumentResult<Table extends ClientDocument> = readonly [
  value: Table['Value'],
  setValue: SetDocument<Table>,
  id: string,
  query$: LiveQuery<Table['Value']>,
]

/** Names of LiveStore for what is set. */
export type Dispatch<Action> = (action: Action) => void
export type SetStateAction<Value> = Value | ((current: Value) => Value)
export type SetStateActionPartial<Value> = Partial<Value> | ((current: Value) => Partial<Value>)
export type StateSetters<Table extends ClientDocument> = SetDocument<Table>
/** The result of `useClientDocument` as LiveStore 0.3 calls it. */
export type UseStateResult<Table extends ClientDocument> = UseClientDocumentResult<Table>

export interface UseClientDocumentOptions<Value> {
  /** Overrides the default value if this creates the document. */
  readonly default?: Partial<Value> | undefined
  readonly store?: AnyStore | undefined
}

/**
 * The document `id` (or the one with the default id), which is created if it does not exist.
 *
 * `setValue` commits at once. It does nothing for the very value there is. Its identity is that of
 * table, id and store.
 *
 * @throws LiveStoreError `InvalidArgument` for a table that is not a client document,
 *   `InvalidQuery` without an id
 */
export function useClientDocument<Table extends ClientDocument>(
  table: Table,
  id?: string | SessionIdSymbol,
  options?: UseClientDocumentOptions<Table['Value']>,
): UseClientDocumentResult<Table>
export function useClientDocument<Table extends ClientDocument>(
  table: Table,
  options: UseClientDocumentOptions<Table['Value']>,
): UseClientDocumentResult<Table>
export function useClientDocument<Table extends ClientDocument>(
  table: Table,
  idOrOptions?: string | SessionIdSymbol | UseClientDocumentOptions<Table['Value']>,
  thirdOptions?: UseClientDocumentOptions<Table['Value']>,
): UseClientDocumentResult<Table> {
  const isOptions = typeof idOrOptions === 'object'
  const id = isOptions ? undefined : idOrOptions
  const options = (isOptions ? idOrOptions : thirdOptions) ?? {}
  const store = useStoreOr('useClientDocument', options.store)

  // Defaults are often written inline. Equal ones are one query.
  const defaultJson = JSON.stringify(options.default)
  const document = useMemo(() => {
    const initial = defaultJson === undefined ? undefined : JSON.parse(defaultJson)
    return documentRef('useClientDocument', table, id, initial)
  }, [table, id, defaultJson])

  const value = useQuery(document.query$, { store })
  const setValue = useCallback<SetDocument<Table>>(
    (next) => setDocument(store, document, next),
    [store, document],
  )
  const query$ = watchedQuery(store, document.query$).instance
  return [value, setValue, documentIdText(store, document.id), query$]
}
