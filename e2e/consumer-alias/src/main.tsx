import { makePersistedAdapter } from '@livestore/adapter-web'
import LiveStoreSharedWorker from '@livestore/adapter-web/shared-worker?sharedworker'
import { nanoid, queryDb, StoreRegistry, storeOptions } from '@livestore/livestore'
import { StoreRegistryProvider, useStore } from '@livestore/react'
import { StrictMode, Suspense } from 'react'
import { unstable_batchedUpdates as batchUpdates } from 'react-dom'
import { createRoot } from 'react-dom/client'
import LiveStoreWorker from './livestore.worker.ts?worker'
import { events, schema, tables } from './schema.ts'

const adapter = makePersistedAdapter({
  storage: { type: 'opfs' },
  worker: LiveStoreWorker,
  sharedWorker: LiveStoreSharedWorker,
})

const notes$ = queryDb(tables.notes.select('id'), { label: 'notes' })

const notesOptions = storeOptions({ storeId: 'notes', schema, adapter })

const App = () => {
  const store = useStore(notesOptions)
  const ids = store.useQuery(notes$)
  const [{ added }, setUi] = store.useClientDocument(tables.uiState)
  const { pendingCount } = store.useSyncStatus()
  document.body.dataset.pending = String(pendingCount)

  const add = () => {
    store.commit(events.noteWritten({ id: nanoid(), text: 'a note' }))
    setUi({ added: added + 1 })
  }
  return (
    <>
      <button id="add" type="button" onClick={add}>
        Add ({added})
      </button>
      <output id="mode">{store.storageMode}</output>
      <ul id="notes">
        {ids.map((id) => (
          <li key={id}>{id}</li>
        ))}
      </ul>
    </>
  )
}

const storeRegistry = new StoreRegistry({ defaultOptions: { batchUpdates } })

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <StoreRegistryProvider storeRegistry={storeRegistry}>
      <Suspense fallback={<p>Loading …</p>}>
        <App />
      </Suspense>
    </StoreRegistryProvider>
  </StrictMode>,
)
