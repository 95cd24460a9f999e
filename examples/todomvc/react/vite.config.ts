/** Nothing here is for livestore-wasm: it needs no configuration. */

import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  publicDir: '../common/public',
  plugins: [react()],
})
