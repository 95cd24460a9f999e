/** Nothing here is for livestore-wasm: it needs no configuration. */

import { defineConfig } from 'vite'
import solid from 'vite-plugin-solid'

export default defineConfig({
  publicDir: '../common/public',
  plugins: [solid()],
  // Its comments tell TypeScript whose JSX it is; an app of its own does that in tsconfig.json.
  esbuild: { logOverride: { 'unsupported-jsx-comment': 'silent' } },
})
