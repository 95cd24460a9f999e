import * as v from 'valibot'
import { expect, test, vi } from 'vitest'
import { Schema } from '../effect/index.js'
import { LiveStoreError } from '../errors.js'
import {
  defineMaterializer,
  Events,
  getEventDef,
  isLiveStoreSchema,
  makeSchema,
  State,
  schemaDescriptor,
} from './index.js'

const { SQLite } = State

const failure = (run: () => unknown): LiveStoreError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(LiveStoreError)
    return error as LiveStoreError
  }
  throw new Error('nothing was thrown')
}

const expectInvalid = (run: () => unknown, ...parts: string[]) => {
  const error = failure(run)
  expect(error.code).toBe('InvalidSchema')
  for (const part of parts) expect(error.message).toContain(part)
}

const a = Events.synced({ name: 'a', schema: v.object({ id: v.string() }) })
const b = Events.clientOnly({ name: 'b', schema: v.undefined() })
const table = SQLite.table({ name: 't', columns: { id: SQLite.text({ primaryKey: true }) } })
const ui = SQLite.clientDocument({
  name: 'ui',
  schema: v.string(),
  default: { id: 'x', value: '' },
})
const handlers = SQLite.materializers(
  { a, b },
  { a: ({ id }) => table.insert({ id }), b: () => [] },
)

test('a schema knows its tables, events and materializers by name', () => {
  for (const events of [{ first: a, second: b }, [a, b], [a, b, ui.set]]) {
    for (const tables of [{ first: table, ui }, [table, ui]]) {
      const schema = makeSchema({
        events,
        state: SQLite.makeState({ tables, materializers: handlers }),
      })
      expect([...schema.state.sqlite.tables.keys()]).toEqual(['t', 'ui'])
      expect([...schema.eventsDefsMap.keys()]).toEqual(['a', 'b', 'uiSet'])
      expect([...schema.state.materializers.keys()].sort()).toEqual(['a', 'b', 'uiSet'])
      expect(isLiveStoreSchema(schema)).toBe(true)
      expect(getEventDef(schema, 'a')).toBe(a)
      expect(failure(() => getEventDef(schema, 'nope')).code).toBe('UnknownEvent')
      expect(failure(() => getEventDef(schema, 'toString')).message).toContain('toString')
    }
  }
  expect(isLiveStoreSchema({})).toBe(false)
  expect(isLiveStoreSchema(null)).toBe(false)
})

test('two tables of one name are refused, however it is written', () => {
  const state = (tables: Parameters<typeof SQLite.makeState>[0]['tables']) => () =>
    SQLite.makeState({ tables, materializers: {} })
  expectInvalid(state([table, SQLite.table({ name: 't', columns: { x: SQLite.text() } })]), "'t'")
  expectInvalid(state({ x: table, y: table }), "'t'")
  expectInvalid(state([table, SQLite.table({ name: 'T', columns: { x: SQLite.text() } })]), "'T'")
  const indexed = (name: string, index: string) =>
    SQLite.table({
      name,
      columns: { x: SQLite.text() },
      indexes: [{ name: index, columns: ['x'] }],
    })
  expectInvalid(state([indexed('p', 'i'), indexed('q', 'i')]), "'i'", 'index')
  expectInvalid(state([indexed('p', 'q'), indexed('q', 'i')]), "'q'")
  expectInvalid(state({ x: {} as never }), "'x'")
})

test('two events of one name are refused, in a record and in an array', () => {
  const again = Events.synced({ name: 'a', schema: v.any() })
  const state = SQLite.makeState({ tables: [table], materializers: handlers })
  expectInvalid(() => makeSchema({ events: { a, again, b }, state }), "'a'")
  expectInvalid(() => makeSchema({ events: [a, again, b], state }), "'a'")
  const uiSet = Events.synced({ name: 'uiSet', schema: v.any() })
  const withUi = SQLite.makeState({ tables: [table, ui], materializers: handlers })
  expectInvalid(() => makeSchema({ events: [a, b, uiSet], state: withUi }), "'uiSet'")
})

test('every event has a materializer and every materializer an event', () => {
  const state = (materializers: Parameters<typeof SQLite.makeState>[0]['materializers']) =>
    SQLite.makeState({ tables: [table, ui], materializers })
  expectInvalid(
    () => makeSchema({ events: [a, b], state: state({ a: () => [] }) }),
    "'b'",
    'no materializer',
  )
  expectInvalid(() => makeSchema({ events: [a], state: state(handlers) }), "'b'")
  expectInvalid(() => makeSchema({ events: [{} as never], state: state(handlers) }), "'0'")
  expectInvalid(() => state({ a: 1 as never }), "'a'")
  expectInvalid(() => state({ uiSet: () => [] }), "'uiSet'")
  expectInvalid(
    () => SQLite.makeState({ tables: [], materializers: undefined as never }),
    'materializers',
  )
})

test('materializers are keyed by event name', () => {
  const renamed = Events.synced({ name: 'v1.Renamed', schema: v.any() })
  expectInvalid(
    () => SQLite.materializers({ renamed }, { renamed: () => [] } as never),
    "'renamed'",
    "'v1.Renamed'",
  )
  expectInvalid(() => SQLite.materializers({ renamed }, { other: () => [] } as never), "'other'")
  const handler = () => []
  expect(defineMaterializer(renamed, handler)).toBe(handler)
})

test('tables and columns that cannot be are refused where they are defined', () => {
  const define =
    (columns: unknown, name: unknown = 't', indexes: unknown = undefined) =>
    () =>
      SQLite.table({ name, columns, indexes } as never)
  const text = SQLite.text()
  expectInvalid(define({ x: text }, ''), 'table')
  expectInvalid(define({ x: text }, 'a\0b'), 'NUL')
  expectInvalid(define({ x: text }, '__proto__'), '__proto__')
  expectInvalid(define({ x: text }, 'sqlite_stat'), 'reserved')
  expectInvalid(define({ x: text }, '__LIVESTORE_x'), 'reserved')
  expectInvalid(define({ '': text }), "'t'", 'column')
  expectInvalid(define({ 'a\0': text }), 'NUL')
  expectInvalid(define({ ['__proto__']: text }), '__proto__')
  expectInvalid(define({ a: text, A: text }), "'A'")
  expectInvalid(define({}), 'no columns')
  expectInvalid(define(undefined), 'undefined')
  expectInvalid(define({ x: 'text' }), "'x'")
  expectInvalid(
    define(Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`c${i}`, text]))),
    '500',
  )
  expectInvalid(define({ x: text }, 't', [{ name: 'i', columns: ['y'] }]), "'i'", '"y"')
  expectInvalid(define({ x: text }, 't', [{ name: 'i', columns: ['toString'] }]), 'toString')
  expectInvalid(define({ x: text }, 't', [{ name: 'i', columns: [] }]), "'i'")
  expectInvalid(define({ x: text }, 't', [{ columns: ['x'] }]), 'index')
  expectInvalid(define({ x: text }, 't', {}), 'indexes')
  const id = SQLite.integer({ primaryKey: true, autoIncrement: true })
  expectInvalid(define({ id, other: SQLite.text({ primaryKey: true }) }), 'autoIncrement')
  expectInvalid(() => SQLite.text({ primaryKey: true, nullable: true }), 'nullable')
  expectInvalid(() => SQLite.text({ autoIncrement: true, primaryKey: true }), 'autoIncrement')
  expectInvalid(() => SQLite.text({ schema: {} as never }), 'Schema')
  expectInvalid(() => SQLite.column('date' as never), '"date"')
})

test('the descriptor tells the engine all it needs', () => {
  const all = SQLite.table({
    name: 'all',
    columns: {
      id: SQLite.integer({ primaryKey: true, autoIncrement: true }),
      text: SQLite.text({ default: "it's" }),
      flag: SQLite.boolean({ default: true }),
      at: SQLite.datetime({ default: new Date(0) }),
      ms: SQLite.datetimeInteger({ default: new Date(5) }),
      list: SQLite.json({ schema: Schema.Array(Schema.Date), default: [new Date(0)] }),
      meta: SQLite.json({ default: { sql: 'value', more: 1 } }),
      bytes: SQLite.blob({ default: new Uint8Array([0, 255]) }),
      real: SQLite.real({ nullable: true, default: null }),
      now: SQLite.text({ default: { sql: 'CURRENT_TIMESTAMP' } }),
    },
    indexes: [{ name: 'byText', columns: ['text', 'flag'], isUnique: true }],
  })
  const state = SQLite.makeState({ tables: [all], materializers: {} })
  const descriptor = JSON.parse(schemaDescriptor(makeSchema({ events: [], state })))
  expect(descriptor.version).toBe(1)
  expect(descriptor.tables[0].name).toBe('all')
  expect(descriptor.tables[0].indexes).toEqual([
    { name: 'byText', columns: ['text', 'flag'], unique: true },
  ])
  const plain = { nullable: false, primaryKey: false, autoIncrement: false }
  expect(descriptor.tables[0].columns).toEqual([
    {
      ...plain,
      name: 'id',
      type: 'integer',
      primaryKey: true,
      autoIncrement: true,
      default: null,
      codec: 'integer',
    },
    { ...plain, name: 'text', type: 'text', default: { value: "it's" }, codec: 'text' },
    { ...plain, name: 'flag', type: 'integer', default: { value: 1 }, codec: 'boolean' },
    {
      ...plain,
      name: 'at',
      type: 'text',
      default: { value: '1970-01-01T00:00:00.000Z' },
      codec: 'datetime',
    },
    { ...plain, name: 'ms', type: 'integer', default: { value: 5 }, codec: 'datetimeInteger' },
    {
      ...plain,
      name: 'list',
      type: 'text',
      default: { value: '["1970-01-01T00:00:00.000Z"]' },
      codec: 'json',
    },
    {
      ...plain,
      name: 'meta',
      type: 'text',
      default: { value: '{"sql":"value","more":1}' },
      codec: 'json',
    },
    { ...plain, name: 'bytes', type: 'blob', default: { value: { blob: '00ff' } }, codec: 'blob' },
    {
      ...plain,
      name: 'real',
      type: 'real',
      nullable: true,
      default: { value: null },
      codec: 'real',
    },
    { ...plain, name: 'now', type: 'text', default: { sql: 'CURRENT_TIMESTAMP' }, codec: 'text' },
  ])
})

test('the descriptor of a client document is a plain table', () => {
  const state = SQLite.makeState({ tables: { ui }, materializers: {} })
  const { tables } = JSON.parse(schemaDescriptor(makeSchema({ events: {}, state })))
  expect(tables).toEqual([
    {
      name: 'ui',
      columns: [
        {
          name: 'id',
          type: 'text',
          nullable: false,
          primaryKey: true,
          autoIncrement: false,
          default: null,
          codec: 'text',
        },
        {
          name: 'value',
          type: 'text',
          nullable: false,
          primaryKey: false,
          autoIncrement: false,
          default: null,
          codec: 'json',
        },
      ],
      indexes: [],
    },
  ])
})

test('a default that does not fit its column names table and column', () => {
  for (const column of [
    SQLite.text({ default: 1 as never }),
    SQLite.integer({ default: 1.5 }),
    SQLite.text({ default: null as never }),
    SQLite.text({ schema: Schema.Literal('a'), default: 'b' as never }),
    SQLite.datetime({ default: new Date('x') }),
    SQLite.real({ default: Number.POSITIVE_INFINITY }),
    SQLite.blob({ default: 'x' as never }),
  ]) {
    const t = SQLite.table({ name: 'tt', columns: { cc: column } })
    const schema = makeSchema({
      events: [],
      state: SQLite.makeState({ tables: [t], materializers: {} }),
    })
    expectInvalid(() => schemaDescriptor(schema), "'cc'", "'tt'")
  }
})

test('a schema that cannot be used is refused by makeSchema, not by the first commit', () => {
  const key = Symbol.for('livestore-wasm/effect-functions')
  const holder = globalThis as unknown as Record<symbol, unknown>
  const registered = holder[key]
  const build =
    (
      events: Parameters<typeof makeSchema>[0]['events'],
      tables: Parameters<typeof SQLite.makeState>[0]['tables'],
    ) =>
    () =>
      makeSchema({ events, state: SQLite.makeState({ tables, materializers: { e: () => [] } }) })
  const e = Events.synced({ name: 'e', schema: v.any() })
  try {
    holder[key] = {}
    expectInvalid(
      build([Events.synced({ name: 'e', schema: Schema.String })], []),
      "event 'e'",
      'livestore-wasm/effect',
    )
    const colored = SQLite.table({
      name: 'tt',
      columns: { cc: SQLite.text({ schema: Schema.String }) },
    })
    expectInvalid(build([e], [colored]), "column 'cc' of 'tt'", 'livestore-wasm/effect')
    const doc = SQLite.clientDocument({ name: 'dd', schema: Schema.String, default: { value: '' } })
    expectInvalid(build([e], [doc]), "'dd'", 'livestore-wasm/effect')
  } finally {
    holder[key] = registered
  }
})

test('every migration strategy means: rebuild from the eventlog; one of the own is refused', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const make = (migrations: object) =>
    SQLite.makeState({ tables: {}, materializers: {}, migrations: migrations as never })
  for (const strategy of ['auto', 'from-eventlog', 'hard-reset']) make({ strategy })
  expect(warn).not.toHaveBeenCalled()
  make({ strategy: 'auto', hooks: { post: () => undefined } })
  expect(warn).toHaveBeenCalledTimes(1)
  const manual = failure(() => make({ strategy: 'manual', migrate: () => undefined }))
  expect(manual).toMatchObject({ code: 'Unsupported', message: expect.stringMatching(/"manual"/) })
  warn.mockRestore()
})
