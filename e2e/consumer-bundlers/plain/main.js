import { makePersistedAdapter } from '../node_modules/livestore-wasm/dist/adapter-web.js'
import { createStorePromise, nanoid } from '../node_modules/livestore-wasm/dist/index.js'
import { events, schema, tables } from './schema.js'

const adapter = makePersistedAdapter({
  storage: { type: 'opfs' },
  worker: ({ name }) =>
    new Worker(new URL('./livestore.worker.js', import.meta.url), { type: 'module', name }),
  sharedWorker: ({ name }) =>
    new SharedWorker(new URL('./livestore.shared-worker.js', import.meta.url), {
      type: 'module',
      name,
    }),
})

const store = await createStorePromise({ schema, adapter, storeId: 'notes' })

document.querySelector('#mode').textContent = store.storageMode
document.querySelector('#add').addEventListener('click', () => {
  store.commit(events.noteWritten({ id: nanoid(), text: 'a note' }))
})
store.subscribe(tables.notes, (notes) => {
  const items = notes.map(({ text }) => {
    const item = document.createElement('li')
    item.textContent = text
    return item
  })
  document.querySelector('#notes').replaceChildren(...items)
})
store.subscribeSyncStatus(({ pendingCount }) => {
  document.body.dataset.pending = String(pendingCount)
})
