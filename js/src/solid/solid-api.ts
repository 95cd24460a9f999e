/**
 * What a store says, as accessors. The store itself comes from an accessor too, and need not be
 * there yet.
 */

import {
  type Accessor,
  createComputed,
  createMemo,
  createSignal,
  onCleanup,
  untrack,
} from 'solid-js'
import {
  type AnyStore,
  type ClientDocument,
  documentIdText,
  documentRef,
  type SetDocument,
  setDocument,
} from '../bindings/client-document.js'
import type { LiveQuery, Queryable } from '../reactivity/definitions.js'
import type { SessionIdSymbol } from '../schema/values.js'
import { StoreInternalsSymbol, type SyncStatus } from '../store/store.js'

type StoreAccessor = Accessor<AnyStore | undefined>
type MaybeAccessor<Value> = Value | Accessor<Value>

export interface UseClientDocumentOptions<Value> {
  /** Overrides the default value if this creates the document. */
  readonly default?: Partial<Value> | undefined
}

/** `undefined` stands for: the store is not there yet. */
export type UseClientDocumentResult<Table extends ClientDocument> = readonly [
  value: Accessor<Table['Value'] | undefined>,
  setValue: SetDocument<Table>,
  id: Accessor<string | undefined>,
  query$: Accessor<LiveQuery<Table['Value']> | undefined>,
]

export interface SolidApi {
  /**
   * The result of a query builder, a live query or a signal; `undefined` before the store is there.
   * An accessor may give one query after the other.
   */
  useQuery<Result>(query: MaybeAccessor<Queryable<Result>>): Accessor<Result | undefined>
  /**
   * A client document, which is created if it does not exist. What is set before the store is there
   * is committed when it is.
   */
  useClientDocument<Table extends ClientDocument>(
    table: Table,
    id?: MaybeAccessor<string | SessionIdSymbol | undefined>,
    options?: UseClientDocumentOptions<Table['Value']>,
  ): UseClientDocumentResult<Table>
  /** How far the leader has confirmed what this tab has committed. */
  useSyncStatus(): Accessor<SyncStatus | undefined>
}

/** Adds the methods to the accessor (or resource) of a store, and returns it. */
export const withSolidApi = <Source extends StoreAccessor>(source: Source): Source & SolidApi =>
  Object.assign(source, {
    useQuery: <Result>(query: MaybeAccessor<Queryable<Result>>) => useQuery(source, query),
    useClientDocument: (<Table extends ClientDocument>(
      table: Table,
      id?: MaybeAccessor<string | SessionIdSymbol | undefined>,
      options?: UseClientDocumentOptions<Table['Value']>,
    ) => useClientDocument(source, table, id, options)) as SolidApi['useClientDocument'],
    useSyncStatus: () =>
      follow(source, (store, set: (status: SyncStatus) => void) => store.subscribeSyncStatus(set)),
  })

/** As the method of `SolidApi`, for the store that `source` gives. */
export const useQuery = <Result>(
  source: StoreAccessor,
  query: MaybeAccessor<Queryable<Result>>,
): Accessor<Result | undefined> =>
  follow(source, (store, set: (result: Result) => void) =>
    store.subscribe(current(query) as Queryable<Result>, set),
  )

/** The last value that `subscribe` has given, anew for another store and what `subscribe` reads. */
const follow = <Value>(
  source: StoreAccessor,
  subscribe: (store: AnyStore, set: (value: Value) => void) => () => void,
): Accessor<Value | undefined> => {
  const followed = createMemo(() => {
    const store = source()
    if (store === undefined) return undefined
    const [value, setValue] = createSignal<Value>()
    onCleanup(subscribe(store, (next) => setValue(() => next)))
    return value
  })
  return () => {
    // Whoever reads before the store is there suspends: a memo by itself would not.
    source()
    return followed()?.()
  }
}

const useClientDocument = <Table extends ClientDocument>(
  source: StoreAccessor,
  table: Table,
  id: MaybeAccessor<string | SessionIdSymbol | undefined>,
  options: UseClientDocumentOptions<Table['Value']> = {},
): UseClientDocumentResult<Table> => {
  const document = createMemo(() =>
    documentRef('useClientDocument', table, current(id), options.default),
  )
  const value = useQuery<Table['Value']>(source, () => document().query$)

  type Next = Parameters<SetDocument<Table>>[0]
  let early: Next[] = []
  createComputed(() => {
    const ready = source()
    if (ready === undefined || early.length === 0) return
    const waiting = early
    early = []
    untrack(() => {
      for (const next of waiting) setDocument(ready, document(), next)
    })
  })
  const setValue: SetDocument<Table> = (next) => {
    const ready = untrack(source)
    if (ready === undefined) early.push(next)
    else setDocument(ready, document(), next)
  }
  const idText = () => {
    const ready = source()
    return ready && documentIdText(ready as never, document().id)
  }
  const query$ = () => {
    const ready = source()
    return ready?.[StoreInternalsSymbol].instance<Table['Value']>(document().query$)
  }
  return [value, setValue, idText, query$]
}

const current = <Value>(value: MaybeAccessor<Value>): Value =>
  typeof value === 'function' ? (value as Accessor<Value>)() : value
