/**
 * The event of 0.3 that carries SQL. An app that commits it lists it in its schema, with its
 * materializer; it is not in every schema any more.
 */

import type { StandardSchema } from '../schema/codec.js'
import { type DefinedEvent, defineEvent } from '../schema/events.js'
import type { RawStatement } from '../schema/materialize.js'
import { describe, isPlainObject } from '../schema/values.js'

/** The arguments: a statement, and its binds. */
export interface RawSqlArgs {
  readonly sql: string
  readonly bindValues?: RawStatement['bindValues']
  readonly writeTables?: readonly string[] | undefined
}

const rawSqlSchema: StandardSchema<RawSqlArgs> = {
  '~standard': {
    version: 1,
    vendor: 'livestore-wasm',
    validate: (args) =>
      isPlainObject(args) && typeof args.sql === 'string'
        ? { value: args as unknown as RawSqlArgs }
        : { issues: [{ message: `expected { sql, bindValues }, got ${describe(args)}` }] },
  },
}

/** `livestore.RawSql`: list it among the events of the schema that commits it. */
export const rawSqlEvent: DefinedEvent<'livestore.RawSql', typeof rawSqlSchema> =
  /* @__PURE__ */ defineEvent({
    name: 'livestore.RawSql',
    schema: rawSqlSchema,
    clientOnly: true,
  })

/** Materializes `rawSqlEvent`: `{ 'livestore.RawSql': rawSqlMaterializer }`. */
export const rawSqlMaterializer = ({ sql, bindValues }: RawSqlArgs): RawStatement => ({
  sql,
  bindValues,
})
