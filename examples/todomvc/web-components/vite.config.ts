/** Nothing here is for livestore-wasm: it needs no configuration. */

import { defineConfig } from 'vite'

export default defineConfig({
  publicDir: '../common/public',
})
