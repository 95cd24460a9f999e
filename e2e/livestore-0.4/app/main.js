/** Commits what is to be recorded, and says when LiveStore has it on disk. */

import { makePersistedAdapter } from '@livestore/adapter-web'
import SharedWorkerClass from '@livestore/adapter-web/shared-worker?sharedworker'
import { createStorePromise } from '@livestore/livestore'
import { events, schema } from './schema.js'
import WorkerClass from './worker.js?worker'

const settleMs = 3_000

const record = async () => {
  const store = await createStorePromise({
    schema,
    adapter: makePersistedAdapter({
      storage: { type: 'opfs' },
      worker: WorkerClass,
      sharedWorker: SharedWorkerClass,
    }),
    storeId: 'e2e',
  })
  store.commit(events.todoCreated({ id: 'a', text: 'milk' }))
  store.commit(events.viewSet({ filter: 'open' }))
  store.commit(events.viewSet({ filter: 'done' }))
  store.commit(events.todoCreated({ id: 'b', text: 'bread' }))
  store.commit(events.todoShared({ id: 'b', with: 'Ann' }))
  store.commit(
    events.todoCreated({ id: 'c', text: 'butter \u2764' }),
    events.todoDeleted({ id: 'b' }),
  )
  for (let i = 0; i < 20; i++) store.commit(events.todoCreated({ id: `t${i}`, text: `todo ${i}` }))
  // Its commits reach the disk some time later; nothing tells when.
  await new Promise((resolve) => setTimeout(resolve, settleMs))
}

Object.assign(globalThis, { recorded: record() })
