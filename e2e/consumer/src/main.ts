import { createStorePromise, nanoid } from 'livestore-wasm'
import { makePersistedAdapter } from 'livestore-wasm/adapter-web'
import LiveStoreSharedWorker from 'livestore-wasm/shared-worker?sharedworker'
import LiveStoreWorker from './livestore.worker.ts?worker'
import { events, schema, tables } from './schema'

const adapter = makePersistedAdapter({
  storage: { type: 'opfs' },
  worker: LiveStoreWorker,
  sharedWorker: LiveStoreSharedWorker,
})

const store = await createStorePromise({ schema, adapter, storeId: 'notes' })

document.querySelector('#mode')!.textContent = store.storageMode
document.querySelector('#add')!.addEventListener('click', () => {
  store.commit(events.noteWritten({ id: nanoid(), text: 'a note' }))
})
store.subscribe(tables.notes, (notes) => {
  const items = notes.map(({ text }) => {
    const item = document.createElement('li')
    item.textContent = text
    return item
  })
  document.querySelector('#notes')!.replaceChildren(...items)
})
store.subscribeSyncStatus(({ pendingCount }) => {
  document.body.dataset.pending = String(pendingCount)
})
