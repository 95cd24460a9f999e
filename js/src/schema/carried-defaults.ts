/**
 * Column defaults that are functions: evaluated once, when the event that needs them is committed,
 * and carried in the event, so that every later materialization inserts the same values.
 *
 *     commit ──► materialize, collecting ──► interrupted ──► commit again, with what was collected
 *
 * They are a field of the stored arguments, taken out before the arguments are decoded. An event
 * that carries none, because it is older than the default, gets a value that depends on nothing but
 * its place in the log.
 *
 * Which source is in use is found through `globalThis`: the query builder of the app and the
 * materialization of a worker may be bundled apart.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import type { SeqNum } from '../wasm/values.js'
import type { ColumnDefinition } from './columns.js'
import { type BindValue, isPlainObject } from './values.js'

/** The field of the stored arguments. */
const field = 'livestore-wasm/defaults'

type StoredValue = string | number | null | { readonly int: string } | { readonly bytes: number[] }
type StoredValues = { readonly [column: string]: readonly StoredValue[] }

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

/** Collects the defaults that a commit needs. One for all of its events. */
export class DefaultsCollector {
  isInterrupted = false
  readonly #collected = new Map<number, Record<string, StoredValue[]>>()
  readonly #last: number

  constructor(eventCount: number) {
    this.#last = eventCount - 1
  }

  /** For the materialization of the event `index`. */
  source(index: number): DefaultSource {
    return {
      take: (column, _definition, make) => {
        const value = make()
        const collected = this.#collected.get(index) ?? {}
        this.#collected.set(index, collected)
        collected[column] ??= []
        collected[column].push(toStored(value))
        return value
      },
    }
  }

  /** The event `index` has been materialized. @throws LiveStoreError to have the commit undone */
  afterEvent(index: number): void {
    if (index !== this.#last || this.#collected.size === 0) return
    this.isInterrupted = true
    throw new LiveStoreError('Internal', 'to be committed again with its defaults')
  }

  /** `argsJson` of the event `index` with what was collected for it. */
  carriedIn(index: number, name: string, argsJson: string): string {
    const collected = this.#collected.get(index)
    if (collected === undefined) return argsJson
    const args: unknown = JSON.parse(argsJson)
    if (isPlainObject(args)) return JSON.stringify({ ...args, [field]: collected })
    throw new LiveStoreError(
      'InvalidEventArgs',
      `event '${name}' cannot carry defaults (of ${Object.keys(collected).join()}): its ` +
        'arguments must be an object for that',
    )
  }
}

/** The defaults that a stored event carries, in the order of its inserts. */
export const carriedSource = (argsJson: string, seqNum: SeqNum): DefaultSource => {
  const carried = argsJson.includes(field) ? carriedValues(argsJson) : {}
  const taken = new Map<string, number>()
  return {
    take: (column, definition) => {
      const count = taken.get(column) ?? 0
      taken.set(column, count + 1)
      const values = Object.hasOwn(carried, column) ? carried[column] : undefined
      const value = values?.[count]
      return value === undefined
        ? valueForOldEvent(column, definition, `e${seqNum.global}.${seqNum.client}.${count}`)
        : fromStored(value)
    },
  }
}

/** Stored arguments without the defaults that they carry. */
export const withoutCarried = (args: unknown): unknown => {
  if (!isPlainObject(args) || !Object.hasOwn(args, field)) return args
  const { [field]: _, ...rest } = args
  return rest
}

const carriedValues = (argsJson: string): StoredValues => {
  try {
    const args: unknown = JSON.parse(argsJson)
    const carried = isPlainObject(args) ? args[field] : undefined
    return isPlainObject(carried) ? (carried as StoredValues) : {}
  } catch (cause) {
    const message = `stored arguments are not JSON: ${messageOf(cause)}`
    throw new LiveStoreError('DecodeFailed', message, { cause })
  }
}

/** `place` is unlike that of every other row. */
const valueForOldEvent = (
  column: string,
  { kind, schema, nullable, primaryKey }: ColumnDefinition,
  place: string,
): BindValue => {
  if (nullable) return null
  if (schema === undefined) {
    if (kind === 'text') return primaryKey ? place : ''
    if (kind === 'datetime') return new Date(0).toISOString()
    if (kind === 'blob') return new Uint8Array()
    if (kind !== 'json') return 0
  }
  throw new LiveStoreError(
    'InvalidMaterializerResult',
    `the event is older than the default of column '${column}', and carries no value for it: ` +
      'make the column nullable, or give the value in the materializer',
  )
}

const toStored = (value: BindValue): StoredValue => {
  if (typeof value === 'bigint') return { int: String(value) }
  return value instanceof Uint8Array ? { bytes: [...value] } : value
}

const fromStored = (value: StoredValue): BindValue => {
  if (typeof value !== 'object' || value === null) return value
  return 'int' in value ? BigInt(value.int) : new Uint8Array(value.bytes)
}
