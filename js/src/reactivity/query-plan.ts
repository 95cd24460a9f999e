/**
 * What a query input means for one session: a statement with binds, how its rows are decoded, and
 * how they become the result.
 */

import { LiveStoreError } from '../errors.js'
import { type Query, QueryBuilderAstSymbol } from '../query/types.js'
import { schemaDecoder } from '../schema/codec.js'
import type { EventInput } from '../schema/events.js'
import { describe, replaceSessionId } from '../schema/values.js'
import type { Binds, RowKey, RowShape } from '../wasm/values.js'
import { dbSource, type RawQuery, rowsKeys } from './definitions.js'

export interface QueryPlan {
  /** Equal keys give identical rows. */
  readonly key: string
  readonly sql: string
  readonly binds: Binds
  readonly rowKey: RowKey | undefined
  readonly shape: RowShape
  readonly finish: (rows: readonly unknown[]) => unknown
  /** Whether other rows always mean another result. */
  readonly isFaithful: boolean
  /** For a client document: the event that creates it, and what to call that commit. */
  readonly createDocument: { readonly event: () => EventInput; readonly label: string } | undefined
}

/**
 * @throws LiveStoreError `InvalidQuery` `ReadOnlyQuery` `InvalidSchema` if `input` is not a query
 *   that can be run
 */
export const queryPlan = (input: unknown, label: string, sessionId: string): QueryPlan => {
  const source = dbSource(input)
  if (source.form === 'builder') return builderPlan(source.builder, sessionId)
  if (source.form === 'raw') return rawPlan(source.raw, label, sessionId)
  throw new LiveStoreError('InvalidQuery', `a query function returned ${describe(input)}`)
}

const builderPlan = (builder: Query<unknown>, sessionId: string): QueryPlan => {
  const { sql, binds, rowKey, mode, decoders, finish } = builder.compile()
  const ast = builder[QueryBuilderAstSymbol] as {
    readonly _tag: string
    readonly label?: string
    readonly createEvent?: () => EventInput
  }
  const { label, createEvent } = ast
  return {
    key: rowsKeys.builder(builder),
    sql,
    binds: replaceSessionId(binds, sessionId) as Binds,
    rowKey,
    shape: { decoders, pluck: mode === 'pluck' },
    finish,
    isFaithful: true,
    createDocument: createEvent && { event: createEvent, label: label ?? sql },
  }
}

const rawPlan = (raw: RawQuery, label: string, sessionId: string): QueryPlan => ({
  key: rowsKeys.raw(raw),
  sql: raw.query,
  binds: replaceSessionId(raw.bindValues ?? [], sessionId) as Binds,
  rowKey: undefined,
  shape: {},
  finish: schemaDecoder(raw.schema, `query '${label}'`),
  isFaithful: false,
  createDocument: undefined,
})
