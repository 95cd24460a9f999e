/**
 * A client document as a piece of state: what the bindings of all frameworks share of it.
 */

import { LiveStoreError } from '../errors.js'
import type { Query } from '../query/types.js'
import { type LiveQueryDef, queryDb } from '../reactivity/definitions.js'
import { tableIsClientDocumentTable } from '../schema/client-document.js'
import type { EventInput } from '../schema/events.js'
import { isTableDef } from '../schema/table.js'
import { describe, isPlainObject, SessionIdSymbol } from '../schema/values.js'
import type { Store, StoreInternalsSymbol } from '../store/store.js'

/** Any store; what its schema and context are does not matter to bindings. */
export type AnyStore = Pick<
  Store,
  | 'query'
  | 'commit'
  | 'subscribe'
  | 'syncStatus'
  | 'subscribeSyncStatus'
  | 'sessionId'
  | typeof StoreInternalsSymbol
>

/** What bindings use of a client document, whatever its value. */
export interface ClientDocument<Value = unknown> {
  readonly Value: Value
  readonly default: { readonly id: string | SessionIdSymbol | undefined }
  readonly get: (...args: never[]) => unknown
  readonly set: (...args: never[]) => EventInput
}

export type SetValueOf<Table extends ClientDocument> = Parameters<Table['set']>[0]

/** Sets the document: to a value, to some of its fields, or to what a function makes of it. */
export type SetDocument<Table extends ClientDocument> = (
  value: SetValueOf<Table> | ((current: Table['Value']) => SetValueOf<Table>),
) => void

export type DocumentId = string | SessionIdSymbol

/** One document of a table. */
export interface DocumentRef<Table extends ClientDocument> {
  readonly table: Table
  readonly id: DocumentId | undefined
  readonly query$: LiveQueryDef<Table['Value']>
}

/**
 * The document `id` of `table`, or the one with the default id.
 *
 * @throws LiveStoreError `InvalidArgument`, beginning with `hook`, for a table that is not a client
 *   document, `InvalidQuery` without an id
 */
export const documentRef = <Table extends ClientDocument>(
  hook: string,
  table: Table,
  givenId: DocumentId | undefined,
  initial: Partial<Table['Value']> | undefined,
): DocumentRef<Table> => {
  checkDocument(hook, table)
  const id = givenId ?? table.default.id
  const get = table.get as (id: unknown, options: unknown) => Query<Table['Value']>
  return { table, id, query$: queryDb(get(id, initial === undefined ? {} : { default: initial })) }
}

/** Commits the change of a document at once; nothing for the very value there is. */
export const setDocument = <Table extends ClientDocument>(
  store: AnyStore,
  { table, id, query$ }: DocumentRef<Table>,
  next: Parameters<SetDocument<Table>>[0],
): void => {
  // Read now, not at the last render: two calls in one handler see each other's effect.
  const current = store.query(query$)
  const result =
    typeof next === 'function' ? (next as (current: Table['Value']) => unknown)(current) : next
  if (Object.is(result, current)) return
  const set = table.set as (value: unknown, id: unknown) => EventInput
  store.commit(set(withoutUndefined(result), id))
}

/** The id as it is stored. */
export const documentIdText = (
  store: Pick<Store, 'sessionId'>,
  id: DocumentId | undefined,
): string => (id === SessionIdSymbol ? store.sessionId : (id as string))

const checkDocument = (hook: string, table: unknown): void => {
  if (isTableDef(table) && tableIsClientDocumentTable(table)) return
  const what = isTableDef(table) ? `the table '${table.sqliteDef.name}'` : describe(table)
  throw new LiveStoreError(
    'InvalidArgument',
    `${hook}: ${what} is not a client document; define it with clientDocument()`,
  )
}

const withoutUndefined = (value: unknown): unknown =>
  isPlainObject(value)
    ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))
    : value
