/**
 * Client documents: a table of one JSON value per id, with a client-only event `<name>Set` of its
 * own and the materializer of that event.
 *
 * With `partialSet` (the default) and a value of named fields, `set` takes some of the fields; the
 * others keep their value, and nested objects are replaced. The fields given are checked as part of
 * the default value, so a rule between two fields sees the default of the other one.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import { compiled } from '../query/builder.js'
import {
  type CompiledQuery,
  type Query,
  QueryBuilderAstSymbol,
  QueryBuilderTypeId,
} from '../query/types.js'
import type { SchemaInput, SchemaOutput } from './codec.js'
import { type AnySchema, checkSchema, type StandardSchema } from './codec.js'
import { type ColumnDefinition, json, text } from './columns.js'
import { type DocumentValues, makeDocumentValues } from './document-values.js'
import {
  type AnyEventDef,
  type EventInput,
  type EventParts,
  makeEventCodec,
  makeEventDef,
} from './events.js'
import { checkName, checkSqlName, quoteTable } from './names.js'
import { type AnyTableDef, makeTable, type TableDef } from './table.js'
import { TableInfoSymbol } from './table-info.js'
import { describe, isPlainObject, SessionIdSymbol } from './values.js'

export const ClientDocumentTableDefSymbol: unique symbol = Symbol.for(
  'livestore-wasm/client-document',
)

/** A document's id; the symbol stands for the session that reads or commits. */
export type DocumentId = string | SessionIdSymbol

type IsUnion<T, Whole = T> = T extends unknown ? ([Whole] extends [T] ? false : true) : never

/** What `set` takes: some fields of a struct, or all of anything else. */
export type DocumentSetValue<Input, Partially extends boolean> = Partially extends false
  ? Input
  : true extends IsUnion<Input>
    ? Input
    : Input extends readonly unknown[] | Date | Uint8Array
      ? Input
      : Input extends object
        ? { readonly [K in keyof Input]?: Input[K] | undefined }
        : Input

type SetArgs<Value> = { readonly id: DocumentId; readonly value: Value }

type DocumentColumns<Output, Input> = {
  readonly id: ColumnDefinition<string, string, false>
  readonly value: ColumnDefinition<Output, Input, false>
}

type GetOptions<Input> = {
  /** Overrides the default value if this query creates the document. */
  readonly default?: Partial<Input> | undefined
}

/** The query for one document. The store creates the document first if it does not exist. */
export type RowQuery<Value> = Omit<Query<Value>, typeof QueryBuilderAstSymbol> & {
  readonly [QueryBuilderAstSymbol]: RowQueryAst
}

export type RowQueryAst = {
  readonly _tag: 'RowQuery'
  readonly tableDef: AnyTableDef
  readonly id: DocumentId
  /** `<table>.get:<id>` */
  readonly label: string
  /** The event to commit if the document does not exist. */
  readonly createEvent: () => EventInput
}

export type ClientDocumentTableDef<
  Name extends string = string,
  Output = unknown,
  Input = Output,
  HasDefaultId extends boolean = boolean,
  Partially extends boolean = boolean,
> = TableDef<Name, DocumentColumns<Output, Input>> & {
  readonly [ClientDocumentTableDefSymbol]: ClientDocumentInfo
  readonly default: { readonly value: Input; readonly id: DocumentId | undefined }
  readonly valueSchema: AnySchema
  /** Type of the document, only for `typeof table.Value`; there is no such value. */
  readonly Value: Output
  /** The query for a document, by default the one with the default id. */
  readonly get: (
    ...args: HasDefaultId extends true
      ? [id?: DocumentId, options?: GetOptions<Input>]
      : [id: DocumentId, options?: GetOptions<Input>]
  ) => RowQuery<Output>
  /** The event that sets a document, by default the one with the default id. */
  readonly set: EventParts<`${Name}Set`, SetArgs<unknown>, SetArgs<unknown>, true> &
    ((
      ...args: HasDefaultId extends true
        ? [value: DocumentSetValue<Input, Partially>, id?: DocumentId]
        : [value: DocumentSetValue<Input, Partially>, id: DocumentId]
    ) => EventInput<`${Name}Set`, SetArgs<DocumentSetValue<Input, Partially>>>)
}

/** What makeState and makeSchema need of a document, by symbol. */
export type ClientDocumentInfo = {
  readonly setEvent: AnyEventDef
  readonly materialize: (args: never) => { readonly sql: string; readonly bindValues: string[] }
  /** @throws LiveStoreError `InvalidSchema` if schema or default value cannot be used. */
  readonly check: () => void
}

/**
 * Defines a client document.
 *
 * @throws LiveStoreError `InvalidSchema` naming what is wrong
 */
export const clientDocument = <
  const Name extends string,
  S extends AnySchema,
  const Id extends DocumentId | undefined = undefined,
  const Partially extends boolean = true,
>(spec: {
  readonly name: Name
  readonly schema: S
  readonly default: { readonly value: SchemaInput<S>; readonly id?: Id }
  /** `false`: `set` takes whole values only. Right for a union of structs. */
  readonly partialSet?: Partially | undefined
}): ClientDocumentTableDef<
  Name,
  SchemaOutput<S>,
  SchemaInput<S>,
  Id extends undefined ? false : true,
  Partially
> => {
  const name = checkSqlName(spec.name, 'client document')
  const what = `client document '${name}'`
  const schema = checkSchema(spec.schema, what)
  if (!isPlainObject(spec.default) || !Object.hasOwn(spec.default, 'value')) {
    throw new LiveStoreError('InvalidSchema', `${what}: expected default: { value }`)
  }
  const { value: defaultValue, id: defaultId } = spec.default
  if (defaultId !== undefined && !isDocumentId(defaultId)) {
    throw new LiveStoreError('InvalidSchema', `${what}: default.id is ${describe(defaultId)}`)
  }
  const values = makeDocumentValues(what, schema, defaultValue, spec.partialSet !== false)
  const idOf = (id: unknown, method: string): DocumentId => {
    const chosen = id ?? defaultId
    if (isDocumentId(chosen)) return chosen
    throw new LiveStoreError(
      'InvalidQuery',
      chosen === undefined || chosen === null
        ? `${name}.${method}: no id is given, and the document has no default id`
        : `${name}.${method}: an id is a string or SessionIdSymbol, not ${describe(chosen)}`,
    )
  }

  const columns = {
    id: text({ primaryKey: true }),
    value: { ...json(), codec: values.codec },
  }
  const tableDef = makeTable({ name, columns }, true)
  const setName = checkName(`${name}Set`, `${what}, event`)
  const setCodec = documentSetCodec(setName, values)
  const set = makeEventDef(
    (value: unknown, id?: unknown) => setCodec.make({ id: idOf(id, 'set'), value }),
    setName,
    documentSetSchema(values),
    setCodec,
    { clientOnly: true, derived: true },
  )
  const get = (id?: unknown, options?: GetOptions<unknown>): RowQuery<unknown> => {
    const rowId = idOf(id, 'get')
    const overrides = options?.default
    return rowQuery(tableDef, rowId, overrides, values, () =>
      // A partial set of nothing only creates: it never overwrites what another tab has set.
      setCodec.make({
        id: rowId,
        value: values.isPartial() ? (overrides ?? {}) : (overrides ?? defaultValue),
      }),
    )
  }
  const info: ClientDocumentInfo = {
    setEvent: set,
    materialize: documentMaterializer(name, values),
    check: values.check,
  }
  return Object.assign(tableDef, {
    [ClientDocumentTableDefSymbol]: info,
    default: { value: defaultValue, id: defaultId },
    valueSchema: schema,
    get,
    set,
  }) as unknown as ClientDocumentTableDef<
    Name,
    SchemaOutput<S>,
    SchemaInput<S>,
    Id extends undefined ? false : true,
    Partially
  >
}

export const tableIsClientDocumentTable = (
  value: AnyTableDef,
): value is AnyTableDef & { readonly [ClientDocumentTableDefSymbol]: ClientDocumentInfo } =>
  ClientDocumentTableDefSymbol in value

const isDocumentId = (value: unknown): value is DocumentId =>
  typeof value === 'string' || value === SessionIdSymbol

const rowQuery = (
  tableDef: AnyTableDef,
  id: DocumentId,
  overrides: unknown,
  values: DocumentValues,
  createEvent: () => EventInput,
): RowQuery<unknown> => {
  const info = tableDef[TableInfoSymbol]
  if (overrides !== undefined) {
    try {
      values.initial(overrides)
    } catch (cause) {
      const message = `${info.name}.get: the default does not fit: ${messageOf(cause)}`
      throw new LiveStoreError('InvalidQuery', message, { cause })
    }
  }
  let query: CompiledQuery<unknown> | undefined
  const compile = () => {
    query ??= {
      rowKey: { column: info.columns.findIndex(({ name }) => name === 'id'), parameter: 1 },
      ...compiled(
        info,
        `SELECT * FROM ${quoteTable(info.name)} WHERE id = ?`,
        [id],
        'rows',
        ['id', 'value'],
        [undefined, info.column('value')?.codec().decode],
        'objects',
        ([row]) =>
          row === undefined ? values.initial(overrides) : (row as { value: unknown }).value,
      ),
    }
    return query
  }
  return {
    [QueryBuilderTypeId]: QueryBuilderTypeId,
    [QueryBuilderAstSymbol]: {
      _tag: 'RowQuery',
      tableDef,
      id,
      label: `${info.name}.get:${typeof id === 'string' ? id : 'SessionIdSymbol'}`,
      createEvent,
    },
    compile,
    asSql: () => {
      const { sql, binds, usedTables } = compile()
      return { query: sql, bindValues: binds, usedTables }
    },
    toString: () => compile().sql,
  }
}

const documentSetCodec = (eventName: string, values: DocumentValues) =>
  makeEventCodec(
    eventName,
    (args) => {
      const { id, value } = isPlainObject(args) ? args : {}
      if (typeof id !== 'string') throw new Error(`expected a string, got ${describe(id)} at id`)
      try {
        return { id, value: values.encodeSet(value) }
      } catch (cause) {
        if (cause instanceof LiveStoreError) throw cause
        throw new Error(`${messageOf(cause)} in value`, { cause })
      }
    },
    (stored) => {
      const { id, value } = isPlainObject(stored) ? stored : {}
      if (typeof id !== 'string') throw new Error(`expected a string, got ${describe(id)} at id`)
      return { id, value: values.decodeSet(value) }
    },
    values.check,
  )

/** The arguments of a set as a Standard Schema, for tools that look at event definitions. */
const documentSetSchema = (values: DocumentValues): StandardSchema => ({
  '~standard': {
    version: 1,
    vendor: 'livestore-wasm',
    validate: (args) => {
      const { id, value } = isPlainObject(args) ? args : {}
      if (typeof id !== 'string') {
        return { issues: [{ message: `expected a string, got ${describe(id)}`, path: ['id'] }] }
      }
      return { value: { id, value: values.decodeSet(value) } }
    },
  },
})

const documentMaterializer =
  (name: string, values: DocumentValues): ClientDocumentInfo['materialize'] =>
  (args: SetArgs<unknown>) => {
    const set = values.encodeSet(args.value)
    const initial = JSON.stringify(values.initialJson(set))
    const insert = `INSERT INTO ${quoteTable(name)} (id, value) VALUES (?, ?) ON CONFLICT (id) DO `
    const id = args.id as string
    if (!values.isPartial()) {
      return { sql: `${insert}UPDATE SET value = ?`, bindValues: [id, initial, initial] }
    }
    const fields = Object.entries(set as object)
    if (fields.length === 0) return { sql: `${insert}NOTHING`, bindValues: [id, initial] }
    const json = fields.reduce((inner) => `json_set(${inner}, ?, json(?))`, 'value')
    return {
      sql: `${insert}UPDATE SET value = ${json}`,
      bindValues: [
        id,
        initial,
        ...fields.flatMap(([key, value]) => [jsonPath(key), JSON.stringify(value)]),
      ],
    }
  }

/** The path of a top-level key as SQLite reads it. */
const jsonPath = (key: string): string =>
  /^[A-Za-z_]\w*$/.test(key) ? `$.${key}` : `$.${JSON.stringify(key)}`
