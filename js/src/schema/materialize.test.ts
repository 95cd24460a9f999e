import * as v from 'valibot'
import { expect, test } from 'vitest'
import { LiveStoreError } from '../errors.js'
import type { MaterializeInput, StateReader } from '../wasm/values.js'
import type { MaterializerResult } from './index.js'
import { Events, makeSchema, materializeWith, SessionIdSymbol, State } from './index.js'

const { SQLite } = State
const todos = SQLite.table({
  name: 'todos',
  columns: {
    id: SQLite.text({ primaryKey: true }),
    done: SQLite.boolean({ default: false }),
  },
})
const ui = SQLite.clientDocument({
  name: 'ui',
  schema: v.string(),
  default: { id: SessionIdSymbol, value: '' },
})
const added = Events.synced({
  name: 'added',
  schema: v.object({
    at: v.pipe(
      v.string(),
      v.transform((text) => new Date(text)),
    ),
  }),
})

const failure = (run: () => unknown): LiveStoreError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(LiveStoreError)
    return error as LiveStoreError
  }
  throw new Error('nothing was thrown')
}

const input: MaterializeInput = {
  name: 'added',
  argsJson: '{"at":"2026-01-01"}',
  local: false,
  args: undefined,
  seqNum: { global: 3, client: 0, generation: 0 },
  parentSeqNum: { global: 2, client: 0, generation: 0 },
  clientId: 'c',
  sessionId: 's',
}

const noReads: StateReader = {
  query: () => {
    throw new Error('no reads here')
  },
  prepare: () => {
    throw new Error('no reads here')
  },
}

type Handler = Parameters<typeof SQLite.materializers<{ added: typeof added }>>[1]['added']

const run = (handler: Handler, event: Partial<MaterializeInput> = {}, reader = noReads) => {
  const materializers = SQLite.materializers({ added }, { added: handler })
  const state = SQLite.makeState({ tables: { todos, ui }, materializers })
  const schema = makeSchema({ events: { added }, state })
  return materializeWith(schema)({ ...input, ...event }, reader)
}

test('a handler gets decoded arguments and its event', () => {
  run(({ at }, { event, eventDef }) => {
    expect(at).toEqual(new Date('2026-01-01'))
    expect(eventDef).toBe(added)
    expect(event).toEqual({
      name: 'added',
      args: { at },
      seqNum: input.seqNum,
      parentSeqNum: input.parentSeqNum,
      clientId: 'c',
      sessionId: 's',
    })
    return []
  })
  const args = { at: new Date(5) }
  run(
    (given) => {
      expect(given).toBe(args)
    },
    { local: true, args, argsJson: 'not read' },
  )
  expect.assertions(4)
})

test('every documented form of a result becomes plain statements', () => {
  expect(run(() => todos.insert({ id: 'a', done: true }))).toEqual([
    { sql: `INSERT INTO 'todos' ("id", "done") VALUES (?, ?)`, binds: ['a', 1] },
  ])
  expect(run(() => 'delete from todos')).toEqual([{ sql: 'delete from todos', binds: [] }])
  expect(run(() => ({ sql: 'x ?', bindValues: [true, null, 1n] }))).toEqual([
    { sql: 'x ?', binds: [1, null, 1n] },
  ])
  expect(
    run(() => ({
      sql: 'x $a',
      bindValues: { a: false, b: undefined },
      writeTables: new Set(['t']),
    })),
  ).toEqual([{ sql: 'x $a', binds: { a: 0 } }])
  expect(run(() => [['a', ['b']], undefined, todos.delete()]).map(({ sql }) => sql)).toEqual([
    'a',
    'b',
    "DELETE FROM 'todos'",
  ])
  expect(run(() => [])).toEqual([])
  expect(run(() => {})).toEqual([])
  expect(run(() => todos.update({}))).toEqual([])
  expect(run(() => todos.delete().returning('id'))[0]?.sql).toContain('RETURNING')
})

test('anything else is refused, naming the event', () => {
  const results: [unknown, string][] = [
    [1, '1'],
    [null, 'null'],
    [{ query: 'x' }, 'an object'],
    [todos.where({ id: 'a' }), 'only reads'],
    [ui.get(), 'only reads'],
    [[['a', 7]], '7'],
    [Promise.resolve([]), 'a Promise'],
    [Promise.reject(new Error('unseen')), 'a Promise'],
    [() => [], 'a function'],
    [added, 'a function'],
    [new Map(), 'a Map'],
  ]
  for (const [result, described] of results) {
    const error = failure(() => run(() => result as MaterializerResult))
    expect(error.code).toBe('InvalidMaterializerResult')
    expect(error.message).toContain("event 'added'")
    expect(error.message).toContain(described)
  }
})

test('a bind value that SQLite cannot hold is refused, naming event and parameter', () => {
  const error = failure(() => run(() => ({ sql: 'x', bindValues: { when: new Date() as never } })))
  expect(error.code).toBe('InvalidBind')
  expect(error.message).toContain("'added'")
  expect(error.message).toContain('when')
  expect(failure(() => run(() => ({ sql: 'x', bindValues: [undefined] }))).code).toBe('InvalidBind')
  expect(failure(() => run(() => ({ sql: 'x', bindValues: 'a' as never }))).code).toBe(
    'InvalidBind',
  )
})

test('a handler that throws names its event and keeps the cause', () => {
  const cause = new Error('boom')
  const error = failure(() =>
    run(() => {
      throw cause
    }),
  )
  expect(error.code).toBe('MaterializerThrew')
  expect(error.message).toBe("materializer of event 'added': boom")
  expect(error.cause).toBe(cause)
})

test('a misused query builder keeps its code', () => {
  const error = failure(() => run(() => todos.insert({ id: 'a', nope: 1 } as never)))
  expect(error.code).toBe('InvalidQuery')
  expect(error.message).toContain("event 'added'")
  expect(error.message).toContain('nope')
})

test('unknown events and damaged arguments have codes of their own', () => {
  expect(failure(() => run(() => [], { name: 'other' })).code).toBe('UnknownEvent')
  expect(failure(() => run(() => [], { name: '__proto__' })).code).toBe('UnknownEvent')
  expect(failure(() => run(() => [], { argsJson: '{' })).code).toBe('DecodeFailed')
  expect(failure(() => run(() => [], { argsJson: '{"at":1}' })).message).toContain("'added'")
})

test('a handler reads state through queries and SQL', () => {
  const calls: unknown[] = []
  const reader: StateReader = {
    ...noReads,
    query: (sql, binds, shape) => {
      calls.push([sql, binds, shape?.pluck])
      return shape?.pluck ? ['a', 'b'] : [{ n: 1 }]
    },
  }
  run(
    (_, { query }) => {
      expect(query(todos.where({ done: true }).select('id'))).toEqual(['a', 'b'])
      expect(query(todos.select('id').first())).toBe('a')
      expect(query({ query: 'select $a', bindValues: { a: true } })).toEqual([{ n: 1 }])
      expect(query({ query: 'select 1' })).toEqual([{ n: 1 }])
    },
    {},
    reader,
  )
  expect(calls).toEqual([
    [`SELECT "id" FROM 'todos' WHERE "done" = ?`, [1], true],
    [`SELECT "id" FROM 'todos' LIMIT ?`, [1], true],
    ['select $a', { a: 1 }, undefined],
    ['select 1', [], undefined],
  ])
  const error = failure(() => run((_, { query }) => void query(ui.get()), {}, reader))
  expect(error.code).toBe('InvalidQuery')
  expect(error.message).toContain('session')
})

test('a client document brings its own materializer', () => {
  expect(run(() => [], { name: 'uiSet', argsJson: '{"id":"a","value":"x"}' })).toEqual([
    {
      sql: "INSERT INTO 'ui' (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = ?",
      binds: ['a', '"x"', '"x"'],
    },
  ])
})
