import * as v from 'valibot'
import { expect, test } from 'vitest'
import { resultOf } from '../../test/result-of.js'
import { Schema } from '../effect/index.js'
import { LiveStoreError } from '../errors.js'
import { QueryBuilderAstSymbol } from '../query/index.js'
import { ClientDocumentTableDefSymbol } from './client-document.js'
import { Schema4 } from './effect4.fixture.js'
import type { AnyEventDef, EventInput } from './index.js'
import { EventCodecSymbol, SessionIdSymbol, State } from './index.js'

const { clientDocument } = State.SQLite

const failure = (run: () => unknown): LiveStoreError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(LiveStoreError)
    return error as LiveStoreError
  }
  throw new Error('nothing was thrown')
}

type Document = {
  readonly set: AnyEventDef
  readonly [ClientDocumentTableDefSymbol]: {
    readonly materialize: (args: never) => { readonly sql: string; readonly bindValues: string[] }
  }
}

/** What the engine would run for a set: stored, read back, materialized. */
const statements = (document: Document, event: EventInput, sessionId = 's1') => {
  const codec = document.set[EventCodecSymbol]
  const { json } = codec.prepare(event, sessionId)
  const args = codec.decode(JSON.parse(json))
  const { sql, bindValues } = document[ClientDocumentTableDefSymbol].materialize(args as never)
  return [sql, ...bindValues]
}

/** What a set leaves in the eventlog. */
const stored = (document: Document, event: EventInput, sessionId = 's1'): unknown =>
  JSON.parse(document.set[EventCodecSymbol].prepare(event, sessionId).json)

const variants = {
  'effect 3': clientDocument({
    name: 'ui',
    schema: Schema.Struct({
      filter: Schema.String,
      size: Schema.NullOr(Schema.Number),
      nested: Schema.Struct({ x: Schema.Number }),
      extra: Schema.optional(Schema.String),
    }),
    default: { id: SessionIdSymbol, value: { filter: 'all', size: 5, nested: { x: 0 } } },
  }),
  'effect 4': clientDocument({
    name: 'ui',
    schema: Schema4.Struct({
      filter: Schema4.String,
      size: Schema4.NullOr(Schema4.Number),
      nested: Schema4.Struct({ x: Schema4.Number }),
      extra: Schema4.optional(Schema4.String),
    }),
    default: { id: SessionIdSymbol, value: { filter: 'all', size: 5, nested: { x: 0 } } },
  }),
  valibot: clientDocument({
    name: 'ui',
    schema: v.object({
      filter: v.string(),
      size: v.nullable(v.number()),
      nested: v.object({ x: v.number() }),
      extra: v.optional(v.string()),
    }),
    default: { id: SessionIdSymbol, value: { filter: 'all', size: 5, nested: { x: 0 } } },
  }),
}
const insert = `INSERT INTO 'ui' (id, value) VALUES (?, ?) ON CONFLICT (id) DO `

for (const [library, ui] of Object.entries(variants)) {
  test(`${library}: a document has a set event of its own`, () => {
    const event = ui.set({ filter: 'done' })
    expect(event).toEqual({
      name: 'uiSet',
      args: { id: SessionIdSymbol, value: { filter: 'done' } },
    })
    expect(ui.set.name).toBe('uiSet')
    expect(ui.set.options).toEqual({ clientOnly: true, derived: true })
    expect(ui.default).toEqual({
      id: SessionIdSymbol,
      value: { filter: 'all', size: 5, nested: { x: 0 } },
    })
    expect(ui.options.isClientDocumentTable).toBe(true)
  })

  test(`${library}: a partial set stores and writes the fields it names`, () => {
    const event = ui.set({ filter: 'done', size: undefined })
    expect(stored(ui, event)).toEqual({ id: 's1', value: { filter: 'done' } })
    expect(statements(ui, event)).toEqual([
      `${insert}UPDATE SET value = json_set(value, ?, json(?))`,
      's1',
      '{"filter":"done","size":5,"nested":{"x":0}}',
      '$.filter',
      '"done"',
    ])
  })

  test(`${library}: several fields nest their json_set, and nested objects are replaced`, () => {
    expect(statements(ui, ui.set({ nested: { x: 1 }, extra: 'e' }, 'd1'))).toEqual([
      `${insert}UPDATE SET value = json_set(json_set(value, ?, json(?)), ?, json(?))`,
      'd1',
      '{"filter":"all","size":5,"nested":{"x":1},"extra":"e"}',
      '$.nested',
      '{"x":1}',
      '$.extra',
      '"e"',
    ])
  })

  test(`${library}: null is a value like any other, on the first write too`, () => {
    expect(statements(ui, ui.set({ size: null }, 'd1')).slice(2)).toEqual([
      '{"filter":"all","size":null,"nested":{"x":0}}',
      '$.size',
      'null',
    ])
  })

  test(`${library}: a set without a defined field only creates`, () => {
    for (const value of [{}, { filter: undefined }]) {
      expect(statements(ui, ui.set(value, 'd1'))).toEqual([
        `${insert}NOTHING`,
        'd1',
        '{"filter":"all","size":5,"nested":{"x":0}}',
      ])
    }
  })

  test(`${library}: unknown fields are dropped, wrong ones throw at the call`, () => {
    expect(stored(ui, ui.set({ nope: 1, filter: 'x' } as never, 'd1'))).toEqual({
      id: 'd1',
      value: { filter: 'x' },
    })
    const error = failure(() => ui.set({ filter: 1 as never }))
    expect(error.code).toBe('InvalidEventArgs')
    expect(error.message).toContain("'uiSet'")
    expect(error.message).toContain('filter')
    expect(failure(() => ui.set('x' as never)).code).toBe('InvalidEventArgs')
    const hostile = JSON.parse('{"__proto__":{"x":1}}')
    expect(failure(() => ui.set(hostile)).message).toContain('__proto__')
  })

  test(`${library}: stored sets that do not fit never fail`, () => {
    const decode = (value: unknown) => ui.set[EventCodecSymbol].decode({ id: 'a', value })
    expect(decode({ filter: 'x' })).toEqual({ id: 'a', value: { filter: 'x' } })
    expect(decode({ filter: 'x', gone: 1 })).toEqual({ id: 'a', value: { filter: 'x' } })
    expect(decode({ filter: 7 })).toEqual({ id: 'a', value: {} })
    expect(decode('text')).toEqual({ id: 'a', value: {} })
    expect(decode(null)).toEqual({ id: 'a', value: {} })
  })

  test(`${library}: a stored document reads as what fits, or as the default`, () => {
    const read = (json: string) => resultOf(ui.get('a'), [['a', json]])
    const initial = { filter: 'all', size: 5, nested: { x: 0 } }
    expect(read('{"filter":"x","size":null,"nested":{"x":2}}')).toEqual({
      filter: 'x',
      size: null,
      nested: { x: 2 },
    })
    expect(read('{"filter":"x","size":1,"nested":{"x":2},"gone":1}')).toEqual({
      filter: 'x',
      size: 1,
      nested: { x: 2 },
    })
    // A field that was added to the schema reads as its default; the others stay.
    expect(read('{"filter":"x"}')).toEqual({ ...initial, filter: 'x' })
    expect(read('{"filter":7}')).toEqual(initial)
    expect(read('"text"')).toEqual(initial)
    expect(read('null')).toEqual(initial)
  })
}

test('get is the query for one document', () => {
  const ui = variants['effect 3']
  const query = ui.get('a')
  expect(query.asSql()).toEqual({
    query: "SELECT * FROM 'ui' WHERE id = ?",
    bindValues: ['a'],
    usedTables: new Set(['ui']),
  })
  expect(query[QueryBuilderAstSymbol]).toMatchObject({
    _tag: 'RowQuery',
    id: 'a',
    label: 'ui.get:a',
  })
  expect(ui.get().asSql().bindValues).toEqual([SessionIdSymbol])
  expect(ui.get()[QueryBuilderAstSymbol].label).toBe('ui.get:SessionIdSymbol')
  expect(resultOf(query, [])).toEqual(ui.default.value)
})

test('a document is a table as well', () => {
  const ui = variants.valibot
  const query = ui.where({ id: 'a' }).select('value')
  expect(query.asSql().query).toBe(`SELECT "value" FROM 'ui' WHERE "id" = ?`)
  expect(resultOf(query, [['{"filter":"x"}']])).toEqual([{ ...ui.default.value, filter: 'x' }])
})

test('creating a document never overwrites what another tab has set', () => {
  const ui = variants.valibot
  const create = ui.get('a')[QueryBuilderAstSymbol].createEvent()
  expect(statements(ui, create)[0]).toBe(`${insert}NOTHING`)
})

test('get can bring a default of its own', () => {
  const ui = variants.valibot
  const query = ui.get('a', { default: { filter: 'open' } })
  const value = { filter: 'open', size: 5, nested: { x: 0 } }
  expect(resultOf(query, [])).toEqual(value)
  const create = query[QueryBuilderAstSymbol].createEvent()
  expect(JSON.parse(String(statements(ui, create)[2]))).toEqual(value)
  const error = failure(() => ui.get('a', { default: { filter: 1 as never } }))
  expect(error.code).toBe('InvalidQuery')
  expect(error.message).toContain('ui.get')
})

test('without an id and a default id, get and set throw', () => {
  const doc = clientDocument({ name: 'doc', schema: v.string(), default: { value: '' } })
  for (const call of [() => doc.get(undefined as never), () => doc.set('x', undefined as never)]) {
    const error = failure(call)
    expect(error.code).toBe('InvalidQuery')
    expect(error.message).toContain('doc.')
    expect(error.message).toContain('no default id')
  }
  expect(failure(() => doc.get(7 as never)).message).toContain('7')
})

test('values that are not structs are replaced as a whole', () => {
  const list = clientDocument({
    name: 'ui',
    schema: Schema.Array(Schema.Date),
    default: { id: 'one', value: [] },
  })
  expect(statements(list, list.set([new Date(0)]))).toEqual([
    `${insert}UPDATE SET value = ?`,
    'one',
    '["1970-01-01T00:00:00.000Z"]',
    '["1970-01-01T00:00:00.000Z"]',
  ])
  expect(resultOf(list.get(), [['one', '["1970-01-01T00:00:00.000Z"]']])).toEqual([new Date(0)])
  expect(resultOf(list.get(), [['one', '[7]']])).toEqual([])
  for (const union of [
    clientDocument({
      name: 'ui',
      schema: Schema.Union(
        Schema.Struct({ a: Schema.String }),
        Schema.Struct({ b: Schema.Number }),
      ),
      default: { id: 'one', value: { a: '' } },
    }),
    clientDocument({
      name: 'ui',
      schema: v.union([v.object({ a: v.string() }), v.object({ b: v.number() })]),
      default: { id: 'one', value: { a: '' } },
    }),
  ]) {
    expect(statements(union, union.set({ b: 1 }))[2]).toBe('{"b":1}')
    expect(failure(() => union.set({} as never)).code).toBe('InvalidEventArgs')
  }
})

test('partialSet: false takes whole values only', () => {
  const doc = clientDocument({
    name: 'ui',
    schema: v.object({ a: v.string(), b: v.number() }),
    default: { id: 'one', value: { a: '', b: 0 } },
    partialSet: false,
  })
  expect(statements(doc, doc.set({ a: 'x', b: 1 }))[0]).toBe(`${insert}UPDATE SET value = ?`)
  expect(failure(() => doc.set({ a: 'x' } as never)).code).toBe('InvalidEventArgs')
  // What an older schema has stored keeps its known fields.
  expect(doc.set[EventCodecSymbol].decode({ id: 'one', value: { a: 'x' } })).toEqual({
    id: 'one',
    value: { a: 'x', b: 0 },
  })
  expect(doc.get()[QueryBuilderAstSymbol].createEvent().args).toEqual({
    id: 'one',
    value: { a: '', b: 0 },
  })
})

test('odd field names are quoted in JSON paths', () => {
  const fields = {
    'a.b': v.number(),
    'q"uote': v.number(),
    'back\\slash': v.number(),
    '[0]': v.number(),
  }
  const doc = clientDocument({
    name: 'ui',
    schema: v.object(fields),
    default: { id: 'one', value: { 'a.b': 0, 'q"uote': 0, 'back\\slash': 0, '[0]': 0 } },
  })
  const path = (value: Partial<Record<keyof typeof fields, number>>) =>
    statements(doc, doc.set(value))[3]
  expect(path({ 'a.b': 1 })).toBe('$."a.b"')
  expect(path({ 'q"uote': 1 })).toBe('$."q\\"uote"')
  expect(path({ 'back\\slash': 1 })).toBe('$."back\\\\slash"')
  expect(path({ '[0]': 1 })).toBe('$."[0]"')
})

test('encoded and decoded values may differ field by field', () => {
  const doc = clientDocument({
    name: 'ui',
    schema: Schema.Struct({ at: Schema.DateFromNumber, bytes: Schema.Uint8ArrayFromBase64 }),
    default: { id: 'one', value: { at: new Date(0), bytes: new Uint8Array() } },
  })
  const read = (json: string) => resultOf(doc.get(), [['one', json]])
  expect(read('{"at":42,"bytes":"AQI="}')).toEqual({
    at: new Date(42),
    bytes: new Uint8Array([1, 2]),
  })
  expect(read('{"at":42,"bytes":"AQI=","more":1}')).toEqual({
    at: new Date(42),
    bytes: new Uint8Array([1, 2]),
  })
  expect(read('{"at":"1970-01-01T00:00:00.000Z","bytes":{"0":1}}')).toEqual(doc.default.value)
  expect(statements(doc, doc.set({ at: new Date(7) })).slice(2)).toEqual([
    '{"at":7,"bytes":""}',
    '$.at',
    '7',
  ])
})

test('a default that does not fit is refused when the schema is checked', () => {
  const doc = clientDocument({
    name: 'doc',
    schema: v.object({ a: v.string() }),
    default: { id: 'one', value: { a: 1 as never } },
  })
  const error = failure(() => doc[ClientDocumentTableDefSymbol].check())
  expect(error.code).toBe('InvalidSchema')
  expect(error.message).toContain("client document 'doc'")
  const options = { name: 'doc', schema: v.string() }
  expect(failure(() => clientDocument({ ...options, default: undefined as never })).code).toBe(
    'InvalidSchema',
  )
  expect(failure(() => clientDocument({ ...options, default: {} as never })).message).toContain(
    'default',
  )
  expect(
    failure(() => clientDocument({ ...options, default: { value: '', id: 7 as never } })).message,
  ).toContain('7')
})
