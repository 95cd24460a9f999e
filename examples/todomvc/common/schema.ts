/**
 * What the app knows: the events that happen to todos, the tables they lead to, and how.
 *
 * The page and the leader worker both import this file, so it must not touch the document.
 */

import { Events, makeSchema, SessionIdSymbol, State } from 'livestore-wasm'
import * as v from 'valibot'

export const filters = ['all', 'active', 'completed'] as const
export type Filter = (typeof filters)[number]

const todos = State.SQLite.table({
  name: 'todos',
  columns: {
    id: State.SQLite.text({ primaryKey: true }),
    text: State.SQLite.text({ default: '' }),
    completed: State.SQLite.boolean({ default: false }),
    createdAt: State.SQLite.integer(),
  },
})

/** What one tab shows: its filter and the todo being typed. It survives a reload of that tab. */
const uiState = State.SQLite.clientDocument({
  name: 'uiState',
  schema: v.object({ newTodoText: v.string(), filter: v.picklist(filters) }),
  default: { id: SessionIdSymbol, value: { newTodoText: '', filter: 'all' } },
})

export const tables = { todos, uiState }

const id = v.pipe(v.string(), v.nonEmpty())
const text = v.pipe(v.string(), v.nonEmpty())

/** Names carry a version: what is in an eventlog stays there, and a new shape gets a new name. */
export const events = {
  todoCreated: Events.synced({
    name: 'v1.TodoCreated',
    schema: v.object({ id, text, createdAt: v.number() }),
  }),
  todoRenamed: Events.synced({ name: 'v1.TodoRenamed', schema: v.object({ id, text }) }),
  todoCompleted: Events.synced({ name: 'v1.TodoCompleted', schema: v.object({ id }) }),
  todoReopened: Events.synced({ name: 'v1.TodoReopened', schema: v.object({ id }) }),
  todoDeleted: Events.synced({ name: 'v1.TodoDeleted', schema: v.object({ id }) }),
  uiStateSet: uiState.set,
}

/** Pure functions of the event: every tab runs them, and so does a rebuild of the tables. */
const materializers = State.SQLite.materializers(events, {
  'v1.TodoCreated': ({ id, text, createdAt }) => todos.insert({ id, text, createdAt }),
  'v1.TodoRenamed': ({ id, text }) => todos.update({ text }).where({ id }),
  'v1.TodoCompleted': ({ id }) => todos.update({ completed: true }).where({ id }),
  'v1.TodoReopened': ({ id }) => todos.update({ completed: false }).where({ id }),
  'v1.TodoDeleted': ({ id }) => todos.delete().where({ id }),
})

const state = State.SQLite.makeState({ tables, materializers })

export const schema = makeSchema({ events, state })
