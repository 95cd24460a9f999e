/**
 * Column defaults that are functions: evaluated once, when the event that needs them is committed,
 * and carried in the event, so that every later materialization inserts the same values.
 *
 *     commit ──► materialize, collecting ──► interrupted ──► commit again, with what was collected
 *
 * They are a field of the stored arguments, taken out before the arguments are decoded. How they
 * are collected and read is in `default-sources.ts`, which only a schema with such defaults needs.
 *
 * Which source is in use is found through `globalThis`: the query builder of the app and the
 * materialization of a worker may be bundled apart.
 */

import { LiveStoreError } from '../errors.js'
import type { ColumnDefinition } from './columns.js'
import { type BindValue, isPlainObject } from './values.js'

/** The field of the stored arguments. */
export const carriedField = 'livestore-wasm/defaults'

/** Where an insert takes the value of a column from that it was not given. */
export interface DefaultSource {
  take(column: string, definition: ColumnDefinition, make: () => BindValue): BindValue
}

const sourceSymbol = Symbol.for('livestore-wasm/default-source')
const holder = globalThis as unknown as { [sourceSymbol]?: DefaultSource | undefined }

/** Runs a materializer whose inserts take defaults from `source`. */
export const withDefaults = <T>(source: DefaultSource | undefined, run: () => T): T => {
  const outer = holder[sourceSymbol]
  holder[sourceSymbol] = source
  try {
    return run()
  } finally {
    holder[sourceSymbol] = outer
  }
}

/**
 * The default of `column` for the insert that is being built.
 *
 * @throws LiveStoreError `InvalidQuery` outside of a materializer, where no event can carry it
 */
export const carriedDefault = (
  column: string,
  definition: ColumnDefinition,
  make: () => BindValue,
): BindValue => {
  const source = holder[sourceSymbol]
  if (source !== undefined) return source.take(column, definition, make)
  throw new LiveStoreError(
    'InvalidQuery',
    `insert: the default of column '${column}' is a function, so an insert without it can only ` +
      'be built while an event is materialized',
  )
}

/** Stored arguments without the defaults that they carry. */
export const withoutCarried = (args: unknown): unknown => {
  if (!isPlainObject(args) || !Object.hasOwn(args, carriedField)) return args
  const { [carriedField]: _, ...rest } = args
  return rest
}
