/** Nothing here is for livestore-wasm: it needs no configuration. */

import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig({
  publicDir: '../common/public',
  plugins: [vue()],
})
