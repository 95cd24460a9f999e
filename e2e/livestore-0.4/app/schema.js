/** The events of e2e/app, as an app on LiveStore declares them, and two that e2e/app lacks. */

import { Events, makeSchema, Schema, SessionIdSymbol, State } from '@livestore/livestore'

export const todos = State.SQLite.table({
  name: 'todos',
  columns: {
    id: State.SQLite.text({ primaryKey: true }),
    text: State.SQLite.text(),
    completed: State.SQLite.boolean({ default: false }),
  },
})

/** Its events are client-only: they stand between the synced ones. */
export const view = State.SQLite.clientDocument({
  name: 'view',
  schema: Schema.Struct({ filter: Schema.String }),
  default: { id: SessionIdSymbol, value: { filter: 'all' } },
})

export const events = {
  todoCreated: Events.synced({
    name: 'v1.TodoCreated',
    schema: Schema.Struct({ id: Schema.String, text: Schema.String }),
  }),
  todoDeleted: Events.synced({
    name: 'v1.TodoDeleted',
    schema: Schema.Struct({ id: Schema.String }),
  }),
  todoShared: Events.synced({
    name: 'v1.TodoShared',
    schema: Schema.Struct({ id: Schema.String, with: Schema.String }),
  }),
  viewSet: view.set,
}

const materializers = State.SQLite.materializers(events, {
  'v1.TodoCreated': ({ id, text }) => todos.insert({ id, text }),
  'v1.TodoDeleted': ({ id }) => todos.delete().where({ id }),
  'v1.TodoShared': () => [],
})

export const schema = makeSchema({
  events,
  state: State.SQLite.makeState({ tables: { todos, view }, materializers }),
})
