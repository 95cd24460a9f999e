/**
 * Client documents for Vue, as refs to write to: `v-model="newTodoText"` commits.
 */

import { computed, type WritableComputedRef } from 'vue'
import {
  type AnyStore,
  type ClientDocument,
  documentRef,
  type SetValueOf,
  setDocument,
} from '../bindings/client-document.js'
import { LiveStoreError } from '../errors.js'
import { describe, isPlainObject, type SessionIdSymbol } from '../schema/values.js'
import { storeOr } from './live-store-provider.js'
import { useQuery } from './use-query.js'

export interface UseClientDocumentOptions<Value> {
  /** Overrides the default value if this creates the document. */
  readonly default?: Partial<Value> | undefined
  readonly store?: AnyStore | undefined
}

export type ClientDocumentRefs<Table extends ClientDocument> = {
  readonly [Field in keyof Table['Value']]-?: WritableComputedRef<Table['Value'][Field]>
}

/**
 * The fields of the document `id` (or of the one with the default id), which is created if it does
 * not exist, each as a ref. Setting one commits that field at once. A field that the value lacks,
 * because it is optional, has no ref: `useClientDocumentRef` has them all.
 *
 * @throws LiveStoreError `InvalidArgument` for a table that is not a client document or has a value
 *   without fields; `InvalidQuery` without an id
 */
export const useClientDocument = <Table extends ClientDocument>(
  table: Table,
  id?: string | SessionIdSymbol,
  options: UseClientDocumentOptions<Table['Value']> = {},
): ClientDocumentRefs<Table> => {
  const whole = followDocument('useClientDocument', table, id, options)
  if (!isPlainObject(whole.value)) {
    throw new LiveStoreError(
      'InvalidArgument',
      `useClientDocument: the value is ${describe(whole.value)}, which has no fields; use ` +
        'useClientDocumentRef',
    )
  }
  const fields = Object.keys(whole.value).map((field) => [
    field,
    computed({
      get: () => (whole.value as Record<string, unknown>)[field],
      set: (next) => {
        whole.value = { [field]: next } as Table['Value']
      },
    }),
  ])
  return Object.fromEntries(fields) as ClientDocumentRefs<Table>
}

/**
 * As `useClientDocument`, with the whole value as one ref: to be replaced, or set to some of its
 * fields.
 *
 * @throws as `useClientDocument`
 */
export const useClientDocumentRef = <Table extends ClientDocument>(
  table: Table,
  id?: string | SessionIdSymbol,
  options: UseClientDocumentOptions<Table['Value']> = {},
): WritableComputedRef<Table['Value']> => followDocument('useClientDocumentRef', table, id, options)

const followDocument = <Table extends ClientDocument>(
  composable: string,
  table: Table,
  id: string | SessionIdSymbol | undefined,
  options: UseClientDocumentOptions<Table['Value']>,
): WritableComputedRef<Table['Value']> => {
  const store = storeOr<AnyStore>(composable, options.store)
  const document = documentRef(composable, table, id, options.default)
  const value = useQuery(document.query$, { store })
  return computed({
    get: () => value.value,
    set: (next) => setDocument(store, document, next as SetValueOf<Table>),
  })
}
