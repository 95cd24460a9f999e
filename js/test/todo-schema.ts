/**
 * The schema and the events of the tests of store, reactivity and React: todos, a second table, and
 * client documents.
 */

import {
  Events,
  makeSchema,
  SessionIdSymbol,
  type StandardSchema,
  State,
} from '../src/schema/index.js'

/** A Standard Schema of a plain object with the given fields, for tests without a library. */
export const fields = <const Kinds extends Record<string, 'string' | 'number' | 'boolean'>>(
  kinds: Kinds,
): StandardSchema<{
  readonly [K in keyof Kinds]: Kinds[K] extends 'string'
    ? string
    : Kinds[K] extends 'number'
      ? number
      : boolean
}> =>
  ({
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value: unknown) => {
        const object = (typeof value === 'object' && value !== null ? value : {}) as object
        const issues = Object.entries(kinds)
          .filter(([key, kind]) => typeof (object as Record<string, unknown>)[key] !== kind)
          .map(([key, kind]) => ({ message: `expected a ${kind}`, path: [key] }))
        return issues.length > 0 ? { issues } : { value }
      },
    },
  }) as never

export const todos = State.SQLite.table({
  name: 'todos',
  columns: {
    id: State.SQLite.text({ primaryKey: true }),
    text: State.SQLite.text({ default: '' }),
    done: State.SQLite.boolean({ default: false }),
  },
})

export const notes = State.SQLite.table({
  name: 'notes',
  columns: {
    id: State.SQLite.text({ primaryKey: true }),
    body: State.SQLite.text(),
  },
})

export const ui = State.SQLite.clientDocument({
  name: 'ui',
  schema: fields({ filter: 'string', count: 'number' }),
  default: { id: SessionIdSymbol, value: { filter: 'all', count: 0 } },
})

export const userDocument = State.SQLite.clientDocument({
  name: 'userDocument',
  schema: fields({ name: 'string' }),
  default: { value: { name: 'nobody' } },
})

/** Anything at all, `null` included. */
export const kv = State.SQLite.clientDocument({
  name: 'kv',
  schema: {
    '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
  } as StandardSchema<unknown>,
  default: { id: 'default', value: null },
})

export const events = {
  todoCreated: Events.synced({
    name: 'v1.TodoCreated',
    schema: fields({ id: 'string', text: 'string' }),
  }),
  todoDone: Events.synced({
    name: 'v1.TodoDone',
    schema: fields({ id: 'string', done: 'boolean' }),
  }),
  todosCleared: Events.synced({ name: 'v1.TodosCleared', schema: fields({}) }),
  noteSaved: Events.synced({
    name: 'v1.NoteSaved',
    schema: fields({ id: 'string', body: 'string' }),
  }),
  /** Its materializer does what the test says. */
  odd: Events.synced({ name: 'v1.Odd', schema: fields({ text: 'string' }) }),
}

/** What the materializer of `odd` does. */
export const oddMaterializer: { run: (text: string) => unknown } = { run: () => [] }

export const schema = makeSchema({
  events,
  state: State.SQLite.makeState({
    tables: { todos, notes, ui, userDocument, kv },
    materializers: State.SQLite.materializers(events, {
      'v1.TodoCreated': ({ id, text }) => todos.insert({ id, text }),
      'v1.TodoDone': ({ id, done }) => todos.update({ done }).where({ id }),
      'v1.TodosCleared': () => todos.delete(),
      'v1.NoteSaved': ({ id, body }) => notes.insert({ id, body }).onConflict('id', 'replace'),
      'v1.Odd': ({ text }) => oddMaterializer.run(text) as never,
    }),
  }),
})
