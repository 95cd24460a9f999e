/** The payload schemas of the events, in a Standard Schema library of the app's choice. */

import * as v from 'valibot'

export const payloads = {
  itemCreated: v.object({
    id: v.string(),
    title: v.string(),
    amount: v.number(),
    done: v.boolean(),
    createdAtMs: v.number(),
    note: v.nullable(v.string()),
    score: v.number(),
    tags: v.array(v.string()),
  }),
  itemRenamed: v.object({ id: v.string(), title: v.string() }),
  itemsSeeded: v.object({ first: v.number(), last: v.number() }),
  todoCreated: v.object({ id: v.string(), text: v.string() }),
  todoRenamed: v.object({ id: v.string(), text: v.string() }),
  todoCompleted: v.object({ id: v.string() }),
}
