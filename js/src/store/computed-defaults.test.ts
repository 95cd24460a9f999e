/**
 * Column defaults that are functions: called once, at the commit, and the same everywhere after.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { coded, endTest, openStore, startTest } from '../../test/open-store.js'
import { fields } from '../../test/todo-schema.js'
import { defaultsOf } from '../schema/default-sources.js'
import { Events, makeSchema, materializeWith, State } from '../schema/index.js'

const { SQLite } = State
let calls = 0

const items = SQLite.table({
  name: 'items',
  columns: {
    id: SQLite.text({ primaryKey: true, default: () => `id${++calls}` }),
    at: SQLite.datetime({ default: () => new Date(++calls) }),
    bytes: SQLite.blob({ default: () => new Uint8Array([++calls]) }),
    text: SQLite.text(),
  },
})
const pairs = SQLite.table({
  name: 'pairs',
  columns: { text: SQLite.text({ primaryKey: true }), made: SQLite.integer({ default: () => 1 }) },
})
const events = {
  added: Events.synced({ name: 'added', schema: fields({ text: 'string' }) }),
  twice: Events.synced({ name: 'twice', schema: fields({ text: 'string' }) }),
  named: Events.synced({ name: 'named', schema: fields({ text: 'string' }) }),
  bare: Events.synced({
    name: 'bare',
    schema: {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => ({ value: value as string }),
      },
    } as const,
  }),
}
const seen: unknown[] = []
const built: unknown[] = []
const schema = makeSchema({
  events,
  state: SQLite.makeState({
    tables: { items, pairs },
    materializers: SQLite.materializers(events, {
      added: (args, { event }) => {
        const insert = items.insert(args)
        seen.push(event.args)
        built.push(insert.asSql().bindValues)
        return insert
      },
      twice: ({ text }) => [items.insert({ text }), items.insert({ text, at: undefined })],
      named: ({ text }) =>
        items.insert({ id: text, at: new Date(0), bytes: new Uint8Array(), text }),
      bare: (text) => items.insert({ text }),
    }),
  }),
})

beforeEach(() => {
  startTest()
  calls = 0
  seen.length = 0
  built.length = 0
})
afterEach(endTest)

/** The binds of the only insert that materializing the stored `args` of `name` gives. */
const bindsOf = (name: string, args: unknown, tables = schema) =>
  materializeWith(tables, { defaultsOf })(
    {
      name,
      argsJson: JSON.stringify(args),
      seqNum: { global: 7, client: 0, generation: 0 },
      parentSeqNum: { global: 6, client: 0, generation: 0 },
      clientId: 'c',
      sessionId: 's',
      local: false,
      args: undefined,
    },
    { query: () => [], prepare: () => never() },
  )[0]?.binds as readonly unknown[] | undefined

const never = (): never => {
  throw new Error('not to be called')
}

describe('a default that is a function', () => {
  test('is called once for each row that lacks the column', async () => {
    const store = await openStore({ schema })
    store.commit(events.added({ text: 'a' }), events.twice({ text: 'b' }))
    const rows = store.query(items)
    expect(rows.map(({ id }) => id)).toHaveLength(3)
    expect(new Set(rows.map(({ id }) => id)).size).toBe(3)
    expect(calls).toBe(9)
    expect(rows[0]?.at).toBeInstanceOf(Date)
    expect(rows[0]?.bytes).toBeInstanceOf(Uint8Array)
    for (const args of seen) expect(args).toEqual({ text: 'a' })
  })

  test('is not called for a row that has the column', async () => {
    const store = await openStore({ schema })
    store.commit(events.named({ text: 'a' }))
    expect(calls).toBe(0)
  })

  test('has the same value in the leader, which has it from the event', async () => {
    const store = await openStore({ schema })
    await store.commit(events.added({ text: 'a' })).persisted
    // The try, the commit, and the leader.
    expect(built).toHaveLength(3)
    expect(built[1]).toEqual(built[0])
    expect(built[2]).toEqual(built[0])
    expect(calls).toBe(3)
  })

  test('is not called for an event that is older than the default', () => {
    expect(bindsOf('added', { text: 'a' })).toEqual([
      'a',
      'e7.0.0',
      '1970-01-01T00:00:00.000Z',
      new Uint8Array(),
    ])
    expect(calls).toBe(0)
  })

  test('takes from an event what it carries, column by column and row by row', () => {
    const carried = { 'items.id': ['x'], 'items.at': ['2026-01-01T00:00:00.000Z'] }
    const args = { text: 'a', 'livestore-wasm/defaults': carried }
    expect(bindsOf('added', args)?.slice(1, 3)).toEqual(['x', '2026-01-01T00:00:00.000Z'])
    expect(seen).toEqual([{ text: 'a' }])
    const odd = { text: 'a', 'livestore-wasm/defaults': 'nothing of the kind' }
    expect(bindsOf('added', odd)?.[1]).toBe('e7.0.0')
  })

  test('needs arguments that are an object to be carried in', async () => {
    const store = await openStore({ schema })
    expect(() => store.commit(events.bare('a'))).toThrow(coded('InvalidEventArgs', /'bare'.*items/))
    expect(store.query(items.count())).toBe(0)
  })

  test('fails outside of a materializer, where no event can carry it', () => {
    expect(() => items.insert({ text: 'a' })).toThrow(coded('InvalidQuery', /items\.id/))
  })

  test('that throws fails the commit, and nothing has changed', async () => {
    const failing = SQLite.table({
      name: 'failing',
      columns: {
        id: SQLite.text({ primaryKey: true }),
        n: SQLite.integer({
          default: () => {
            throw new Error('no number')
          },
        }),
      },
    })
    const added = Events.synced({ name: 'a', schema: fields({ id: 'string' }) })
    const store = await openStore({
      schema: makeSchema({
        events: { added },
        state: SQLite.makeState({
          tables: { failing },
          materializers: { a: ({ id }: { id: string }) => failing.insert({ id }) },
        }),
      }),
    })
    expect(() => store.commit(added({ id: 'a' }))).toThrow(/no number/)
    expect(store.query(failing.count())).toBe(0)
  })
})
