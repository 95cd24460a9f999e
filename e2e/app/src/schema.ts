/** The schema of the tested app, in two versions; its materializer can be made to throw. */

import { Events, makeSchema, State } from 'livestore-wasm'
import * as v from 'valibot'

export const events = {
  todoCreated: Events.synced({
    name: 'v1.TodoCreated',
    schema: v.object({ id: v.string(), text: v.string() }),
  }),
  todoDeleted: Events.synced({ name: 'v1.TodoDeleted', schema: v.object({ id: v.string() }) }),
  noted: Events.synced({ name: 'v1.Noted', schema: v.object({ text: v.string() }) }),
}

const columns = {
  id: State.SQLite.text({ primaryKey: true }),
  text: State.SQLite.text(),
  completed: State.SQLite.boolean({ default: false }),
}

/** No column of it is unique but the one SQLite fills in: an event taken in twice is two rows. */
const notes = State.SQLite.table({
  name: 'notes',
  columns: { place: State.SQLite.integer({ primaryKey: true }), text: State.SQLite.text() },
})

export interface SchemaOptions {
  /** Version 2 has one more column, so the tables of version 1 must be rebuilt from the events. */
  readonly version: 1 | 2
  /** The text of the todo that cannot be materialized. */
  readonly throwsOn?: string
}

export const makeTestedSchema = ({ version, throwsOn }: SchemaOptions) => {
  const todos =
    version === 1
      ? State.SQLite.table({ name: 'todos', columns })
      : State.SQLite.table({
          name: 'todos',
          columns: { ...columns, priority: State.SQLite.integer({ default: 3 }) },
        })
  const materializers = State.SQLite.materializers(events, {
    'v1.TodoCreated': ({ id, text }) => {
      if (text === throwsOn) throw new Error(`cannot materialize ${text}`)
      return { sql: 'INSERT INTO todos (id, text) VALUES (?, ?)', bindValues: [id, text] }
    },
    'v1.TodoDeleted': ({ id }) => ({ sql: 'DELETE FROM todos WHERE id = ?', bindValues: [id] }),
    'v1.Noted': ({ text }) => ({ sql: 'INSERT INTO notes (text) VALUES (?)', bindValues: [text] }),
  })
  const state = State.SQLite.makeState({ tables: { todos, notes }, materializers })
  return { schema: makeSchema({ events, state }), todos }
}
