/**
 * Event definitions: an app calls one to make an event, and its codec turns arguments into the JSON
 * that the eventlog keeps, and back.
 *
 * What a materializer gets is always decoded from the stored JSON, in the tab that commits as in
 * every other place, so that state is a function of the eventlog. Arguments are read and checked
 * once, when the definition is called: changing the object afterwards changes nothing.
 *
 * Definitions are recognised by `EventCodecSymbol`, never by identity: the worker entry is a bundle
 * of its own.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import { withoutCarried } from './carried-defaults.js'
import type { SchemaEncoded, SchemaInput, SchemaOutput } from './codec.js'
import { type AnySchema, checkSchema, codecOf, isEffectSchema } from './codec.js'
import { checkName } from './names.js'
import { isPlainObject, replaceSessionId, scrubParsedJson, toJson } from './values.js'

export const EventCodecSymbol: unique symbol = Symbol.for('livestore-wasm/event-codec')
declare const EventTypes: unique symbol

/** What `commit` takes. */
export type EventInput<Name extends string = string, Args = unknown> = {
  readonly name: Name
  readonly args: Args
}

export type EventOptions<Derived extends boolean = boolean> = {
  /** The event stays on its client and is never sent to a sync backend. */
  readonly clientOnly: boolean
  /** The package brings the materializer: the set events of client documents. */
  readonly derived: Derived
  /** Why the event should not be committed any more. */
  readonly deprecated?: string | undefined
  /** Accepted for compatibility, and not evaluated. */
  readonly facts?: unknown
}

export type PreparedEvent = {
  /** The JSON text that is stored. */
  readonly json: string
  /** The arguments as every materializer sees them: decoded from that text. */
  readonly args: unknown
}

/** How the engine's glue encodes and decodes. Every function throws a `LiveStoreError`. */
export type EventCodec = {
  /** Checks `args` now and makes the event of them. @throws `InvalidEventArgs` */
  readonly make: (args: unknown) => EventInput
  /** What to store for an event, with the session id filled in. @throws `InvalidEventArgs` */
  readonly prepare: (event: EventInput, sessionId: string) => PreparedEvent
  /** Checks `args` and returns the JSON value that is stored. @throws `InvalidEventArgs` */
  readonly encode: (args: unknown) => unknown
  /** The arguments of a stored JSON value. @throws `DecodeFailed` */
  readonly decode: (json: unknown) => unknown
  /** Makes the codec of the schema now. @throws `InvalidSchema` if that cannot be done. */
  readonly check: () => void
}

/** An event definition without its call. */
export type EventParts<Name extends string, Type, Encoded, Derived extends boolean> = {
  readonly name: Name
  readonly schema: AnySchema
  readonly options: EventOptions<Derived>
  /** An event from arguments that are encoded already; nothing is checked. */
  readonly encoded: (args: Encoded) => EventInput<Name>
  readonly [EventCodecSymbol]: EventCodec
  readonly [EventTypes]?: Type
}

/**
 * `Type` is what materializers get, `Input` what the call takes. They differ only for a Standard
 * Schema that transforms.
 */
export type EventDef<
  Name extends string = string,
  Type = unknown,
  Encoded = unknown,
  Derived extends boolean = false,
  Input = Type,
> = EventParts<Name, Type, Encoded, Derived> &
  ((...args: undefined extends Input ? [args?: Input] : [args: Input]) => EventInput<Name, Input>)

/** Any event definition, those of client documents included. */
export type AnyEventDef = EventParts<string, unknown, never, boolean> &
  ((...args: never[]) => EventInput)

/** What the materializer of an event gets as its arguments. */
export type EventArgs<Def> = Def extends { readonly [EventTypes]?: infer Type } ? Type : never

type EventSpec<Name extends string, S extends AnySchema> = {
  /** Stored with every event: keep it stable, e.g. `v1.TodoCreated`. */
  readonly name: Name
  /** An effect Schema or a Standard Schema of the arguments. */
  readonly schema: S
  /** Why the event should not be committed any more; the console says so once if it is. */
  readonly deprecated?: string | undefined
  /** Accepted for compatibility, and not evaluated. */
  readonly facts?: ((...args: never[]) => unknown) | undefined
}

/** The definition of an event with schema `S`. */
export type DefinedEvent<
  Name extends string,
  S extends AnySchema,
  Derived extends boolean = false,
> = EventDef<Name, SchemaOutput<S>, SchemaEncoded<S>, Derived, SchemaInput<S>> & {
  readonly schema: S
}

/** Defines an event. `synced` and `clientOnly` are the usual forms. */
export const defineEvent = <
  const Name extends string,
  S extends AnySchema,
  const Derived extends boolean = false,
>(
  spec: EventSpec<Name, S> & {
    readonly clientOnly?: boolean | undefined
    readonly derived?: Derived | undefined
  },
): DefinedEvent<Name, S, Derived> => {
  const name = checkName(spec.name, 'event')
  const schema = checkSchema(spec.schema, `event '${name}'`)
  const codec = schemaEventCodec(name, schema)
  return makeEventDef((args?: unknown) => codec.make(args), name, schema, codec, {
    clientOnly: spec.clientOnly === true,
    derived: spec.derived === true,
    deprecated: spec.deprecated,
    facts: spec.facts,
  }) as unknown as DefinedEvent<Name, S, Derived>
}

/** Defines an event that reaches every client of the store. */
export const synced = <const Name extends string, S extends AnySchema>(
  spec: EventSpec<Name, S>,
): DefinedEvent<Name, S> => defineEvent({ ...spec, clientOnly: false, derived: false })

/** Defines an event that stays in this browser: seen by all its tabs, never sent. */
export const clientOnly = <const Name extends string, S extends AnySchema>(
  spec: EventSpec<Name, S>,
): DefinedEvent<Name, S> => defineEvent({ ...spec, clientOnly: true, derived: false })

/** Gives the function `call` the properties of an event definition. */
export const makeEventDef = (
  call: (...args: never[]) => EventInput,
  name: string,
  schema: AnySchema,
  codec: EventCodec,
  options: EventOptions,
): AnyEventDef => {
  const own = {
    name,
    schema,
    options,
    encoded: (args: unknown) => ({ name, args }),
    [EventCodecSymbol]: codec,
  }
  for (const key of Reflect.ownKeys(own)) {
    Object.defineProperty(call, key, { value: own[key as keyof typeof own], configurable: true })
  }
  return call as AnyEventDef
}

export const isEventDef = (value: unknown): value is AnyEventDef =>
  typeof value === 'function' && Object.hasOwn(value, EventCodecSymbol)

/**
 * Builds the codec of an event from `encode`, which checks and returns what is stored, and
 * `decode`. Both may throw any `Error`; this adds which event it was.
 */
export const makeEventCodec = (
  name: string,
  encode: (args: unknown) => unknown,
  decode: (json: unknown) => unknown,
  check: () => void,
): EventCodec => {
  // What `make` has found out, for the commit that follows. Only events made here are in it: a
  // plain object may have been changed between two commits.
  const prepared = new WeakMap<EventInput, PreparedEvent & { readonly source: unknown }>()

  const prepareArgs = (
    given: unknown,
    sessionId: string,
  ): PreparedEvent & { sessionOnly: boolean } => {
    try {
      const args = replaceSessionId(given, sessionId)
      const json = toJson(encode(args)) ?? '{}'
      return { json, args: decode(JSON.parse(json)), sessionOnly: args !== given }
    } catch (cause) {
      if (cause instanceof LiveStoreError && cause.code === 'InvalidSchema') throw cause
      const message = `invalid arguments for event '${name}': ${messageOf(cause)}`
      throw new LiveStoreError('InvalidEventArgs', message, { cause })
    }
  }

  return {
    check,
    make: (args) => {
      const event = { name, args }
      const { json, args: decoded, sessionOnly } = prepareArgs(args, 'session-id')
      // With a session id to fill in, the result is only known at the commit.
      if (!sessionOnly) prepared.set(event, { json, args: decoded, source: args })
      return event
    },
    prepare: (event, sessionId) => {
      const known = prepared.get(event)
      return known !== undefined && known.source === event.args
        ? known
        : prepareArgs(event.args, sessionId)
    },
    encode: (args) => JSON.parse(prepareArgs(args, 'session-id').json),
    decode: (json) => {
      try {
        return decode(withoutCarried(scrubParsedJson(json)))
      } catch (cause) {
        const message = `stored arguments of event '${name}' do not fit: ${messageOf(cause)}`
        throw new LiveStoreError('DecodeFailed', message, { cause })
      }
    },
  }
}

const schemaEventCodec = (name: string, schema: AnySchema): EventCodec => {
  // Made at first use: an effect schema may be defined before livestore-wasm/effect has been
  // imported by another module of the app.
  let made: ReturnType<typeof codecOf> | undefined
  const codec = () => {
    made ??= codecOf(schema, `event '${name}'`)
    return made
  }
  // An event without arguments is stored as {}, whatever its schema calls "nothing". effect's Void
  // accepts anything, and means nothing.
  const { _tag } = isEffectSchema(schema) ? (schema.ast as { readonly _tag?: unknown }) : {}
  const isVoid = _tag === 'VoidKeyword' || _tag === 'Void'
  let emptyIsNothing: boolean | undefined = isVoid || undefined
  return makeEventCodec(
    name,
    (args) => (isVoid ? undefined : codec().encode(args)),
    (json) => {
      if (isPlainObject(json) && Object.keys(json).length === 0) {
        emptyIsNothing ??= accepts(codec().decode, undefined) && !accepts(codec().decode, {})
        if (emptyIsNothing) return codec().decode(undefined)
      }
      return codec().decode(json)
    },
    () => void codec(),
  )
}

const accepts = (decode: (value: unknown) => unknown, value: unknown): boolean => {
  try {
    decode(value)
    return true
  } catch {
    return false
  }
}
