/**
 * The columns of a table that is described by an effect schema: one for each field, as the field is
 * stored.
 *
 * Only `livestore-wasm/effect` imports this, and hands it to the registry of `codec.ts`: who has no
 * effect schema has nothing of it. It walks the syntax tree of effect 3 by structure; that of
 * major 4 is another one, and refused.
 */

import { LiveStoreError } from '../errors.js'
import {
  AutoIncrement,
  ColumnType,
  Default,
  type Field,
  fieldAnnotation,
  fieldsOf,
  PrimaryKeyId,
  Unique,
} from './annotations.js'
import type { EffectSchema } from './codec.js'
import type { ColumnDefinition, ColumnType as SqliteType } from './columns.js'
import { blob, boolean, integer, json, real, text } from './columns.js'
import type { SchemaTable } from './table.js'

/** As far as it is looked at. */
interface Ast {
  readonly _tag: string
  readonly from?: Ast
  readonly to?: Ast
  readonly types?: readonly Ast[]
  readonly literal?: unknown
  readonly enums?: readonly (readonly [string, string | number])[]
  readonly annotations?: { readonly [key: symbol]: unknown }
}

/** What is needed of effect's Schema to take a tree apart and put it together again. */
export interface SchemaParts {
  readonly make: (ast: never) => unknown
  readonly Union: (...members: never[]) => unknown
}

const identifier = Symbol.for('effect/annotation/Identifier')
const title = Symbol.for('effect/annotation/Title')
const schemaId = Symbol.for('effect/annotation/SchemaId')
const intId = Symbol.for('effect/SchemaId/Int')
const typeConstructor = Symbol.for('effect/annotation/TypeConstructor')

type Options = Record<string, unknown>
type AnyColumn = (options?: Options) => ColumnDefinition

/** Makes the reader of schemas that the registry is given. */
export const schemaColumns =
  (parts: SchemaParts) =>
  (schema: EffectSchema, givenName: string | undefined): SchemaTable => {
    const ast = schema.ast as Ast
    const name = givenName ?? nameOf(ast)
    const fail = (why: string): never => {
      throw new LiveStoreError('InvalidSchema', `table '${name ?? '?'}': ${why}`)
    }
    if ('~effect/Schema' in ast) return fail('a table is made of a schema of effect 3, not 4')
    if (name === undefined) {
      return fail('without a name, its schema must have a title or an identifier')
    }
    const fields = mergeFields(structsOf(ast).map(fieldsOf))
    if (fields.length === 0) fail('its schema must be a struct, with fields that become columns')
    const columns: Record<string, ColumnDefinition> = {}
    const unique: string[] = []
    for (const field of fields) {
      const column = String(field.name)
      try {
        columns[column] = columnOf(field, parts)
      } catch (cause) {
        if (!(cause instanceof LiveStoreError)) throw cause
        fail(`field '${column}': ${cause.message}`)
      }
      if (fieldAnnotation(field, Unique) === true) unique.push(column)
    }
    return {
      name,
      columns,
      indexes: unique.map((column) => ({
        name: `idx_${name}_${column}_unique`,
        columns: [column],
        isUnique: true,
      })),
    }
  }

const nameOf = (ast: Ast): string | undefined =>
  (ast.annotations?.[title] ?? ast.annotations?.[identifier]) as string | undefined

/** The members of a union of structs; of anything else, itself. */
const structsOf = (ast: Ast): readonly Ast[] => (ast._tag === 'Union' ? (ast.types ?? []) : [ast])

/** A field that only some members of a union have can be missing; one in several may be each. */
const mergeFields = (structs: readonly (readonly Field[])[]): readonly Field[] => {
  const byName = new Map<PropertyKey, Field[]>()
  for (const field of structs.flat()) {
    byName.set(field.name, [...(byName.get(field.name) ?? []), field])
  }
  return [...byName.values()].map((same) => {
    const [first] = same as [Field]
    const isOptional = same.length < structs.length || same.some((field) => field.isOptional)
    if (same.length === 1)
      return { name: first.name, isOptional, type: first.type, annotations: first.annotations }
    return { ...first, isOptional, type: { _tag: 'Union', types: same.map(({ type }) => type) } }
  })
}

const columnOf = (field: Field, parts: SchemaParts): ColumnDefinition => {
  const { members, isNullable } = withoutNull(field.type as Ast)
  const [only] = members
  const ast: Ast =
    members.length === 1 && only !== undefined ? only : { _tag: 'Union', types: members }
  const chosen = fieldAnnotation(field, ColumnType) as SqliteType | undefined
  const [make, isPlain] = chosen === undefined ? columnFor(ast) : [plainColumns[chosen], true]
  const schema = () =>
    members.length === 1
      ? parts.make(ast as never)
      : parts.Union(...(members.map((member) => parts.make(member as never)) as never[]))
  return make({
    ...(isPlain ? {} : { schema: schema() }),
    nullable: isNullable || field.isOptional === true,
    primaryKey: fieldAnnotation(field, PrimaryKeyId) === true,
    autoIncrement: fieldAnnotation(field, AutoIncrement) === true,
    default: fieldAnnotation(field, Default),
  })
}

const plainColumns: { readonly [Type in SqliteType]: AnyColumn } = {
  text: text as AnyColumn,
  integer: integer as AnyColumn,
  real: real as AnyColumn,
  blob: blob as AnyColumn,
}

const withoutNull = (ast: Ast): { members: readonly Ast[]; isNullable: boolean } => {
  if (ast._tag !== 'Union') return { members: [ast], isNullable: false }
  const parts = (ast.types ?? []).map(withoutNull)
  const isNothing = (type: Ast) =>
    type._tag === 'UndefinedKeyword' || (type._tag === 'Literal' && type.literal === null)
  const all = parts.flatMap(({ members }) => members)
  const members = all.filter((type) => !isNothing(type))
  const isNullable = all.length !== members.length || parts.some((part) => part.isNullable)
  return { members, isNullable }
}

/** The function that makes the column, and whether it needs no schema for its values. */
const columnFor = (ast: Ast): readonly [AnyColumn, isPlain: boolean] => {
  if (classOf(ast) === 'Uint8Array') return [plainColumns.blob, true]
  const encoded = encodedOf(ast)
  const types = new Set(encoded.map(({ type }) => type))
  const [type] = types
  if (types.size !== 1) return [json as AnyColumn, false]
  const isPlain = ast._tag.endsWith('Keyword')
  switch (type) {
    case 'string':
      return [plainColumns.text, isPlain]
    case 'boolean':
      return [boolean as AnyColumn, isPlain]
    case 'bigint':
      return [plainColumns.integer, false]
    case 'number':
      return [isWhole(ast, encoded) ? plainColumns.integer : plainColumns.real, isPlain]
    default:
      return [json as AnyColumn, false]
  }
}

type Encoded = { readonly type: string; readonly literal?: unknown }

/** What a value of the type is stored as. */
const encodedOf = (ast: Ast): readonly Encoded[] => {
  switch (ast._tag) {
    case 'Transformation':
    case 'Refinement':
      return ast.from === undefined ? [{ type: 'other' }] : encodedOf(ast.from)
    case 'Union':
      return (ast.types ?? []).flatMap(encodedOf)
    case 'Literal':
      return [{ type: ast.literal === null ? 'other' : typeof ast.literal, literal: ast.literal }]
    case 'Enums':
      return (ast.enums ?? []).map(([, literal]) => ({ type: typeof literal, literal }))
    case 'StringKeyword':
    case 'TemplateLiteral':
      return [{ type: 'string' }]
    case 'NumberKeyword':
      return [{ type: 'number' }]
    case 'BooleanKeyword':
      return [{ type: 'boolean' }]
    default:
      return [{ type: 'other' }]
  }
}

/** `Int`, milliseconds, and unions of whole numbers. A single literal says nothing of that. */
const isWhole = (ast: Ast, encoded: readonly Encoded[]): boolean => {
  if (classOf(ast) === 'Date') return true
  for (let part: Ast | undefined = ast; part !== undefined; part = part.from) {
    if (part.annotations?.[schemaId] === intId) return true
  }
  return encoded.length > 1 && encoded.every(({ literal }) => Number.isInteger(literal))
}

/** `Date`, `Uint8Array`: the class of the values, if effect says so. */
const classOf = (ast: Ast): string | undefined => {
  const made = ast.annotations?.[typeConstructor] as { readonly _tag?: string } | undefined
  const inner = ast.to ?? ast.from
  return made?._tag ?? (inner && classOf(inner))
}
