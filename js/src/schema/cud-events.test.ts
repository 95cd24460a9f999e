/** The insert, update and delete events of a table. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { coded, endTest, openStore, startTest } from '../../test/open-store.js'
import { makeSchema, State } from './index.js'

const { SQLite } = State
const { enableCud } = SQLite

const items = SQLite.table({
  name: 'items',
  columns: {
    id: SQLite.text({ primaryKey: true }),
    done: SQLite.boolean({ default: false }),
    due: SQLite.datetime({ nullable: true }),
    list: SQLite.json({ default: [] }),
    bytes: SQLite.blob({ nullable: true }),
  },
})
const { events, materializers } = enableCud(items)
const schema = makeSchema({ events, state: SQLite.makeState({ tables: { items }, materializers }) })

beforeEach(startTest)
afterEach(endTest)

test('insert, update and delete rows, by values as the app sees them', async () => {
  const store = await openStore({ schema })
  const due = new Date(5)
  store.commit(
    events.inserted({ id: 'a', due, list: [1] }),
    events.inserted({ id: 'b', due: null }),
    events.inserted({ id: 'c', done: true }),
  )
  store.commit(events.updated({ where: { due }, values: { done: true, due: null } }))
  store.commit(events.deleted({ where: { due: null, done: false } }))
  expect(store.query(items.orderBy('id', 'asc').select('id', 'done', 'due', 'list'))).toEqual([
    { id: 'a', done: true, due: null, list: [1] },
    { id: 'c', done: true, due: null, list: [] },
  ])
})

test('are the same in the leader', async () => {
  const store = await openStore({ schema })
  await store.commit(events.inserted({ id: 'a', due: new Date(5) })).persisted
  for await (const { name, args } of store.events({ until: 1 })) {
    expect([name, args]).toEqual(['itemsInserted', { id: 'a', due: new Date(5) }])
  }
})

test('name what does not fit, at the call', () => {
  const refused = (run: () => unknown, message: RegExp) =>
    expect(run).toThrow(coded('InvalidEventArgs', message))
  refused(() => events.inserted({ id: 1 as never }), /'itemsInserted'.*string/)
  refused(() => events.inserted({ id: 'a', other: 1 } as never), /'items'.*'other'/)
  refused(() => events.inserted({ id: 'a', bytes: new Uint8Array() }), /'bytes'/)
  refused(() => events.updated({ where: {}, values: { done: true } }), /where/)
  refused(() => events.deleted({ where: { id: undefined } }), /where/)
  refused(() => events.deleted('x' as never), /where/)
  expect(events.deleted.options).toMatchObject({ derived: true, clientOnly: false })
})

test('can stay in the browser', () => {
  expect(enableCud(items, { clientOnly: true }).events.inserted.options.clientOnly).toBe(true)
})
