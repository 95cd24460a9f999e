/** Nothing here is for livestore-wasm: it needs no configuration. */

import { defineConfig } from 'vite'
import solid from 'vite-plugin-solid'

export default defineConfig({
  publicDir: '../common/public',
  plugins: [solid()],
})
