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
import { normalizeUnknownEventHandling, type UnknownEventHandling } from './unknown-events.js'
import { describe, isPlainObject } from './values.js'

export const LiveStoreSchemaSymbol: unique symbol = Symbol.for('livestore-wasm/schema')

type EventDefs = { readonly [key: string]: AnyEventDef }

/** The names of the events of `Defs` that bring no materializer themselves. */
type NamesToMaterialize<Defs extends EventDefs> = {
  [Key in keyof Defs]: Defs[Key]['options'] extends { readonly derived: true }
    ? never
    : Defs[Key]['name']
}[keyof Defs]

/**
 * How state follows a change of the tables. There is one way, whatever it is called: it is rebuilt
 * from the eventlog. A strategy of the app's own would make state that is no function of the
 * events, and differs from tab to tab.
 */
export interface MigrationOptions {
  readonly strategy: 'auto' | 'from-eventlog' | 'hard-reset'
  /** Not called, and a warning says so: what they wrote would be in one tab's state only. */
  readonly hooks?: unknown
  /** Accepted for compatibility, and not looked at. */
  readonly logging?: unknown
}

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
  /** Whether a column of some table has a function for its default. */
  readonly hasComputedDefaults: boolean
}

export type LiveStoreSchema = {
  readonly [LiveStoreSchemaSymbol]: typeof LiveStoreSchemaSymbol
  readonly state: SchemaState
  /** By event name, with those of client documents. */
  readonly eventsDefsMap: ReadonlyMap<string, AnyEventDef>
  readonly unknownEventHandling: UnknownEventHandling
  readonly devtools: { readonly alias: string }
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
 * that is not a table or a materializer; `Unsupported` for a migration strategy of the app's own
 */
export const makeState = (spec: {
  readonly tables: { readonly [key: string]: AnyTableDef } | readonly AnyTableDef[]
  readonly materializers: MaterializerRecord
  readonly migrations?: MigrationOptions | undefined
}): SchemaState => {
  checkMigrations(spec.migrations)
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
  const infos = [...tables.values()].map((tableDef) => tableDef[TableInfoSymbol])
  const hasComputedDefaults = infos.some(({ computed }) => computed.length > 0)
  return { sqlite: { tables }, materializers: materializerMap, hasComputedDefaults }
}

const checkMigrations = (migrations: MigrationOptions | undefined): void => {
  if (migrations === undefined) return
  const { strategy, hooks } = migrations
  if (!['auto', 'from-eventlog', 'hard-reset'].includes(strategy)) {
    const text = `migrations: the strategy ${describe(strategy)} does not exist here: state is `
    throw new LiveStoreError('Unsupported', `${text}always rebuilt from the eventlog`)
  }
  if (hooks !== undefined) {
    console.warn('livestore: migration hooks are not called: state is a function of the events')
  }
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
  /** What happens with events that the schema does not know. Default: `{ strategy: 'warn' }`. */
  readonly unknownEventHandling?: UnknownEventHandling | undefined
  /** How tools call this schema. Default: `default`. */
  readonly devtools?: { readonly alias?: string | undefined } | undefined
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
  return {
    [LiveStoreSchemaSymbol]: LiveStoreSchemaSymbol,
    state: spec.state,
    eventsDefsMap,
    unknownEventHandling: normalizeUnknownEventHandling(spec.unknownEventHandling),
    devtools: { alias: spec.devtools?.alias ?? 'default' },
  }
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
