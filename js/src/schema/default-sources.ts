/**
 * Where inserts take the defaults from that are functions: for the event of a commit from calling
 * them, for a stored event from what it carries. See `carried-defaults.ts`.
 *
 * An event that carries none, because it is older than the default, gets a value that depends on
 * nothing but its place in the log.
 *
 * A page loads this only if its schema has such a default.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import type { CommitEvent } from '../wasm/client-session.js'
import type { SeqNum } from '../wasm/values.js'
import { carriedField, type DefaultSource } from './carried-defaults.js'
import type { ColumnDefinition } from './columns.js'
import { type BindValue, isPlainObject } from './values.js'

type StoredValue = string | number | null | { readonly int: string } | { readonly bytes: number[] }
type StoredValues = { readonly [column: string]: readonly StoredValue[] }

/** The note on an event of a commit that may have to be made again with its defaults. */
interface DraftEvent {
  readonly collector: DefaultsCollector
  readonly index: number
}

/** What the materialization of an event does about defaults. */
export interface EventDefaults {
  readonly source: DefaultSource
  /** To be called when the event has been materialized. May throw, to have a commit undone. */
  readonly done: () => void
}

/** What a schema with such defaults needs, where it is materialized and where it is committed. */
export interface DefaultsSupport {
  defaultsOf(event: {
    readonly note?: unknown
    readonly argsJson: string
    readonly seqNum: SeqNum
  }): EventDefaults
  commitWithDefaults<T>(
    events: readonly CommitEvent[],
    commit: (events: readonly CommitEvent[]) => T,
  ): T
}

/** The defaults for one event: collected for a draft, else as it carries them. */
export const defaultsOf: DefaultsSupport['defaultsOf'] = ({ note, argsJson, seqNum }) => {
  const draft = note as DraftEvent | undefined
  if (draft === undefined) {
    return { source: carriedSource(argsJson, seqNum), done: () => undefined }
  }
  const { collector, index } = draft
  return { source: collector.source(index), done: () => collector.afterEvent(index) }
}

/**
 * Commits events whose materializers may insert rows without the columns that have a function for
 * their default.
 *
 * The first try finds out which values are needed, and is undone; the second commits events that
 * carry them. A commit that needs none is committed by the first.
 *
 * Returns what `commit` returns. @throws what `commit` throws; nothing has changed then
 */
export const commitWithDefaults: DefaultsSupport['commitWithDefaults'] = (events, commit) => {
  const collector = new DefaultsCollector(events.length)
  const draft = (index: number): DraftEvent => ({ collector, index })
  try {
    return commit(events.map((event, index) => ({ ...event, note: draft(index) })))
  } catch (thrown) {
    if (!collector.isInterrupted) throw thrown
  }
  return commit(
    events.map((event, index) => ({
      ...event,
      argsJson: collector.carriedIn(index, event.name, event.argsJson),
    })),
  )
}

/** Collects the defaults that a commit needs. One for all of its events. */
class DefaultsCollector {
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
    if (isPlainObject(args)) return JSON.stringify({ ...args, [carriedField]: collected })
    throw new LiveStoreError(
      'InvalidEventArgs',
      `event '${name}' cannot carry defaults (of ${Object.keys(collected).join()}): its ` +
        'arguments must be an object for that',
    )
  }
}

/** The defaults that a stored event carries, in the order of its inserts. */
const carriedSource = (argsJson: string, seqNum: SeqNum): DefaultSource => {
  const carried = argsJson.includes(carriedField) ? carriedValues(argsJson) : {}
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

const carriedValues = (argsJson: string): StoredValues => {
  try {
    const args: unknown = JSON.parse(argsJson)
    const carried = isPlainObject(args) ? args[carriedField] : undefined
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
