/**
 * What the compiler must accept and refuse. Checked by `tsc`, never run: a line marked
 * `@ts-expect-error` that compiles is the failure.
 */

import { Schema } from 'effect'
import { Schema as Schema4 } from 'effect4'
import * as v from 'valibot'
import type { QueryResult } from '../query/index.js'
import { defineMaterializer, Events, makeSchema, SessionIdSymbol, State } from './index.js'

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare const expectType: <Expected>() => <Actual>(
  value: Actual,
  ...same: Equal<Expected, Actual> extends true ? [] : ['not the expected type']
) => void
declare const run: <Q extends { readonly compile: () => unknown }>(query: Q) => QueryResult<Q>

// Events: effect 3, effect 4 and a Standard Schema describe the same arguments.

const created3 = Events.synced({
  name: 'v1.TodoCreated',
  schema: Schema.Struct({
    id: Schema.String,
    at: Schema.Date,
    tag: Schema.optional(Schema.String),
  }),
})
created3({ id: 'a', at: new Date() })
created3({ id: 'a', at: new Date(), tag: 'x' })
// @ts-expect-error an argument is missing
created3({ id: 'a' })
// @ts-expect-error a wrong type: the decoded side is a Date
created3({ id: 'a', at: '2026-01-01' })
// @ts-expect-error no such argument
created3({ id: 'a', at: new Date(), other: 1 })
// @ts-expect-error arguments are required
created3()
expectType<'v1.TodoCreated'>()(created3.name)
expectType<'v1.TodoCreated'>()(created3({ id: 'a', at: new Date() }).name)

const created4 = Events.synced({
  name: 'created4',
  schema: Schema4.Struct({ id: Schema4.String, n: Schema4.Number }),
})
created4({ id: 'a', n: 1 })
// @ts-expect-error a wrong type
created4({ id: 'a', n: '1' })

const createdV = Events.clientOnly({
  name: 'createdV',
  schema: v.object({
    id: v.string(),
    at: v.pipe(
      v.string(),
      v.transform((s) => new Date(s)),
    ),
  }),
})
createdV({ id: 'a', at: '2026-01-01' })
// @ts-expect-error the call takes the input of the schema
createdV({ id: 'a', at: new Date() })

const cleared = Events.synced({ name: 'cleared', schema: Schema.Void })
cleared()
// @ts-expect-error there are no arguments
cleared({ id: 'a' })

// @ts-expect-error a schema is required
Events.synced({ name: 'x' })
// @ts-expect-error not a schema
Events.synced({ name: 'x', schema: { type: 'string' } })

// Columns and row types.

const Color = Schema.Literal('red', 'blue')
const todos = State.SQLite.table({
  name: 'todos',
  columns: {
    id: State.SQLite.text({ primaryKey: true }),
    text: State.SQLite.text({ default: '' }),
    done: State.SQLite.boolean({ default: false }),
    due: State.SQLite.datetime({ nullable: true }),
    seen: State.SQLite.datetimeInteger({ default: { sql: '0' } }),
    size: State.SQLite.real(),
    color: State.SQLite.text({ schema: Color, default: 'red' }),
    tags: State.SQLite.json({ schema: Schema.Array(Schema.String), default: [] }),
    meta: State.SQLite.json({ nullable: true }),
    bytes: State.SQLite.blob({ nullable: true }),
    user: State.SQLite.text({ schema: v.pipe(v.string(), v.brand('UserId')), nullable: true }),
  },
  indexes: [{ name: 'byText', columns: ['text', 'done'], isUnique: false }],
})

declare const todo: typeof todos.Type
expectType<string>()(todo.id)
expectType<boolean>()(todo.done)
expectType<Date | null>()(todo.due)
expectType<Date>()(todo.seen)
expectType<'red' | 'blue'>()(todo.color)
expectType<readonly string[]>()(todo.tags)
expectType<(string & v.Brand<'UserId'>) | null>()(todo.user)

// @ts-expect-error no such column
State.SQLite.table({
  name: 't',
  columns: { a: State.SQLite.text() },
  indexes: [{ name: 'i', columns: ['b'] }],
})
// @ts-expect-error the default has another type
State.SQLite.integer({ default: 'x' })
// @ts-expect-error the column is not nullable
State.SQLite.text({ default: null })
State.SQLite.text({ default: null, nullable: true })
// @ts-expect-error not a member of the schema
State.SQLite.text({ schema: Color, default: 'green' })
// @ts-expect-error a schema over numbers cannot be stored as text
State.SQLite.text({ schema: Schema.Number })
State.SQLite.text({ schema: Schema.NumberFromString, default: 1 })
State.SQLite.text({ default: () => 'x' })
State.SQLite.datetime({ default: () => new Date() })
// @ts-expect-error the default function gives another type
State.SQLite.text({ default: () => 1 })
// @ts-expect-error booleans take no schema
State.SQLite.boolean({ schema: Schema.Boolean })
State.SQLite.column('integer')({ default: 1 })
// @ts-expect-error no such type
State.SQLite.column('date')

const single = State.SQLite.table({ name: 'single', columns: State.SQLite.integer() })
expectType<readonly { readonly value: number }[]>()(run(single))

// Queries.

expectType<readonly (typeof todos.Type)[]>()(run(todos))
expectType<readonly (typeof todos.Type)[]>()(
  run(todos.where({ done: true }).orderBy('due', 'desc')),
)
expectType<readonly string[]>()(run(todos.select('text')))
expectType<readonly (Date | null)[]>()(run(todos.where('done', true).select('due')))
expectType<readonly { readonly id: string; readonly done: boolean }[]>()(
  run(todos.select('id', 'done').limit(3).offset(1)),
)
expectType<typeof todos.Type | undefined>()(run(todos.first()))
expectType<string>()(run(todos.select('id').first({ behaviour: 'error' })))
expectType<string | undefined>()(run(todos.select('id').first({ behaviour: 'undefined' })))
expectType<string | null>()(
  run(todos.select('id').first({ behaviour: 'fallback', fallback: () => null })),
)
// @ts-expect-error a fallback is missing
todos.first({ behaviour: 'fallback' })
expectType<number>()(run(todos.where({ done: false }).count()))
expectType<void>()(run(todos.insert({ id: 'a', size: 1 })))
expectType<readonly { readonly id: string }[]>()(run(todos.delete().returning('id')))

// @ts-expect-error no such column
todos.select('nope')
// @ts-expect-error no such column
todos.where({ nope: 1 })
// @ts-expect-error no such column
todos.where('nope', 1)
// @ts-expect-error no such column
todos.orderBy('nope', 'asc')
// @ts-expect-error no such direction
todos.orderBy('id', 'down')
// @ts-expect-error a wrong type
todos.where({ done: 1 })
// @ts-expect-error a wrong type
todos.where('due', '>', 'yesterday')
// @ts-expect-error the value is missing
todos.where('id', undefined)
todos.where('due', null)
// @ts-expect-error the column is not nullable
todos.where('id', null)
todos.where('id', 'IN', ['a', 'b'])
// @ts-expect-error IN takes an array
todos.where('id', 'IN', 'a')
todos.where('color', 'LIKE', 'r%')
todos.where({ size: { op: '>=', value: 1 }, color: undefined })
// @ts-expect-error no such operator
todos.where('size', '~', 1)
todos.where('tags', 'JSON_CONTAINS', 'x')
// @ts-expect-error the elements are strings
todos.where('tags', 'JSON_CONTAINS', 1)
// @ts-expect-error not an array
todos.where('text', 'JSON_CONTAINS', 'x')

todos.insert({ id: 'a', size: 1, due: null, user: 'u', tags: ['x'], color: 'blue' })
// @ts-expect-error size has no default
todos.insert({ id: 'a' })
// @ts-expect-error a wrong type
todos.insert({ id: 'a', size: '1' })
// @ts-expect-error no such column
todos.insert({ id: 'a', size: 1, nope: 1 })
// @ts-expect-error a wrong type
todos.update({ done: 'yes' })
todos.update({ done: true, text: undefined }).where({ id: 'a' })
todos.insert({ id: 'a', size: 1 }).onConflict('id', 'update', { text: undefined })
todos.insert({ id: 'a', size: 1 }).onConflict(['id'], 'ignore').returning('id')
// @ts-expect-error no such action
todos.insert({ id: 'a', size: 1 }).onConflict('id', 'merge')
// @ts-expect-error an insert has no conditions
todos.insert({ id: 'a', size: 1 }).where({ id: 'a' })
// @ts-expect-error only an insert can conflict
todos.onConflict('id', 'ignore')
// @ts-expect-error a limit is set already
todos.limit(1).first()
// @ts-expect-error a count has no order
todos.count().orderBy('id', 'asc')

// Materializers get what their event decodes to.

const events = { created3, created4, createdV, cleared }
const handlers = State.SQLite.materializers(events, {
  'v1.TodoCreated': ({ id, at, tag }, { query, event }) => {
    expectType<string>()(id)
    expectType<Date>()(at)
    expectType<string | undefined>()(tag)
    expectType<readonly string[]>()(query(todos.select('id')))
    expectType<Date>()(event.args.at)
    return todos.insert({ id, size: 1 })
  },
  created4: ({ n }) => ({ sql: 'delete from todos where size = $n', bindValues: { n } }),
  createdV: ({ at }) => {
    expectType<Date>()(at)
    return [todos.delete().where({ due: at }), ['delete from todos']]
  },
  cleared: () => {},
})
// @ts-expect-error materializers are missing
State.SQLite.materializers(events, { cleared: () => [] })
// @ts-expect-error the key is the name of the event, not its key in the record
State.SQLite.materializers({ created3 }, { created3: () => [] })
State.SQLite.materializers(
  { cleared },
  {
    cleared: () => [],
    // @ts-expect-error there is no such event
    other: () => [],
  },
)
// @ts-expect-error a number is not a write
State.SQLite.materializers({ cleared }, { cleared: () => 1 })
// @ts-expect-error a materializer is synchronous
State.SQLite.materializers({ cleared }, { cleared: async () => [] })
// @ts-expect-error no such argument
State.SQLite.materializers({ created4 }, { created4: ({ nope }) => todos.insert(nope) })
defineMaterializer(created4, ({ n }) => todos.update({ size: n }))

// Client documents.

const ui = State.SQLite.clientDocument({
  name: 'ui',
  schema: Schema.Struct({ filter: Schema.String, at: Schema.Date }),
  default: { id: SessionIdSymbol, value: { filter: 'all', at: new Date(0) } },
})
expectType<{ readonly filter: string; readonly at: Date }>()(run(ui.get()))
expectType<{ readonly filter: string; readonly at: Date }>()(run(ui.get('id')))
declare const value: typeof ui.Value
expectType<string>()(value.filter)
ui.set({ filter: 'x' })
ui.set({ filter: 'x' }, 'id')
expectType<'uiSet'>()(ui.set({}).name)
// @ts-expect-error a wrong type
ui.set({ filter: 1 })
// @ts-expect-error no such field
ui.set({ nope: 1 })
ui.get(SessionIdSymbol, { default: { filter: 'open' } })
State.SQLite.clientDocument({
  name: 'd',
  schema: Schema.Struct({ a: Schema.String }),
  // @ts-expect-error the default value is incomplete
  default: { value: {} },
})

const whole = State.SQLite.clientDocument({
  name: 'whole',
  schema: Schema.Struct({ a: Schema.String, b: Schema.String }),
  default: { value: { a: '', b: '' } },
  partialSet: false,
})
whole.set({ a: 'x', b: 'y' }, 'id')
// @ts-expect-error the whole value is needed
whole.set({ a: 'x' }, 'id')
// @ts-expect-error there is no default id
whole.set({ a: 'x', b: 'y' })
// @ts-expect-error there is no default id
whole.get()

const list = State.SQLite.clientDocument({
  name: 'list',
  schema: v.array(v.string()),
  default: { id: 'one', value: [] },
})
list.set(['x'])
expectType<string[]>()(run(list.get()))

const union = State.SQLite.clientDocument({
  name: 'union',
  schema: v.union([v.object({ a: v.string() }), v.object({ b: v.number() })]),
  default: { id: 'one', value: { a: '' } },
})
union.set({ b: 1 })
// @ts-expect-error a union is set as a whole
union.set({})

// Schemas.

const state = State.SQLite.makeState({ tables: { todos, ui, whole }, materializers: handlers })
makeSchema({ events, state })
// The set event of a document may be listed; it needs no materializer.
State.SQLite.materializers({ cleared, uiSet: ui.set }, { cleared: () => [] })
makeSchema({ events: [created3, ui.set], state })
// @ts-expect-error not an event
makeSchema({ events: { todos }, state })
// @ts-expect-error not a table
State.SQLite.makeState({ tables: { created3 }, materializers: {} })

// Tables of effect schemas.

const fromSchema = State.SQLite.table({
  name: 'fromSchema',
  schema: Schema.Struct({
    id: Schema.String.pipe(State.SQLite.withPrimaryKey),
    at: Schema.Date,
    note: Schema.optional(Schema.String),
    left: Schema.NullOr(Schema.Int),
    state: Schema.Literal('on', 'off').pipe(State.SQLite.withDefault('on')),
  }),
})
declare const schemaRow: typeof fromSchema.Type
expectType<string>()(schemaRow.id)
expectType<Date>()(schemaRow.at)
expectType<string | null>()(schemaRow.note)
expectType<number | null>()(schemaRow.left)
expectType<'on' | 'off'>()(schemaRow.state)
fromSchema.insert({ id: 'a', at: new Date() })
fromSchema.where({ state: 'off' }).orderBy('at', 'desc')
// @ts-expect-error the date is missing
fromSchema.insert({ id: 'a' })
// @ts-expect-error not a member of the schema
fromSchema.insert({ id: 'a', at: new Date(), state: 'x' })
// @ts-expect-error a Standard Schema has no fields to look at
State.SQLite.table({ name: 't', schema: v.object({ id: v.string() }) })

// Both forms of first().

expectType<string | undefined>()(run(todos.select('id').first()))
expectType<string>()(run(todos.select('id').first({ fallback: 'throws' })))
expectType<string | null>()(run(todos.select('id').first({ fallback: () => null })))
expectType<string | 0>()(
  run(todos.select('id').first({ behaviour: 'fallback', fallback: () => 0 as const })),
)
expectType<readonly string[]>()(run(todos.query.where({ done: true }).select('id')))
