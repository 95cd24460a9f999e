/**
 * Puts tables, events and materializers together, and refuses what does not fit: the store and the
 * worker rely on a schema being complete.
 *
 * Every event of a schema has a materializer; an event that changes no state has one that returns
 * nothing. So an event is known everywhere or refused at the commit, and never silently skipped.
 */

import { LiveStoreError } from '../errors.js'
import { ClientDocumentTableDefSymbol, tableIsClientDocumentTable } from './client-document.js'
import { type AnyEventDef, EventCodecSymbol, isEventDef } from './events.js'
import type { AnyMaterializer, Materializer } from './materialize.js'
import { foldName, TABLES_MAX } from './names.js'
import { type AnyTableDef, isTableDef } from './table.js'
import { TableInfoSymbol } from './table-info.js'
import { describe, isPlainObject } from './values.js'

export const LiveStoreSchemaSymbol: unique symbol = Symbol.for('livestore-wasm/schema')

type EventDefs = { readonly [key: string]: AnyEventDef }

/** The names of the events of `Defs` that bring no materializer themselves. */
type NamesToMaterialize<Defs extends EventDefs> = {
  [Key in keyof Defs]: Defs[Key]['options'] extends { readonly derived: true }
    ? never
    : Defs[Key]['name']
}[keyof Defs]

/** A materializer for each of those. Mapped over names: only so do handlers get their types. */
export type MaterializersFor<Defs extends EventDefs> = {
  readonly [Name in NamesToMaterialize<Defs>]: Materializer<
    Extract<Defs[keyof Defs], { readonly name: Name }>
  >
}

export type MaterializerRecord = { readonly [eventName: string]: AnyMaterializer }

export type SchemaState = {
  readonly sqlite: { readonly tables: ReadonlyMap<string, AnyTableDef> }
  /** By event name, with those of client documents. */
  readonly materializers: ReadonlyMap<string, AnyMaterializer>
}

export type LiveStoreSchema = {
  readonly [LiveStoreSchemaSymbol]: typeof LiveStoreSchemaSymbol
  readonly state: SchemaState
  /** By event name, with those of client documents. */
  readonly eventsDefsMap: ReadonlyMap<string, AnyEventDef>
}

const invalid = (message: string): never => {
  throw new LiveStoreError('InvalidSchema', message)
}

/**
 * The materializers of `events`, keyed by event name.
 *
 * @throws LiveStoreError `InvalidSchema` for a key that is not the name of one of `events`
 */
export const materializers = <const Defs extends EventDefs>(
  events: Defs,
  handlers: MaterializersFor<Defs>,
): MaterializersFor<Defs> => {
  const names = Object.values<AnyEventDef>(events).map((event) => event.name)
  for (const key of Object.keys(handlers)) {
    if (!names.includes(key)) {
      const event = Object.hasOwn(events, key) ? events[key] : undefined
      const hint = event ? `; the name of this event is '${event.name}'` : ''
      invalid(`materializers: there is no event named '${key}'${hint}`)
    }
  }
  return handlers
}

/** Gives a materializer that stands alone its types. */
export const defineMaterializer = <Def extends AnyEventDef>(
  _eventDef: Def,
  materializer: Materializer<Def>,
): Materializer<Def> => materializer

/**
 * Collects tables and materializers.
 *
 * @throws LiveStoreError `InvalidSchema` for two tables or indexes of one name, and for anything
 * that is not a table or a materializer
 */
export const makeState = (spec: {
  readonly tables: { readonly [key: string]: AnyTableDef } | readonly AnyTableDef[]
  readonly materializers: MaterializerRecord
}): SchemaState => {
  const tables = new Map<string, AnyTableDef>()
  const materializerMap = new Map<string, AnyMaterializer>()
  const taken = new Map<string, string>()
  const take = (name: string, what: string) => {
    const owner = taken.get(foldName(name))
    if (owner !== undefined) invalid(`duplicate ${what} name '${name}': ${owner} has it`)
    taken.set(foldName(name), `${what} '${name}'`)
  }
  const entries = Object.entries(spec.tables)
  if (entries.length > TABLES_MAX) invalid(`a schema has at most ${TABLES_MAX} tables`)
  for (const [key, tableDef] of entries) {
    if (!isTableDef(tableDef)) return invalid(`tables: '${key}' is ${describe(tableDef)}`)
    const { name, indexes } = tableDef[TableInfoSymbol]
    take(name, 'table')
    for (const index of indexes) take(index.name, 'index')
    tables.set(name, tableDef)
    if (tableIsClientDocumentTable(tableDef)) {
      const { setEvent, materialize } = tableDef[ClientDocumentTableDefSymbol]
      materializerMap.set(setEvent.name, materialize)
    }
  }
  if (!isPlainObject(spec.materializers)) {
    return invalid(`materializers: expected an object, got ${describe(spec.materializers)}`)
  }
  for (const [name, materializer] of Object.entries(spec.materializers)) {
    if (typeof materializer !== 'function') {
      invalid(`materializer of '${name}': expected a function, got ${describe(materializer)}`)
    }
    if (materializerMap.has(name)) {
      invalid(`materializer of '${name}': the client document brings its own`)
    }
    materializerMap.set(name, materializer)
  }
  return { sqlite: { tables }, materializers: materializerMap }
}

/**
 * Makes the schema of a store. The set events of client documents are added when not listed.
 *
 * @throws LiveStoreError `InvalidSchema` for two events of one name, an event without materializer,
 * a materializer without event, and schemas or defaults that cannot be used
 */
export const makeSchema = (spec: {
  readonly events: EventDefs | readonly AnyEventDef[]
  readonly state: SchemaState
}): LiveStoreSchema => {
  const eventsDefsMap = new Map<string, AnyEventDef>()
  for (const [key, event] of Object.entries<AnyEventDef>(spec.events as EventDefs)) {
    if (!isEventDef(event)) return invalid(`events: '${key}' is ${describe(event)}`)
    if (eventsDefsMap.has(event.name)) invalid(`duplicate event name '${event.name}'`)
    eventsDefsMap.set(event.name, event)
  }
  const { sqlite, materializers: known } = spec.state
  for (const tableDef of sqlite.tables.values()) {
    if (tableIsClientDocumentTable(tableDef)) {
      const { setEvent, check } = tableDef[ClientDocumentTableDefSymbol]
      const listed = eventsDefsMap.get(setEvent.name)
      if (listed !== undefined && listed !== setEvent) {
        invalid(`duplicate event name '${setEvent.name}': a client document has an event of it`)
      }
      eventsDefsMap.set(setEvent.name, setEvent)
      check()
    }
    for (const column of tableDef[TableInfoSymbol].columns) column.codec()
  }
  for (const [name, event] of eventsDefsMap) {
    if (!known.has(name)) {
      invalid(
        `event '${name}' has no materializer; if it changes no state, add one that returns []`,
      )
    }
    event[EventCodecSymbol].check()
  }
  for (const name of known.keys()) {
    if (!eventsDefsMap.has(name)) invalid(`there is a materializer of '${name}', but no such event`)
  }
  return { [LiveStoreSchemaSymbol]: LiveStoreSchemaSymbol, state: spec.state, eventsDefsMap }
}

/** True for schemas of any copy of this package. */
export const isLiveStoreSchema = (value: unknown): value is LiveStoreSchema =>
  typeof value === 'object' && value !== null && LiveStoreSchemaSymbol in value

/** @throws LiveStoreError `UnknownEvent` */
export const getEventDef = (schema: LiveStoreSchema, name: string): AnyEventDef => {
  const eventDef = schema.eventsDefsMap.get(name)
  if (eventDef !== undefined) return eventDef
  throw new LiveStoreError('UnknownEvent', `the schema has no event ${describe(name)}`)
}
