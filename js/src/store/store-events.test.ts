/**
 * `store.events()`: the log as an app reads it.
 */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { coded, created, endTest, openStore, startTest } from '../../test/open-store.js'
import { events, ui } from '../../test/todo-schema.js'
import type { EventsOptions } from './logged-events.js'
import type { Store } from './store.js'

beforeEach(startTest)
afterEach(endTest)

/** The events that are there, up to `until`. */
const read = async (store: Store, options: EventsOptions & { readonly until: number }) => {
  const texts: string[] = []
  for await (const { name, args, seqNum } of store.events(options)) {
    texts.push(`${seqNum.global} ${name} ${(args as { id: string }).id}`)
  }
  return texts
}

const threeEvents = async () => {
  const store = await openStore()
  store.commit(created('a'))
  store.commit(ui.set({ filter: 'x' }))
  store.commit(created('b'), events.todoDone({ id: 'a', done: true }))
  return store
}

test('gives the synced events of the log in their order, decoded', async () => {
  const store = await threeEvents()
  expect(await read(store, { until: 3 })).toEqual([
    '1 v1.TodoCreated a',
    '2 v1.TodoCreated b',
    '3 v1.TodoDone a',
  ])
})

test('says whose an event is, and its place', async () => {
  const store = await threeEvents()
  for await (const event of store.events({ since: 1, until: 2 })) {
    expect(event).toMatchObject({
      args: { id: 'b', text: '' },
      clientId: store.clientId,
      sessionId: store.sessionId,
      seqNum: { global: 2, client: 0 },
      parentSeqNum: { global: 1 },
    })
  }
  expect.assertions(1)
})

test('goes on after the place where a reader stopped, and ends where it is told', async () => {
  const store = await threeEvents()
  expect(await read(store, { since: { global: 1 }, until: 2 })).toEqual(['2 v1.TodoCreated b'])
  expect(await read(store, { since: 3, until: 3 })).toEqual([])
  expect(await read(store, { since: 3, until: 1 })).toEqual([])
})

test('reads in pages of any size', async () => {
  const store = await openStore()
  store.commit(...Array.from({ length: 25 }, (_, i) => created(`t${i}`)))
  for (const batchSize of [1, 7, 1000]) {
    expect(await read(store, { until: 25, batchSize })).toHaveLength(25)
  }
})

test('filters by name, client and session', async () => {
  const store = await threeEvents()
  const until = 3
  expect(await read(store, { until, filter: ['v1.TodoDone'] })).toEqual(['3 v1.TodoDone a'])
  expect(await read(store, { until, clientIds: [store.clientId] })).toHaveLength(3)
  expect(await read(store, { until, clientIds: ['other'] })).toEqual([])
  expect(await read(store, { until, sessionIds: ['other'] })).toEqual([])
})

test('waits at the end of the log for what is committed later', async () => {
  const store = await openStore()
  const reader = store.events()[Symbol.asyncIterator]()
  const first = reader.next()
  store.commit(created('a'))
  expect((await first).value).toMatchObject({ args: { id: 'a' } })
  const second = reader.next()
  await store.commit(created('b')).persisted
  expect((await second).value).toMatchObject({ args: { id: 'b' } })
})

test('ends with the store, also while it waits', async () => {
  const store = await openStore()
  const waiting = store.events()[Symbol.asyncIterator]().next()
  const left = store.events()[Symbol.asyncIterator]()
  await store.shutdown()
  expect(await waiting).toEqual({ value: undefined, done: true })
  expect((await left.next()).done).toBe(true)
  expect(() => store.events()).toThrow(coded('Closed'))
})

test('refuses places and sizes that do not exist', async () => {
  const store = await openStore()
  const first = (options: object) => store.events(options)[Symbol.asyncIterator]().next()
  await expect(first({ since: -1 })).rejects.toEqual(coded('InvalidArgument', /since/))
  await expect(first({ until: 'e1' })).rejects.toEqual(coded('InvalidArgument', /until/))
  await expect(first({ since: null })).rejects.toEqual(coded('InvalidArgument', /since/))
  for (const batchSize of [0, 1001, 1.5]) {
    await expect(first({ batchSize })).rejects.toEqual(coded('InvalidArgument', /batchSize/))
  }
})
