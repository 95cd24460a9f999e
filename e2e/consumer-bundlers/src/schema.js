import { Events, makeSchema, Schema, State } from '@livestore/livestore'

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
    schema: Schema.Struct({ id: Schema.String, text: Schema.String }),
  }),
}

const materializers = State.SQLite.materializers(events, {
  'v1.NoteWritten': ({ id, text }) => tables.notes.insert({ id, text }),
})

export const schema = makeSchema({
  events,
  state: State.SQLite.makeState({ tables, materializers }),
})
