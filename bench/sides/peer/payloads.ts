/** The payload schemas of the events, in the schema language the peer prescribes: Effect Schema. */

import { Schema } from '@livestore/livestore'

export const payloads = {
  itemCreated: Schema.Struct({
    id: Schema.String,
    title: Schema.String,
    amount: Schema.Number,
    done: Schema.Boolean,
    createdAtMs: Schema.Number,
    note: Schema.NullOr(Schema.String),
    score: Schema.Number,
    tags: Schema.Array(Schema.String),
  }),
  itemRenamed: Schema.Struct({ id: Schema.String, title: Schema.String }),
  itemsSeeded: Schema.Struct({ first: Schema.Number, last: Schema.Number }),
  todoCreated: Schema.Struct({ id: Schema.String, text: Schema.String }),
  todoRenamed: Schema.Struct({ id: Schema.String, text: Schema.String }),
  todoCompleted: Schema.Struct({ id: Schema.String }),
}
