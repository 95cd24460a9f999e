/** What a query makes of the rows that are stored, without an engine that stores them. */

import type { CompiledQuery } from '../src/query/index.js'
import type { BindValue } from '../src/schema/values.js'

/** `rows` are arrays of stored values, in the order of the columns. */
export const resultOf = <Result>(
  query: { readonly compile: () => CompiledQuery<Result> },
  rows: readonly (readonly BindValue[])[],
): Result => {
  const { columns, decoders, mode, finish } = query.compile()
  const decodeRow = (row: readonly BindValue[]): unknown => {
    const values = columns.map((_, i) => {
      const stored = row[i] ?? null
      return decoders[i] === undefined ? stored : decoders[i](stored)
    })
    return mode === 'pluck' ? values[0] : Object.fromEntries(columns.map((c, i) => [c, values[i]]))
  }
  return finish(rows.map(decodeRow))
}
