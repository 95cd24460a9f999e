/** Where the todos are kept: in OPFS, by one worker for all tabs. */

import { makePersistedAdapter } from 'livestore-wasm/adapter-web'
import LiveStoreSharedWorker from 'livestore-wasm/shared-worker?sharedworker'
import LiveStoreWorker from './livestore.worker.ts?worker'
import { schema } from './schema.js'

const adapter = makePersistedAdapter({
  storage: { type: 'opfs' },
  worker: LiveStoreWorker,
  sharedWorker: LiveStoreSharedWorker,
})

export const options = { schema, adapter, storeId: 'todomvc' }
