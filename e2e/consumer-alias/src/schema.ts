import { Events, makeSchema, Schema, SessionIdSymbol, State } from '@livestore/livestore'

export const tables = {
  notes: State.SQLite.table({
    name: 'notes',
    columns: {
      id: State.SQLite.text({ primaryKey: true }),
      text: State.SQLite.text({ default: '' }),
    },
  }),
  uiState: State.SQLite.clientDocument({
    name: 'uiState',
    schema: Schema.Struct({ added: Schema.Number }),
    default: { id: SessionIdSymbol, value: { added: 0 } },
  }),
}

export const events = {
  noteWritten: Events.synced({
    name: 'v1.NoteWritten',
    schema: Schema.Struct({ id: Schema.String, text: Schema.String }),
  }),
  uiStateSet: tables.uiState.set,
}

const materializers = State.SQLite.materializers(events, {
  'v1.NoteWritten': ({ id, text }) => tables.notes.insert({ id, text }),
})

const state = State.SQLite.makeState({ tables, materializers })

export const schema = makeSchema({ events, state })
