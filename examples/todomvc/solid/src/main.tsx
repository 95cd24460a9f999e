/** @jsxImportSource solid-js */
/** Starts the app: the registry that opens the store, and the page. */

import { StoreRegistry, StoreRegistryProvider } from 'livestore-wasm/solid'
import { render } from 'solid-js/web'
import '../../common/app.css'
import { App } from './app.js'

const storeRegistry = new StoreRegistry()

render(
  () => (
    <StoreRegistryProvider storeRegistry={storeRegistry}>
      <App />
    </StoreRegistryProvider>
  ),
  document.getElementById('root')!,
)
