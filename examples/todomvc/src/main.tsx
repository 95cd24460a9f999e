/** Starts the app: the adapter that persists, the provider that makes the store, the page. */

import { makePersistedAdapter } from 'livestore-wasm/adapter-web'
import { LiveStoreProvider } from 'livestore-wasm/react'
import LiveStoreSharedWorker from 'livestore-wasm/shared-worker?sharedworker'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.js'
import './app.css'
import { BootError, BootProgress } from './components/boot.js'
import LiveStoreWorker from './livestore.worker.ts?worker'
import { schema } from './schema.js'

const adapter = makePersistedAdapter({
  storage: { type: 'opfs' },
  worker: LiveStoreWorker,
  sharedWorker: LiveStoreSharedWorker,
})

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <LiveStoreProvider
      schema={schema}
      adapter={adapter}
      storeId="todomvc"
      renderLoading={(status) => <BootProgress status={status} />}
      renderError={(error) => <BootError error={error} />}
    >
      <App />
    </LiveStoreProvider>
  </StrictMode>,
)
