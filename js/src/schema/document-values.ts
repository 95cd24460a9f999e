/**
 * The values of one client document: how they are stored, what a partial set stores, and what is
 * read when the stored JSON does not fit the schema.
 *
 * A document must never become unreadable. JSON that its schema does not accept is read as the
 * default; where the value has named fields, those that still fit are kept if the whole then fits.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import { type AnySchema, type Codec, codecOf, hasNamedFields } from './codec.js'
import { describe, isPlainObject, toJson } from './values.js'

export type DocumentValues = {
  /** Reads anything without failing, writes whole values. */
  readonly codec: Codec
  /** The JSON of a set: the fields it names, or the whole value. Throws if it does not fit. */
  readonly encodeSet: (value: unknown) => unknown
  /** The value of a stored set, without failing: what does not fit is left out. */
  readonly decodeSet: (stored: unknown) => unknown
  /** Whether `set` takes some of the fields. */
  readonly isPartial: () => boolean
  /** The JSON of a new document, given the JSON of the set that makes it. */
  readonly initialJson: (set: unknown) => unknown
  /** What a document reads as that does not exist yet, with `overrides` from the caller. */
  readonly initial: (overrides: unknown) => unknown
  /** @throws LiveStoreError `InvalidSchema` if schema or default value cannot be used. */
  readonly check: () => void
}

type JsonObject = Record<string, unknown>

export const makeDocumentValues = (
  what: string,
  schema: AnySchema,
  defaultValue: unknown,
  partialSet: boolean,
): DocumentValues => {
  // Made at first use, because an effect schema may be defined before livestore-wasm/effect is
  // imported by another module of the app.
  let made: ReturnType<typeof prepare> | undefined
  const prepare = () => {
    const codec = codecOf(schema, what)
    try {
      const encodedDefault = roundTrip(codec, defaultValue).stored
      const named =
        isPlainObject(encodedDefault) &&
        hasNamedFields(schema, defaultValue) &&
        // A schema that renames fields cannot be set field by field.
        Object.entries(defaultValue as JsonObject).every(
          ([key, value]) => value === undefined || Object.hasOwn(encodedDefault, key),
        )
      return { codec, encodedDefault, fields: named ? encodedDefault : undefined }
    } catch (cause) {
      const message = `${what}: the default value does not fit its schema: ${messageOf(cause)}`
      throw new LiveStoreError('InvalidSchema', message, { cause })
    }
  }
  const use = () => {
    made ??= prepare()
    return made
  }
  const isPartial = () => partialSet && use().fields !== undefined

  /** Reads `stored`, completing it from the default; `undefined` if even that does not fit. */
  const decodeMerged = (stored: unknown): { readonly value: unknown } | undefined => {
    const { codec, fields } = use()
    if (fields === undefined || !isPlainObject(stored)) return undefined
    try {
      return { value: codec.decode({ ...fields, ...stored }) }
    } catch {
      return undefined
    }
  }

  const decode = (stored: unknown): unknown => {
    const { codec, encodedDefault } = use()
    try {
      return codec.decode(stored)
    } catch {
      return (decodeMerged(stored) ?? { value: codec.decode(encodedDefault) }).value
    }
  }

  const encodeSet = (value: unknown): unknown => {
    const { codec } = use()
    if (!isPartial()) return roundTrip(codec, value).stored
    if (!isPlainObject(value))
      throw new Error(`expected an object with fields, got ${describe(value)}`)
    const given = definedFields(value)
    const { stored, value: decoded } = roundTrip(codec, {
      ...(defaultValue as JsonObject),
      ...given,
    })
    return pick(stored as JsonObject, (key) => Object.hasOwn(given, key) && hasField(decoded, key))
  }

  return {
    codec: {
      encode: (value) => roundTrip(use().codec, value).stored,
      decode,
      encodeValidates: true,
    },
    encodeSet,
    decodeSet: (stored) => {
      if (!isPartial()) return decode(stored)
      const decoded = decodeMerged(stored)?.value
      return decoded === undefined
        ? {}
        : pick(decoded as JsonObject, (key) => hasField(stored, key))
    },
    isPartial,
    initialJson: (set) => (isPartial() ? { ...use().fields, ...(set as JsonObject) } : set),
    initial: (overrides) => {
      const { codec, fields, encodedDefault } = use()
      if (overrides === undefined) return codec.decode(encodedDefault)
      const merged =
        fields !== undefined && isPlainObject(overrides)
          ? { ...(defaultValue as JsonObject), ...definedFields(overrides) }
          : overrides
      return roundTrip(codec, merged).value
    },
    check: () => void use(),
  }
}

/** What is stored of `value`, and what is read back. Throws if either fails. */
const roundTrip = (codec: Codec, value: unknown): { stored: unknown; value: unknown } => {
  const text = toJson(codec.encode(value))
  if (text === undefined) throw new Error(`expected a JSON value, got ${describe(value)}`)
  return { stored: JSON.parse(text), value: codec.decode(JSON.parse(text)) }
}

const hasField = (value: unknown, key: string): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)

const pick = (object: JsonObject, keep: (key: string) => boolean): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([key]) => keep(key)))

const definedFields = (object: JsonObject): JsonObject => {
  if (Object.hasOwn(object, '__proto__')) throw new Error('the key __proto__ is not allowed')
  return pick(object, (key) => object[key] !== undefined)
}
