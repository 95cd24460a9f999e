/**
 * Schemas the app brings, and what we make of them: a pair of functions between a value of the app
 * and what is stored.
 *
 * Two kinds are understood, both by their structure: effect schemas (majors 3 and 4) and Standard
 * Schemas. This file does not import effect: `livestore-wasm/effect` registers the functions of the
 * app's own copy, found again through `globalThis` because entries of this package may be bundled
 * apart.
 *
 * An effect schema encodes and decodes. A Standard Schema only validates, so what is stored is the
 * JSON of its input, and reading validates that JSON again: the reader sees the schema's output.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import type { SchemaTable } from './table.js'
import { describe, isPlainObject, joinPath } from './values.js'

/** An effect schema of either major, as far as we look at it. */
export type EffectSchema<Type = unknown, Encoded = unknown> = {
  readonly ast: object
  readonly Type: Type
  readonly Encoded: Encoded
}

/** https://standardschema.dev, version 1, as far as we look at it. */
export type StandardSchema<Input = unknown, Output = Input> = {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

type StandardIssue = {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export type AnySchema = EffectSchema | StandardSchema

/** A schema whose stored side is `Stored`. */
export type SchemaOver<Stored> = EffectSchema<unknown, Stored> | StandardSchema<Stored, unknown>

/** What readers of the schema get: effect's `Type`, a Standard Schema's output. */
export type SchemaOutput<S> = S extends { readonly ast: object; readonly Type: infer Type }
  ? Type
  : S extends StandardSchema<infer _, infer Output>
    ? Output
    : never

/** What writers pass: effect's `Type`, a Standard Schema's input. */
export type SchemaInput<S> = S extends { readonly ast: object; readonly Type: infer Type }
  ? Type
  : S extends StandardSchema<infer Input, infer _>
    ? Input
    : never

/** What is stored: effect's `Encoded`, a Standard Schema's input. */
export type SchemaEncoded<S> = S extends { readonly ast: object; readonly Encoded: infer Encoded }
  ? Encoded
  : SchemaInput<S>

/**
 * Both functions throw an `Error` whose message names the path of what does not fit; callers add
 * which event or column it was.
 */
export type Codec = {
  readonly encode: (value: unknown) => unknown
  readonly decode: (stored: unknown) => unknown
  /** Whether `encode` checks its argument. A Standard Schema checks only when decoding. */
  readonly encodeValidates: boolean
}

/** The functions of one copy of effect's `Schema` module. */
export type EffectFunctions = {
  /** Any schema of that copy: tells its major. */
  readonly sample: { readonly ast: object }
  readonly encodeUnknownSync: (schema: never) => (value: unknown) => unknown
  readonly decodeUnknownSync: (schema: never) => (value: unknown) => unknown
  /** The columns of a table that is made of a schema, under its own name if none is given. */
  readonly tableOf?: (schema: EffectSchema, name: string | undefined) => SchemaTable
}

type EffectMajor = 3 | 4
type Registry = { [Major in EffectMajor]?: EffectFunctions }

const registrySymbol = Symbol.for('livestore-wasm/effect-functions')

const registry = (): Registry => {
  const holder = globalThis as unknown as { [registrySymbol]?: Registry }
  holder[registrySymbol] ??= {}
  return holder[registrySymbol]
}

const majorOf = (schema: { readonly ast: object }): EffectMajor =>
  '~effect/Schema' in schema.ast ? 4 : 3

/** Called by `livestore-wasm/effect` with the app's copy of effect. */
export const registerEffect = (functions: EffectFunctions): void => {
  registry()[majorOf(functions.sample)] = functions
}

const isSchemaLike = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

export const isEffectSchema = (value: unknown): value is EffectSchema =>
  isSchemaLike(value) &&
  'ast' in value &&
  typeof value.ast === 'object' &&
  value.ast !== null &&
  '_tag' in value.ast

export const isStandardSchema = (value: unknown): value is StandardSchema =>
  isSchemaLike(value) &&
  '~standard' in value &&
  typeof (value['~standard'] as { validate?: unknown } | undefined)?.validate === 'function'

/** Throws `InvalidSchema` if `schema` is of neither kind. Needs no registered effect yet. */
export const checkSchema = (schema: unknown, what: string): AnySchema => {
  if (isEffectSchema(schema) || isStandardSchema(schema)) return schema
  throw new LiveStoreError(
    'InvalidSchema',
    `${what}: expected an effect Schema or a Standard Schema, got ${describe(schema)}`,
  )
}

/** @throws LiveStoreError `InvalidSchema` for an effect schema whose functions are not known. */
const functionsFor = (schema: EffectSchema, what: string): EffectFunctions => {
  const major = majorOf(schema)
  const functions = registry()[major]
  if (functions === undefined) {
    const other = registry()[major === 3 ? 4 : 3]
    throw new LiveStoreError(
      'InvalidSchema',
      other === undefined
        ? `${what} has a schema of effect ${major}: write \`import { Schema } from ` +
            "'livestore-wasm/effect'` instead of importing it from 'effect', so that its " +
            'encoder and decoder are known here'
        : `${what} has a schema of effect ${major}, but livestore-wasm/effect found another ` +
            'major of effect: install one version for both',
    )
  }
  return functions
}

/** @throws LiveStoreError `InvalidSchema` for an effect schema whose functions are not known. */
export const codecOf = (schema: AnySchema, what: string): Codec => {
  if (!isEffectSchema(schema)) return standardCodec(schema)
  const functions = functionsFor(schema, what)
  return {
    encode: functions.encodeUnknownSync(schema as never),
    decode: functions.decodeUnknownSync(schema as never),
    encodeValidates: true,
  }
}

/**
 * The table that `schema` describes.
 *
 * @throws LiveStoreError `InvalidSchema`
 */
export const tableOfSchema = (schema: unknown, name: string | undefined): SchemaTable => {
  const what = `table '${name ?? '?'}'`
  if (!isEffectSchema(schema)) {
    const message = `${what}: schema must be a schema of effect, got ${describe(schema)}`
    throw new LiveStoreError('InvalidSchema', message)
  }
  const { tableOf } = functionsFor(schema, what)
  if (tableOf !== undefined) return tableOf(schema, name)
  throw new LiveStoreError('InvalidSchema', `${what}: import livestore-wasm/effect before it`)
}

const standardCodec = (schema: StandardSchema): Codec => ({
  encode: (value) => value,
  decode: (stored) => {
    const result = schema['~standard'].validate(stored)
    if ('then' in result) {
      result.then(undefined, () => undefined)
      throw new Error('its schema validates asynchronously, which cannot be used here')
    }
    if (result.issues) throw new Error(result.issues.map(issueText).join('; '))
    return result.value
  },
  encodeValidates: false,
})

const issueText = ({ message, path }: StandardIssue): string => {
  const at = (path ?? []).reduce<string>((prefix, part) => {
    const key = typeof part === 'object' ? part.key : part
    return joinPath(prefix, typeof key === 'number' ? key : String(key))
  }, '')
  return at === '' ? message : `${message} at ${at}`
}

/**
 * Validates or decodes rows that the app reads with a schema of its own.
 *
 * @throws LiveStoreError `DecodeFailed` naming `what`
 */
export const schemaDecoder = (schema: AnySchema, what: string): ((value: unknown) => unknown) => {
  const { decode } = codecOf(checkSchema(schema, what), what)
  return (value) => {
    try {
      return decode(value)
    } catch (cause) {
      throw new LiveStoreError('DecodeFailed', `${what}: ${messageOf(cause)}`, { cause })
    }
  }
}

/**
 * True if values of `schema` are objects with named fields, which can be set one by one. A union
 * of structs, a record, an array or a class is replaced as a whole. A Standard Schema whose library
 * we cannot look into is judged by `sample`.
 */
export const hasNamedFields = (schema: AnySchema, sample: unknown): boolean => {
  if (!isPlainObject(sample)) return false
  if (isEffectSchema(schema)) return 'fields' in schema || astHasFields(schema.ast)
  if ('shape' in schema || 'entries' in schema) return true
  const closed = ['zod', 'valibot'].includes(schema['~standard'].vendor)
  return !closed && Object.keys(sample).length > 0
}

const astHasFields = (ast: object): boolean => {
  const { propertySignatures, from } = ast as { propertySignatures?: unknown; from?: unknown }
  if (Array.isArray(propertySignatures)) return propertySignatures.length > 0
  return typeof from === 'object' && from !== null && astHasFields(from)
}
