/**
 * The Node tests: everything TypeScript that needs no browser, and the wasm module in Node.
 *
 * Browser tests are Playwright's (e2e/, *.spec.ts). Tests that need a document say so in their
 * first line: `// @vitest-environment happy-dom`.
 */

import { fileURLToPath } from 'node:url'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Sources that load a wasm from beside them, as they do in dist/, and where CMake builds it. */
const BUILT = [
  { in: '/js/src/wasm/compile.ts', file: './livestore.wasm', built: 'livestore.wasm' },
  {
    in: '/js/src/sync-server/node/serve.ts',
    file: './sync-server-db.wasm',
    built: 'sync_server_db.wasm',
  },
]

/** Beside the sources there is no wasm, as there is in dist/: take the one that CMake built. */
const engineFromBuild: Plugin = {
  name: 'engine-from-build',
  enforce: 'pre',
  transform(code, id) {
    const found = BUILT.find((entry) => id.endsWith(entry.in))
    if (found === undefined) return undefined
    const inPackage = `new URL('${found.file}', import.meta.url)`
    if (!code.includes(inPackage)) throw new Error(`${id} no longer says ${inPackage}`)
    const built = new URL(`./build/wasm-release/wasm/${found.built}`, import.meta.url)
    return { code: code.replace(inPackage, `new URL('${built}')`), map: null }
  },
}

export default defineConfig({
  // Runes, in tests named `*.svelte.test.ts`.
  plugins: [engineFromBuild, svelte({ configFile: false })],
  resolve: {
    // Frameworks have another build for servers, which Node would choose.
    conditions: ['browser', 'development'],
    // As in tsconfig.base.json: the package by name is its sources.
    alias: [
      { find: /^livestore-wasm$/, replacement: source('./js/src/index.ts') },
      { find: 'livestore-wasm/adapter-web', replacement: source('./js/src/adapter-web/index.ts') },
      { find: 'livestore-wasm/worker', replacement: source('./worker/src/leader-worker.ts') },
      { find: 'livestore-wasm/react', replacement: source('./js/src/react/index.ts') },
      {
        find: 'livestore-wasm/sync-cf/client',
        replacement: source('./js/src/sync-cf/client/index.ts'),
      },
      { find: 'livestore-wasm/testing', replacement: source('./js/src/testing/index.ts') },
      {
        find: 'livestore-wasm/sync-server',
        replacement: source('./js/src/sync-server/node/index.ts'),
      },
      { find: 'livestore-wasm/effect', replacement: source('./js/src/effect/index.ts') },
    ],
  },
  test: {
    include: [
      '{js,wasm,worker,shared-worker,devtools,scripts}/**/*.test.{ts,tsx,mjs}',
      '.ci/*.test.mjs',
    ],
    environment: 'node',
    // Otherwise Node itself loads them, which knows nothing of the conditions above.
    server: { deps: { inline: ['solid-js', 'svelte', 'esm-env'] } },
    // Two is what the smallest supported machine has; more only makes timings unsteady.
    maxWorkers: 2,
    testTimeout: 20_000,
  },
})
