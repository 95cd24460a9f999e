/**
 * The data model of the benchmark app: the same file for both sides.
 *
 * `items` has the eight column kinds an app uses and serves the commit and query scenarios; `todos`
 * is the small table of the boot scenarios. Version 2 differs from version 1 in one column default,
 * which is enough to make a store rebuild its state from the eventlog.
 */

import { Events, makeSchema, State } from './side/livestore.js'
import { payloads } from './side/payloads.js'

export type SchemaVersion = 1 | 2

export const items = State.SQLite.table({
  name: 'items',
  columns: {
    id: State.SQLite.text({ primaryKey: true }),
    title: State.SQLite.text({ default: '' }),
    amount: State.SQLite.integer({ default: 0 }),
    done: State.SQLite.boolean({ default: false }),
    createdAt: State.SQLite.datetime({}),
    note: State.SQLite.text({ nullable: true }),
    score: State.SQLite.real({ default: 0 }),
    tags: State.SQLite.json({}),
  },
  indexes: [{ name: 'items_amount', columns: ['amount'] }],
})

export const itemEvents = {
  created: Events.synced({ name: 'v1.ItemCreated', schema: payloads.itemCreated }),
  renamed: Events.synced({ name: 'v1.ItemRenamed', schema: payloads.itemRenamed }),
  seeded: Events.synced({ name: 'v1.ItemsSeeded', schema: payloads.itemsSeeded }),
}

export const todoEvents = {
  created: Events.synced({ name: 'v1.TodoCreated', schema: payloads.todoCreated }),
  renamed: Events.synced({ name: 'v1.TodoRenamed', schema: payloads.todoRenamed }),
  completed: Events.synced({ name: 'v1.TodoCompleted', schema: payloads.todoCompleted }),
}

const createTodosTable = (version: SchemaVersion) =>
  State.SQLite.table({
    name: 'todos',
    columns: {
      id: State.SQLite.text({ primaryKey: true }),
      text: State.SQLite.text({ default: version === 1 ? '' : 'untitled' }),
      completed: State.SQLite.boolean({ default: false }),
    },
  })

export const todos = createTodosTable(1)

// Rows number `first` to `last` of the items table, made by SQLite itself: both sides pay the same
// little for them.
const seedItemsSql = `
  INSERT INTO items (id, title, amount, done, createdAt, note, score, tags)
  WITH RECURSIVE numbers (i) AS (SELECT ? UNION ALL SELECT i + 1 FROM numbers WHERE i < ?)
  SELECT
    'item-' || i,
    'Title of item number ' || i,
    i % 100,
    i % 2,
    strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + i, 'unixepoch'),
    CASE WHEN i % 3 = 0 THEN NULL ELSE 'A note on item ' || i END,
    i * 0.5,
    '["tag-' || (i % 7) || '","tag-' || (i % 11) || '"]'
  FROM numbers`

export const createBenchSchema = (version: SchemaVersion) => {
  const todosOfVersion = createTodosTable(version)
  const events = {
    itemCreated: itemEvents.created,
    itemRenamed: itemEvents.renamed,
    itemsSeeded: itemEvents.seeded,
    todoCreated: todoEvents.created,
    todoRenamed: todoEvents.renamed,
    todoCompleted: todoEvents.completed,
  }
  const materializers = State.SQLite.materializers(events, {
    'v1.ItemCreated': ({ id, title, amount, done, createdAtMs, note, score, tags }) =>
      items.insert({
        id,
        title,
        amount,
        done,
        createdAt: new Date(createdAtMs),
        note,
        score,
        tags,
      }),
    'v1.ItemRenamed': ({ id, title }) => items.update({ title }).where({ id }),
    'v1.ItemsSeeded': ({ first, last }) => ({ sql: seedItemsSql, bindValues: [first, last] }),
    'v1.TodoCreated': ({ id, text }) => todosOfVersion.insert({ id, text }),
    'v1.TodoRenamed': ({ id, text }) => todosOfVersion.update({ text }).where({ id }),
    'v1.TodoCompleted': ({ id }) => todosOfVersion.update({ completed: true }).where({ id }),
  })
  const state = State.SQLite.makeState({ tables: { items, todos: todosOfVersion }, materializers })
  return makeSchema({ events, state })
}
