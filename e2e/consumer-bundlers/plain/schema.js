import { Events, makeSchema, State } from '../node_modules/livestore-wasm/dist/index.js'
import * as v from '../node_modules/valibot/dist/index.mjs'

export const tables = {
  notes: State.SQLite.table({
    name: 'notes',
    columns: {
      id: State.SQLite.text({ primaryKey: true }),
      text: State.SQLite.text({ default: '' }),
    },
  }),
}

export const events = {
  noteWritten: Events.synced({
    name: 'v1.NoteWritten',
    schema: v.object({ id: v.string(), text: v.string() }),
  }),
}

const materializers = State.SQLite.materializers(events, {
  'v1.NoteWritten': ({ id, text }) => tables.notes.insert({ id, text }),
})

export const schema = makeSchema({
  events,
  state: State.SQLite.makeState({ tables, materializers }),
})
