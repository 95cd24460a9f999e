/** Nothing here is for livestore-wasm: it needs no configuration. */

import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

export default defineConfig({
  publicDir: '../common/public',
  plugins: [svelte()],
})
