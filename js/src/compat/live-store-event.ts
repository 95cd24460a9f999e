/**
 * `LiveStoreEvent`: events as tools and sync backends of apps handle them. Nothing
 * else in this package uses it.
 *
 * Schemas are Standard Schemas: they check the form of an event, and its arguments by the schema of
 * the app.
 */

// biome-ignore-all lint/style/noNamespace: apps find these types in namespaces.

import { messageOf } from '../errors.js'
import type { StandardSchema } from '../schema/codec.js'
import { EventCodecSymbol } from '../schema/events.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import { deepEqual, describe, isPlainObject } from '../schema/values.js'
import { type Composite, fromGlobal } from './event-sequence-number.js'

/** What `commit` takes, with encoded arguments. */
export interface InputEncoded {
  readonly name: string
  readonly args: unknown
}

/** An event as a client logs it. */
export interface ClientEncoded extends InputEncoded {
  readonly seqNum: Composite
  readonly parentSeqNum: Composite
  readonly clientId: string
  readonly sessionId: string
}

/** An event as a sync backend orders it. */
export interface GlobalEncoded extends InputEncoded {
  readonly seqNum: number
  readonly parentSeqNum: number
  readonly clientId: string
  readonly sessionId: string
}

/** Whether two events are the same, wherever they are in the order. */
const isEqualEncoded = (a: ClientEncoded, b: ClientEncoded): boolean =>
  a.seqNum.global === b.seqNum.global &&
  a.seqNum.client === b.seqNum.client &&
  a.name === b.name &&
  a.clientId === b.clientId &&
  a.sessionId === b.sessionId &&
  deepEqual(asJson(a.args), asJson(b.args))

/** An event of the sync backend as a client logs it. */
const toClientEncoded = (event: GlobalEncoded): ClientEncoded => ({
  ...event,
  seqNum: fromGlobal(event.seqNum),
  parentSeqNum: fromGlobal(event.parentSeqNum),
})

/** Whether `event` is what a definition returned when it was called. */
const isPartialEventDef = (event: unknown): event is InputEncoded =>
  isPlainObject(event) && typeof event.name === 'string' && 'args' in event

/** Checks an event of `schema`, and decodes its arguments. */
const makeEventDefPartialSchema = (schema: LiveStoreSchema): StandardSchema<InputEncoded> => ({
  '~standard': {
    version: 1,
    vendor: 'livestore-wasm',
    validate: (event) => {
      if (!isPartialEventDef(event)) {
        return { issues: [{ message: `expected an event, got ${describe(event)}` }] }
      }
      const eventDef = schema.eventsDefsMap.get(event.name)
      if (eventDef === undefined) {
        return { issues: [{ message: `the schema has no event ${describe(event.name)}` }] }
      }
      try {
        const args = eventDef[EventCodecSymbol].decode(asJson(event.args))
        return { value: { ...event, args } }
      } catch (cause) {
        return { issues: [{ message: messageOf(cause), path: ['args'] }] }
      }
    },
  },
})

const known = new WeakMap<LiveStoreSchema, StandardSchema<InputEncoded>>()

/** As `makeEventDefPartialSchema`, made once for each schema. */
const makeEventDefSchemaMemo = (schema: LiveStoreSchema): StandardSchema<InputEncoded> => {
  const made = known.get(schema) ?? makeEventDefPartialSchema(schema)
  known.set(schema, made)
  return made
}

/** As the log has it: fields that are undefined are none. */
const asJson = (args: unknown): unknown =>
  args === undefined ? {} : (JSON.parse(JSON.stringify(args)) as unknown)

/** Functions on events. What is not in `Client`, `Global` and `Input` are the names of 0.3. */
export const LiveStoreEvent = {
  Client: {
    isEqualEncoded,
    makeSchema: makeEventDefPartialSchema,
    makeSchemaMemo: makeEventDefSchemaMemo,
  },
  Global: { toClientEncoded },
  Input: { makeSchema: makeEventDefPartialSchema },
  isEqualEncoded,
  isPartialEventDef,
  makeEventDefSchema: makeEventDefPartialSchema,
  makeEventDefSchemaMemo,
  makeEventDefPartialSchema,
}

export declare namespace LiveStoreEvent {
  namespace Client {
    /** As a client logs it. */
    type Encoded = ClientEncoded
    type Decoded = ClientEncoded
  }
  namespace Global {
    /** As a sync backend orders it. */
    type Encoded = GlobalEncoded
  }
  namespace Input {
    /** As an app commits it, encoded. */
    type Encoded = InputEncoded
    type Decoded = InputEncoded
  }
  type AnyDecoded = ClientEncoded
  type AnyEncoded = ClientEncoded
  type AnyEncodedGlobal = GlobalEncoded
  type PartialAnyEncoded = InputEncoded
  type PartialAnyDecoded = InputEncoded
}
