/** `node esbuild.mjs`: the workers are entries of their own, and the wasm goes beside them. */

import { cpSync } from 'node:fs'
import { build } from 'esbuild'
import { aliases } from 'livestore-wasm/vite'

await build({
  entryPoints: ['src/main.js', 'src/livestore.worker.js', 'src/livestore.shared-worker.js'],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  outdir: 'esbuild',
  alias: aliases,
})
cpSync('src/index.html', 'esbuild/index.html')
cpSync('node_modules/livestore-wasm/dist/livestore.wasm', 'esbuild/livestore.wasm')
