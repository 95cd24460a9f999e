/**
 * Annotations of effect schemas: what a table that is made of one is told of its columns, and which
 * events and fields are deprecated.
 *
 * They are set and read by structure; effect is not imported.
 */

import { LiveStoreError } from '../errors.js'
import { isEffectSchema } from './codec.js'
import type { ColumnType as SqliteType } from './columns.js'
import { describe } from './values.js'

const key = (name: string): symbol => Symbol.for(`livestore/state/sqlite/annotations/${name}`)

/** Annotation: the column is, or belongs to, the primary key. */
export const PrimaryKeyId: symbol = key('primary-key')
/** Annotation: the SQLite type of the column. */
export const ColumnType: symbol = key('column-type')
/** Annotation: SQLite numbers the rows. */
export const AutoIncrement: symbol = key('auto-increment')
/** Annotation: no two rows have the same value. */
export const Unique: symbol = key('unique')
/** Annotation: the value for inserts that give none. */
export const Default: symbol = key('default')
/** Annotation: why an event's field should not be used any more. */
export const DeprecatedId: symbol = Symbol.for('livestore/schema/annotations/deprecated')

export declare const HasDefault: unique symbol
/** Marks a field whose column has a default, so that inserts may leave it out. */
export interface WithDefault {
  readonly [HasDefault]: true
}

type Annotate = (annotations: { readonly [key: symbol]: unknown }) => unknown

/** @throws LiveStoreError `InvalidSchema` unless `schema` is of effect */
const annotated = <S>(schema: S, id: symbol, value: unknown): S => {
  const { annotate, annotations } = (schema ?? {}) as {
    readonly annotate?: Annotate
    readonly annotations?: Annotate
  }
  const set = annotate ?? annotations
  if (typeof set === 'function') return set.call(schema, { [id]: value }) as S
  throw new LiveStoreError(
    'InvalidSchema',
    `only a schema of effect can be annotated, got ${describe(schema)}`,
  )
}

/** Makes the column part of the primary key: `Schema.String.pipe(withPrimaryKey)`. */
export const withPrimaryKey = <S>(schema: S): S => annotated(schema, PrimaryKeyId, true)

/** Lets SQLite number the rows by this column, which must be the integer primary key. */
export const withAutoIncrement = <S>(schema: S): S => annotated(schema, AutoIncrement, true)

/** Adds an index that allows no two rows with the same value in this column. */
export const withUnique = <S>(schema: S): S => annotated(schema, Unique, true)

/** Chooses the SQLite type of the column; its values are then those of that type. */
export function withColumnType(type: SqliteType): <S>(schema: S) => S
export function withColumnType<S>(schema: S, type: SqliteType): S
export function withColumnType(...args: readonly unknown[]): unknown {
  return withArgument(ColumnType, args)
}

/**
 * Gives the column a default: a value, or a function that is called when an event is committed that
 * needs it. SQL is not meant: a text is a value.
 */
export function withDefault(value: unknown): <S>(schema: S) => S & WithDefault
export function withDefault<S>(schema: S, value: unknown): S & WithDefault
export function withDefault(...args: readonly unknown[]): unknown {
  return withArgument(Default, args)
}

/** Marks a field of an event as deprecated: whoever commits it reads `reason` in the console. */
export function deprecated(reason: string): <S>(schema: S) => S
export function deprecated<S>(schema: S, reason: string): S
export function deprecated(...args: readonly unknown[]): unknown {
  return withArgument(DeprecatedId, args)
}

const withArgument = (id: symbol, args: readonly unknown[]): unknown =>
  args.length > 1
    ? annotated(args[0], id, args[1])
    : (schema: unknown) => annotated(schema, id, args[0])

type Ast = { readonly [key: string]: unknown } & {
  readonly annotations?: { readonly [key: symbol]: unknown } | undefined
}

/** The annotation `id` of a node, or of what it is made of without being something else. */
export const annotationOf = (ast: object | undefined, id: symbol): unknown => {
  if (ast === undefined) return undefined
  const { annotations, context, types } = ast as Ast
  const own = annotations?.[id] ?? (context as Ast | undefined)?.annotations?.[id]
  if (own !== undefined || !Array.isArray(types)) return own
  for (const type of types) {
    const found = annotationOf((type as { type?: object }).type ?? (type as object), id)
    if (found !== undefined) return found
  }
  return undefined
}

/** A named field of a struct. */
export interface Field {
  readonly name: PropertyKey
  readonly isOptional?: boolean
  readonly type: object
  readonly annotations?: { readonly [key: symbol]: unknown } | undefined
}

/** The annotation `id` of a field: of itself, or of its type. */
export const fieldAnnotation = (field: Field, id: symbol): unknown =>
  field.annotations?.[id] ?? annotationOf(field.type, id)

/** The top-level fields of a struct, as they are stored; none of anything else. */
export const fieldsOf = (ast: object): readonly Field[] => {
  const { propertySignatures, from } = ast as { propertySignatures?: unknown; from?: object }
  if (Array.isArray(propertySignatures)) return propertySignatures
  return from === undefined ? [] : fieldsOf(from)
}

/** Why `schema` is deprecated; `undefined` if it is not. */
export const getDeprecatedReason = (schema: unknown): string | undefined =>
  isEffectSchema(schema)
    ? (annotationOf(schema.ast, DeprecatedId) as string | undefined)
    : undefined

/** Whether `schema` is deprecated. */
export const isDeprecated = (schema: unknown): boolean => getDeprecatedReason(schema) !== undefined

interface DeprecatedField {
  readonly field: string
  readonly reason: string
}

/** The deprecated fields of the top level of a struct. */
export const deprecatedFields = (schema: unknown): readonly DeprecatedField[] => {
  if (!isEffectSchema(schema)) return []
  return fieldsOf(schema.ast).flatMap((field) => {
    const reason = fieldAnnotation(field, DeprecatedId)
    return typeof reason === 'string' ? [{ field: String(field.name), reason }] : []
  })
}

/** Those of `fields` that have a value in `args`. */
export const withValues = (
  fields: readonly DeprecatedField[],
  args: unknown,
): readonly DeprecatedField[] =>
  typeof args === 'object' && args !== null
    ? fields.filter(({ field }) => (args as Record<string, unknown>)[field] !== undefined)
    : []

/** The deprecated fields that have a value in `args`, of the top level of a struct. */
export const findDeprecatedFieldsWithValues = (
  schema: unknown,
  args: unknown,
): readonly DeprecatedField[] => withValues(deprecatedFields(schema), args)
