/**
 * A real store of LiveStore 0.4.0 in a process of its own: commits `count` todos, waits until it
 * has `expected` of all, and says which. Arguments: url, storeId, name, count, expected, transport.
 */

import { makeAdapter } from '@livestore/adapter-node'
import { createStorePromise, Events, makeSchema, Schema, State } from '@livestore/livestore'
import { makeHttpSync, makeWsSync } from '@livestore/sync-cf/client'
import { WebSocket } from 'ws'

const [url, storeId, name, count, expected, transport] = process.argv.slice(2)
const waitMsMax = 30_000

// Node 20 has no WebSocket, and its fetch refuses the content-length that LiveStore sets.
globalThis.WebSocket ??= WebSocket
const { fetch } = globalThis
globalThis.fetch = (address, options) => {
  const headers = new Headers(options?.headers)
  headers.delete('content-length')
  return fetch(address, { ...options, headers })
}

const tables = {
  todos: State.SQLite.table({
    name: 'todos',
    columns: {
      id: State.SQLite.text({ primaryKey: true }),
      text: State.SQLite.text(),
    },
  }),
}
const events = {
  created: Events.synced({
    name: 'v1.TodoCreated',
    schema: Schema.Struct({ id: Schema.String, text: Schema.String }),
  }),
}
const materializers = State.SQLite.materializers(events, {
  'v1.TodoCreated': ({ id, text }) => tables.todos.insert({ id, text }),
})
const schema = makeSchema({ events, state: State.SQLite.makeState({ tables, materializers }) })
const backend =
  transport === 'ws' ? makeWsSync({ url }) : makeHttpSync({ url, livePull: { pollInterval: 300 } })
const store = await createStorePromise({
  adapter: makeAdapter({
    storage: { type: 'in-memory' },
    clientId: name,
    sync: { backend, onSyncError: 'shutdown' },
  }),
  schema,
  storeId,
  syncPayload: { authToken: 'tok en/ü' },
})
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const todos = Array.from({ length: Number(count) }, (_, index) =>
  events.created({ id: `${name}-${index}`, text: 'ü' }),
)
// Over HTTP 0.4.0 never pushes what is committed at the moment of a poll: all at once, then.
if (transport === 'http') store.commit(...todos)
else {
  for (const todo of todos) {
    store.commit(todo)
    await pause(20)
  }
}
const end = Date.now() + waitMsMax
while (store.query(tables.todos).length < Number(expected) && Date.now() < end) await pause(50)
// What it committed last may still be on its way to the server.
await pause(2000)
const ids = store.query(tables.todos).map(({ id }) => id)
console.log(`ids ${JSON.stringify(ids.sort())}`)
process.exit(0)
