/**
 * The traps that apps of LiveStore 0.3 and 0.4 fall into, by the numbers of our notes on them: what
 * happens here instead. Those that are about internals of LiveStore's own graph (27, 28) have no
 * counterpart; 22 and 23 are what an app can see of them.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { makeInMemoryAdapter } from '../src/adapter-web/index.js'
import { Schema } from '../src/effect/index.js'
import {
  computed,
  createStorePromise,
  Events,
  isLiveStoreError,
  makeSchema,
  queryDb,
  State,
  signal,
} from '../src/index.js'
import { coded, created, endTest, openStore, reported, startTest } from './open-store.js'
import { events, fields, notes, oddMaterializer, todos, ui } from './todo-schema.js'

beforeEach(startTest)
afterEach(endTest)

const { SQLite } = State
const loose = (query: unknown) => query as Record<string, (...args: unknown[]) => never>
const note = (id: string) => events.noteSaved({ id, body: '' })

describe('live queries', () => {
  test('trap 1: definitions that differ in map only are two, in query and subscribe', async () => {
    const store = await openStore()
    store.commit(created('a'))
    store.subscribe(queryDb(todos), () => undefined)
    expect(store.query(queryDb(todos, { map: (rows) => rows.length }))).toBe(1)
    expect(store.query(queryDb(todos, { map: (rows) => rows[0]?.id }))).toBe('a')
  })

  test('trap 2: a function that switches to another table follows that one', async () => {
    const store = await openStore()
    const isNotes$ = signal(false)
    const count$ = queryDb((get) => (get(isNotes$) ? notes.count() : todos.count()))
    const told: number[] = []
    store.subscribe(count$, (count) => told.push(count))
    store.commit(created('a'))
    store.setSignal(isNotes$, true)
    store.commit(note('n'))
    expect(store.query(notes.count())).toBe(1)
    store.commit(created('b'))
    expect(told).toEqual([0, 1, 0, 1])
  })

  test('trap 3: functions of one text that captured different values are two', async () => {
    const store = await openStore()
    store.commit(created('a'), created('b'))
    const byId = (id: string) => queryDb(() => todos.where({ id }).select('id'))
    store.subscribe(byId('a'), () => undefined)
    expect(store.query(byId('b'))).toEqual(['b'])
  })

  test('trap 4: a result that is equal is not told', async () => {
    const store = await openStore()
    const told = vi.fn()
    store.subscribe(todos.where({ id: '1' }).count(), told)
    store.commit(created('2'))
    expect(told).toHaveBeenCalledTimes(1)
  })

  test('trap 5: a commit of two events is told once, one to another table not at all', async () => {
    const store = await openStore()
    const told: number[] = []
    store.subscribe(todos, (rows) => told.push(rows.length))
    store.commit(created('a'), created('b'))
    store.commit(note('n'))
    expect(told).toEqual([0, 2])
  })

  test('trap 6: a subscriber may commit; one that does so for ever is stopped', async () => {
    const store = await openStore()
    store.subscribe(todos.count(), (count) => {
      if (count === 1) store.commit(created('b'))
    })
    store.commit(created('a'))
    expect(store.query(todos.count())).toBe(2)
    let id = 0
    store.subscribe(notes.count(), () => store.commit(note(`n${id++}`)))
    expect(reported).toEqual([coded('LimitExceeded')])
  })

  test('trap 29: what depends on two changed queries is computed once', async () => {
    const store = await openStore()
    const compute = vi.fn()
    const sum$ = computed((get) => {
      compute()
      return get(todos.count()) + get(todos.where({ done: false }).count())
    })
    store.subscribe(sum$, () => undefined)
    compute.mockClear()
    store.commit(created('a'))
    expect(compute).toHaveBeenCalledTimes(1)
  })

  test('trap 30: a signal that nobody watches keeps what was set', async () => {
    const store = await openStore()
    const count$ = signal(0)
    store.setSignal(count$, (count) => count + 1)
    store.setSignal(count$, (count) => count + 1)
    expect(store.query(count$)).toBe(2)
  })
})

describe('query builder', () => {
  test('trap 7: undefined is refused with an operator, and left out in an object', () => {
    expect(() => loose(todos).where?.('id', '=', undefined)).toThrow(coded('InvalidQuery', /"id"/))
    expect(todos.where({ id: undefined }).asSql().bindValues).toEqual([])
  })

  test('trap 8: a JSON value that looks like an operation is a value', () => {
    const table = SQLite.table({ name: 't', columns: { data: SQLite.json() } })
    const value = { op: 'x', value: 1 }
    expect(table.where({ data: value }).asSql().bindValues).toEqual([JSON.stringify(value)])
  })

  test('trap 9: offset without limit, and ILIKE, are statements that run', async () => {
    const store = await openStore()
    store.commit(created('a', 'Milk'), created('b', 'bread'))
    expect(store.query(todos.offset(1).select('id'))).toEqual(['b'])
    expect(store.query(todos.where('text', 'ILIKE', 'mILK').select('id'))).toEqual(['a'])
    expect(store.query(todos.where('text', 'NOT ILIKE', 'm%').select('id'))).toEqual(['b'])
  })

  test('trap 10: a column that does not exist is named where it is written', () => {
    expect(() => loose(todos).insert?.({ id: 'a', unknownKey: 1 })).toThrow(
      coded('InvalidQuery', /unknownKey/),
    )
  })

  test('trap 11: an undefined bind is refused, and never the one of the run before', async () => {
    const store = await openStore()
    const select = (bind: unknown) =>
      store.query({ query: 'SELECT ? AS value', bindValues: [bind as string] })
    expect(select('before')).toEqual([{ value: 'before' }])
    expect(() => select(undefined)).toThrow(coded('InvalidBind'))
  })

  test('trap 12: a write after count is refused, and not one without its condition', () => {
    const counted = loose(todos.where({ id: 'a' }).count())
    expect(() => counted.update?.({ text: '' })).toThrow(coded('InvalidQuery', /count/))
    expect(todos.where({ id: 'a' }).update({ text: '' }).asSql().query).toMatch(/WHERE "id" = \?$/)
    expect(todos.where({ id: 'a' }).delete().asSql().query).toMatch(/WHERE "id" = \?$/)
  })

  test('trap 13: a fallback is made only when there is no row', async () => {
    const store = await openStore()
    const fallback = vi.fn(() => 'none')
    const first = todos.select('id').first({ behaviour: 'fallback', fallback })
    store.commit(created('a'))
    expect(store.query(first)).toBe('a')
    expect(fallback).not.toHaveBeenCalled()
    store.commit(events.todosCleared({}))
    expect(store.query(first)).toBe('none')
  })

  test('trap 14: a boolean stored as 2 is false, and broken JSON names its column', () => {
    const table = SQLite.table({
      name: 't',
      columns: { on: SQLite.boolean(), data: SQLite.json() },
    })
    const [on, data] = table.compile().decoders
    expect(on?.(2)).toBe(false)
    expect(() => data?.('{')).toThrow(coded('DecodeFailed', /'data' of 't'/))
  })
})

describe('client documents', () => {
  const avatarSchema = Schema.Struct({
    createdAt: Schema.DateFromNumber,
    avatar: Schema.Uint8ArrayFromBase64,
  })
  const fallback = { createdAt: new Date(1), avatar: new Uint8Array([9]) }
  const avatars = SQLite.clientDocument({
    name: 'avatars',
    schema: avatarSchema,
    default: { id: 'one', value: fallback },
  })
  const readAs = (table: typeof avatars, stored: unknown) => {
    const decode = table.compile().decoders[1]
    return decode?.(JSON.stringify(stored))
  }

  test('trap 15: what is stored and does not fit is the default; nothing fails to be read', () => {
    const good = { createdAt: 42, avatar: 'AQI=' }
    const value = { createdAt: new Date(42), avatar: new Uint8Array([1, 2]) }
    expect(readAs(avatars, good)).toEqual(value)
    expect(readAs(avatars, { ...good, extra: 1 })).toEqual(value)
    for (const bad of [{ createdAt: 'x', avatar: 1 }, [], 'x', null]) {
      expect(readAs(avatars, bad)).toEqual(fallback)
    }
    // Fields that are there are kept where the whole then fits.
    expect(readAs(avatars, { createdAt: 42 })).toEqual({ ...fallback, createdAt: new Date(42) })
  })

  test('trap 16: a field that was added has its default, one that was removed is gone', () => {
    const settings = SQLite.clientDocument({
      name: 'settings',
      schema: Schema.Struct({ theme: Schema.String, fontSize: Schema.Number }),
      default: { id: 'one', value: { theme: 'light', fontSize: 14 } },
    })
    const stored = { theme: 'dark', removed: true }
    expect(readAs(settings as never, stored)).toEqual({ theme: 'dark', fontSize: 14 })
  })

  test('trap 17: a set of nothing creates, and changes nothing that is there', async () => {
    const store = await openStore()
    store.commit(ui.set({ filter: 'done' }))
    store.commit(ui.set({ filter: undefined }))
    expect(store.query(ui.get()).filter).toBe('done')
  })

  test('trap 18: a union of structs is replaced as a whole', async () => {
    const shape = SQLite.clientDocument({
      name: 'shape',
      schema: Schema.Union(
        Schema.Struct({ kind: Schema.Literal('circle'), radius: Schema.Number }),
        Schema.Struct({ kind: Schema.Literal('square'), side: Schema.Number }),
      ),
      default: { id: 'one', value: { kind: 'circle', radius: 1 } },
    })
    const store = await openStore({
      schema: makeSchema({
        events: {},
        state: SQLite.makeState({ tables: { shape }, materializers: {} }),
      }),
    })
    store.commit(shape.set({ kind: 'square', side: 2 }))
    expect(store.query(shape.get())).toEqual({ kind: 'square', side: 2 })
  })

  test('trap 19: a read creates the document by a client-only event, once', async () => {
    const store = await openStore()
    store.query(ui.get('f'))
    store.query(ui.get('f'))
    expect(store.syncStatus().localHead).toBe('e0.1')
  })
})

describe('events', () => {
  test('trap 20: a synced event after client-only ones counts from the synced one', async () => {
    const store = await openStore()
    store.commit(created('a'), created('b'))
    const heads = [ui.set({ count: 1 }), ui.set({ count: 2 }), created('c')].map((event) => {
      store.commit(event)
      return store.syncStatus().localHead
    })
    expect(heads).toEqual(['e2.1', 'e2.2', 'e3'])
  })

  test('trap 21: arguments are checked as values, not as they are stored', () => {
    const at = Events.synced({ name: 'at', schema: Schema.Struct({ at: Schema.Date }) })
    expect(() => at({ at: '2026-01-01' as never })).toThrow(coded('InvalidEventArgs', /'at'/))
  })

  test('trap 22: events of equal payloads are told apart', async () => {
    const store = await openStore()
    store.commit(created('a'), note('n'))
    expect([store.query(todos.count()), store.query(notes.count())]).toEqual([1, 1])
  })

  test('trap 23: a plain DELETE, and an upsert, are told to who reads the table', async () => {
    const store = await openStore()
    store.commit(created('a'))
    const told: number[] = []
    store.subscribe(todos.count(), (count) => told.push(count))
    oddMaterializer.run = (sql) => sql
    store.commit(events.odd({ text: 'DELETE FROM todos' }))
    const upsert = "INSERT INTO todos (id) VALUES ('b') ON CONFLICT (id) DO UPDATE SET text = 'x'"
    store.commit(events.odd({ text: upsert }))
    expect(told).toEqual([1, 0, 1])
  })

  test('trap 24: an event without a materializer is refused before it can be committed', () => {
    const state = SQLite.makeState({ tables: {}, materializers: {} })
    expect(() => makeSchema({ events: { a: events.todoCreated }, state })).toThrow(
      coded('InvalidSchema', /v1\.TodoCreated/),
    )
  })

  test('trap 25: two events of one name are refused, in an array as in a record', () => {
    const event = () => Events.synced({ name: 'twice', schema: fields({}) })
    const state = SQLite.makeState({ tables: {}, materializers: { twice: () => [] } })
    for (const twice of [[event(), event()], { a: event(), b: event() }]) {
      expect(() => makeSchema({ events: twice, state })).toThrow(coded('InvalidSchema', /twice/))
    }
  })

  test('trap 26: a store that cannot be created rejects with an error of ours', async () => {
    const adapter = makeInMemoryAdapter()
    const creation = createStorePromise({ schema: {} as never, adapter, storeId: 'a' })
    const error: unknown = await creation.catch((thrown: unknown) => thrown)
    expect(isLiveStoreError(error)).toBe(true)
    expect(error).toEqual(coded('InvalidArgument', /schema/))
  })
})
