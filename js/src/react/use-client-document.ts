/**
 * `useClientDocument`: a client document as a piece of state, `[value, setValue, id, query$]`.
 */

import { useCallback, useMemo } from 'react'
import { LiveStoreError } from '../errors.js'
import type { Query } from '../query/types.js'
import { type LiveQuery, queryDb } from '../reactivity/definitions.js'
import { tableIsClientDocumentTable } from '../schema/client-document.js'
import type { EventInput } from '../schema/events.js'
import { isTableDef } from '../schema/table.js'
import { describe, isPlainObject, SessionIdSymbol } from '../schema/values.js'
import { type AnyStore, useStoreOr } from './live-store-context.js'
import { useQuery } from './use-query.js'
import { watchedQuery } from './watched-query.js'

/** What the hook uses of a client document, whatever its value. */
export interface ClientDocument<Value = unknown> {
  readonly Value: Value
  readonly default: { readonly id: string | SessionIdSymbol | undefined }
  readonly get: (...args: never[]) => unknown
  readonly set: (...args: never[]) => EventInput
}

type SetValueOf<Table extends ClientDocument> = Parameters<Table['set']>[0]

/** Sets the document: to a value, to some of its fields, or to what a function makes of it. */
export type SetDocument<Table extends ClientDocument> = (
  value: SetValueOf<Table> | ((current: Table['Value']) => SetValueOf<Table>),
) => void

export type UseClientDocumentResult<Table extends ClientDocument> = readonly [
  value: Table['Value'],
  setValue: SetDocument<Table>,
  id: string,
  query$: LiveQuery<Table['Value']>,
]

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
  type Value = Table['Value']
  const [givenId, options = {}] =
    typeof idOrOptions === 'object' ? [undefined, idOrOptions] : [idOrOptions, thirdOptions]
  const store = useStoreOr('useClientDocument', options.store)
  checkDocument(table)
  const id = givenId ?? table.default.id

  // Defaults are often written inline. Equal ones are one query.
  const defaultJson = JSON.stringify(options.default)
  const def = useMemo(() => {
    const get = table.get as (id: unknown, options: unknown) => Query<Value>
    const initial = defaultJson === undefined ? {} : { default: JSON.parse(defaultJson) }
    return queryDb(get(id, initial))
  }, [table, id, defaultJson])

  const value = useQuery(def, { store })
  const setValue = useCallback<SetDocument<Table>>(
    (next) => {
      // Read now, not at the last render: two calls in one handler see each other's effect.
      const current = store.query(def)
      const result =
        typeof next === 'function' ? (next as (current: Value) => unknown)(current) : next
      if (Object.is(result, current)) return
      const set = table.set as (value: unknown, id: unknown) => EventInput
      store.commit(set(withoutUndefined(result), id))
    },
    [store, table, def, id],
  )
  const idText = id === SessionIdSymbol ? store.sessionId : (id as string)
  return [value, setValue, idText, watchedQuery(store, def).instance]
}

const checkDocument = (table: unknown): void => {
  if (isTableDef(table) && tableIsClientDocumentTable(table)) return
  const what = isTableDef(table) ? `the table '${table.sqliteDef.name}'` : describe(table)
  throw new LiveStoreError(
    'InvalidArgument',
    `useClientDocument: ${what} is not a client document; define it with clientDocument()`,
  )
}

const withoutUndefined = (value: unknown): unknown =>
  isPlainObject(value)
    ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))
    : value
