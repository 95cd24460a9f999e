/**
 * What a span is called after a query: `db:<label>`, `js:<label>` for computed ones.
 *
 * Where an app gives no label, the label is the statement or the source of the function; then the
 * name says no more than `db:unnamed`, unless SQL is asked for.
 */

import { isQueryBuilder } from '../query/builder.js'
import {
  isLiveQuery,
  isQueryDef,
  type LiveQueryDef,
  QueryDefSymbol,
  type SignalDef,
} from '../reactivity/definitions.js'

/** As much of the SQL as a name has. */
const SQL_IN_NAME_MAX = 50

export const spanNameOf = (query: unknown, includeSql: boolean): string => {
  const def = defOf(query)
  const kind = def?.[QueryDefSymbol].kind === 'computed' ? 'js' : 'db'
  const label = def === undefined ? undefined : givenLabel(def)
  const sql = includeSql ? sqlOf(query)?.slice(0, SQL_IN_NAME_MAX) : undefined
  return `${kind}:${label ?? sql ?? 'unnamed'}`
}

/** The statement, where there is one before the query runs. */
export const sqlOf = (query: unknown): string | undefined => {
  if (isQueryBuilder(query)) return query.asSql().query
  const def = defOf(query)
  if (def !== undefined) {
    const spec = def[QueryDefSymbol]
    if (spec.kind !== 'db' || spec.source.form === 'function') return undefined
    return spec.source.form === 'raw' ? spec.source.raw.query : sqlOf(spec.source.builder)
  }
  const raw = query as { readonly query?: unknown } | undefined
  return typeof raw?.query === 'string' ? raw.query : undefined
}

type AnyDef = LiveQueryDef<unknown> | SignalDef<unknown>

const defOf = (query: unknown): AnyDef | undefined => {
  if (isLiveQuery(query)) return query.def
  return isQueryDef(query) ? query : undefined
}

/** The hash begins with the text that stands in for a label. */
const givenLabel = ({ label, hash }: AnyDef): string | undefined =>
  hash.startsWith(label) ? undefined : label
