/** Starts the app: the provider that makes the store, and the page. */

import { LiveStoreProvider } from 'livestore-wasm/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { options } from '../../common/adapter.js'
import '../../common/app.css'
import { App } from './app.js'
import { BootError, BootProgress } from './components/boot.js'

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <LiveStoreProvider
      {...options}
      renderLoading={(status) => <BootProgress status={status} />}
      renderError={(error) => <BootError error={error} />}
    >
      <App />
    </LiveStoreProvider>
  </StrictMode>,
)
