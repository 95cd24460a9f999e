import * as v from 'valibot'
import { expect, test } from 'vitest'
import { Schema } from '../effect/index.js'
import { LiveStoreError } from '../errors.js'
import { Schema4 } from './effect4.fixture.js'
import type { AnyEventDef, EventInput, StandardSchema } from './index.js'
import { EventCodecSymbol, Events, SessionIdSymbol } from './index.js'

/** Everything the engine's glue does with an event: store its JSON, read it back. */
const store = (def: AnyEventDef, event: EventInput, sessionId = 's1') =>
  def[EventCodecSymbol].prepare(event, sessionId)

const failure = (run: () => unknown): LiveStoreError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(LiveStoreError)
    return error as LiveStoreError
  }
  throw new Error('nothing was thrown')
}

const definitions = {
  'effect 3': Events.synced({
    name: 'added',
    schema: Schema.Struct({ id: Schema.String, list: Schema.Array(Schema.Number) }),
  }),
  'effect 4': Events.synced({
    name: 'added',
    schema: Schema4.Struct({ id: Schema4.String, list: Schema4.Array(Schema4.Number) }),
  }),
  valibot: Events.synced({
    name: 'added',
    schema: v.object({ id: v.string(), list: v.array(v.number()) }),
  }),
}

for (const [library, added] of Object.entries(definitions)) {
  test(`${library}: calling a definition makes an event`, () => {
    expect(added({ id: 'a', list: [1] })).toEqual({ name: 'added', args: { id: 'a', list: [1] } })
    expect(added.name).toBe('added')
    expect(added.options).toEqual({ clientOnly: false, derived: false })
    expect(added.encoded({ id: 'a', list: [] })).toEqual({
      name: 'added',
      args: { id: 'a', list: [] },
    })
  })

  test(`${library}: what is stored decodes to the arguments`, () => {
    const { json, args } = store(added, added({ id: 'a', list: [1, 2] }))
    expect(JSON.parse(json)).toEqual({ id: 'a', list: [1, 2] })
    expect(args).toEqual({ id: 'a', list: [1, 2] })
    expect(added[EventCodecSymbol].decode(JSON.parse(json))).toEqual(args)
  })

  test(`${library}: wrong arguments throw at the call, naming event and path`, () => {
    const error = failure(() => added({ id: 'a', list: [1, 'two' as never] }))
    expect(error.code).toBe('InvalidEventArgs')
    expect(error.message).toContain("event 'added'")
    expect(error.message).toMatch(/list.*\[1\]/s)
    expect(failure(() => added(undefined as never)).code).toBe('InvalidEventArgs')
    expect(failure(() => added({} as never)).message).toContain('id')
  })

  test(`${library}: stored arguments that do not fit are a decode failure`, () => {
    const error = failure(() => added[EventCodecSymbol].decode({ id: 1 }))
    expect(error.code).toBe('DecodeFailed')
    expect(error.message).toContain("'added'")
  })

  test(`${library}: a number that JSON cannot hold is refused`, () => {
    const error = failure(() => added({ id: 'a', list: [Number.NaN] }))
    expect(error.code).toBe('InvalidEventArgs')
    expect(error.message).toMatch(/list.*\[0\]/s)
  })

  test(`${library}: an own __proto__ key pollutes nothing`, () => {
    const hostile = JSON.parse('{"id":"a","list":[],"__proto__":{"polluted":1}}')
    const decoded = added[EventCodecSymbol].decode(hostile) as Record<string, unknown>
    expect(decoded).toEqual({ id: 'a', list: [] })
    expect(decoded.polluted).toBeUndefined()
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype)
  })
}

test('effect encodes: a Date is stored as text and comes back as a Date', () => {
  const due = Events.synced({ name: 'due', schema: Schema.Struct({ at: Schema.Date }) })
  const { json, args } = store(due, due({ at: new Date(0) }))
  expect(json).toBe('{"at":"1970-01-01T00:00:00.000Z"}')
  expect(args).toEqual({ at: new Date(0) })
  expect(failure(() => due({ at: '1970-01-01' as never })).message).toContain('at')
})

test('a value that does not survive JSON is refused, naming the path', () => {
  for (const due of [
    Events.synced({ name: 'due', schema: Schema.Struct({ at: Schema.DateFromSelf }) }),
    Events.synced({ name: 'due', schema: Schema4.Struct({ at: Schema4.Date }) }),
    Events.synced({ name: 'due', schema: v.object({ at: v.date() }) }),
  ]) {
    const error = failure(() => due({ at: new Date(0) }))
    expect(error.code).toBe('InvalidEventArgs')
    expect(error.message).toContain("'due'")
    expect(error.message).toMatch(/\bat\b/)
  }
})

test('a Standard Schema stores its input; materializers get its output', () => {
  const due = Events.synced({
    name: 'due',
    schema: v.object({
      at: v.pipe(
        v.string(),
        v.transform((text) => new Date(text)),
      ),
      note: v.optional(v.string(), 'none'),
    }),
  })
  const event = due({ at: '2026-01-01' })
  expect(event.args).toEqual({ at: '2026-01-01' })
  const { json, args } = store(due, event)
  expect(json).toBe('{"at":"2026-01-01"}')
  expect(args).toEqual({ at: new Date('2026-01-01'), note: 'none' })
})

test('excess properties are dropped by an effect struct', () => {
  const { json } = store(
    definitions['effect 3'],
    definitions['effect 3']({ id: 'a', list: [], more: 1 } as never),
  )
  expect(JSON.parse(json)).toEqual({ id: 'a', list: [] })
})

test('an event without arguments is stored as {} and decodes to nothing', () => {
  for (const cleared of [
    Events.synced({ name: 'cleared', schema: Schema.Void }),
    Events.synced({ name: 'cleared', schema: Schema4.Void }),
    Events.synced({ name: 'cleared', schema: v.undefined() }),
  ]) {
    const { json, args } = store(cleared, cleared())
    expect(json).toBe('{}')
    expect(args).toBeUndefined()
    expect(cleared[EventCodecSymbol].decode({})).toBeUndefined()
  }
  const optional = Events.synced({
    name: 'optional',
    schema: v.optional(v.object({ a: v.string() })),
  })
  expect(store(optional, optional()).args).toBeUndefined()
  expect(store(optional, optional({ a: 'x' })).args).toEqual({ a: 'x' })
  const empty = Events.synced({ name: 'empty', schema: Schema.Struct({}) })
  expect(store(empty, empty({})).args).toEqual({})
})

test('asynchronous validation is refused at the call', () => {
  const schema: StandardSchema<string> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async () => ({ value: 'x' }),
    },
  }
  const slow = Events.synced({ name: 'slow', schema })
  const error = failure(() => slow('x'))
  expect(error.code).toBe('InvalidEventArgs')
  expect(error.message).toContain('asynchronously')
})

test('bigints, cycles and __proto__ keys are refused with their path', () => {
  const any = Events.synced({ name: 'any', schema: v.any() })
  expect(failure(() => any({ a: [{ b: 1n }] })).message).toContain(
    'bigint cannot be stored as JSON at a[0].b',
  )
  const cyclic: Record<string, unknown> = { list: [] }
  ;(cyclic.list as unknown[]).push(cyclic)
  expect(failure(() => any(cyclic)).message).toContain(
    'a cycle cannot be stored as JSON at list[0]',
  )
  const hostile = JSON.parse('{"a":{"b":[{"__proto__":{"x":1}}]}}')
  const error = failure(() => any(hostile))
  expect(error.code).toBe('InvalidEventArgs')
  expect(error.message).toContain('the key __proto__ is not allowed at a.b[0]')
  // The word itself is fine as a value.
  expect(store(any, any({ a: '__proto__', b: '"__proto__":' })).json).toContain('__proto__')
})

test('a schema with the decoded shape of a record keeps hostile keys out of prototypes', () => {
  const record = Events.synced({
    name: 'record',
    schema: Schema.Record({ key: Schema.String, value: Schema.Any }),
  })
  const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":1}')
  const decoded = record[EventCodecSymbol].decode(hostile) as Record<string, unknown>
  expect(decoded.polluted).toBeUndefined()
  expect(decoded.constructor).toBe(1)
})

test('arguments are read when the definition is called', () => {
  const added = definitions.valibot
  const list = [1]
  const event = added({ id: 'a', list })
  list.push(2)
  expect(store(added, event).json).toBe('{"id":"a","list":[1]}')
})

test('a plain event object is checked at the commit, each time', () => {
  const added = definitions.valibot
  const event = { name: 'added', args: { id: 'a', list: [1] } }
  expect(store(added, event).json).toBe('{"id":"a","list":[1]}')
  event.args.list.push(2)
  expect(store(added, event).json).toBe('{"id":"a","list":[1,2]}')
  event.args.list.push('three' as never)
  expect(failure(() => store(added, event)).code).toBe('InvalidEventArgs')
})

test('the session id is filled in at the commit, without touching what the caller passed', () => {
  const schema = v.object({ session: v.union([v.string(), v.symbol()]), n: v.number() })
  const opened = Events.clientOnly({ name: 'opened', schema })
  const args = { session: SessionIdSymbol, n: 1 }
  const event = opened(args)
  expect(store(opened, event, 's1').json).toBe('{"session":"s1","n":1}')
  expect(store(opened, event, 's2').json).toBe('{"session":"s2","n":1}')
  expect(args.session).toBe(SessionIdSymbol)
  expect(opened.options.clientOnly).toBe(true)
})

test('names that nothing could carry are refused where the event is defined', () => {
  const schema = v.any()
  const names = ['', '  \t', 'a\0b', '__proto__', 'x'.repeat(300), 'half \ud800', 7 as never]
  for (const name of names) {
    const error = failure(() => Events.synced({ name, schema }))
    expect(error.code).toBe('InvalidSchema')
    expect(error.message).toContain('event')
  }
  expect(failure(() => Events.synced({ name: 'a\0b', schema })).message).toContain('NUL')
  for (const name of ['constructor', 'toString', 'a b', 'ünï', "it's"]) {
    expect(Events.synced({ name, schema })(1)).toEqual({ name, args: 1 })
  }
})

test('something else than a schema is refused where the event is defined', () => {
  for (const schema of [undefined, null, {}, { type: 'object' }, 'string', () => true]) {
    const error = failure(() => Events.synced({ name: 'x', schema: schema as never }))
    expect(error.code).toBe('InvalidSchema')
    expect(error.message).toContain("event 'x'")
  }
})

test('an effect schema without livestore-wasm/effect names the import to add', () => {
  const key = Symbol.for('livestore-wasm/effect-functions')
  const holder = globalThis as unknown as Record<symbol, unknown>
  const registered = holder[key] as Record<number, unknown>
  try {
    holder[key] = {}
    const early = Events.synced({ name: 'early', schema: Schema.String })
    const error = failure(() => early('x'))
    expect(error.code).toBe('InvalidSchema')
    expect(error.message).toContain("import { Schema } from 'livestore-wasm/effect'")
    expect(error.message).toContain("event 'early'")
    holder[key] = { 4: registered[4] }
    expect(failure(() => early('x')).message).toContain('another major of effect')
    holder[key] = registered
    // The import may come after the definition.
    expect(early('x').args).toBe('x')
  } finally {
    holder[key] = registered
  }
})
