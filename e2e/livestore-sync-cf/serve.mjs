/** Runs the worker beside this in workerd until it is stopped; prints its address. */

import { builtinModules } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

const builtin = new RegExp(`^(${builtinModules.join('|')})$`)
/** What some of its dependencies call by the old names is there in workerd by the new ones only. */
const nodeModules = {
  name: 'node-modules',
  setup: ({ onResolve }) =>
    onResolve({ filter: builtin }, ({ path }) => ({ path: `node:${path}`, external: true })),
}

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('worker.mjs', import.meta.url))],
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  conditions: ['workerd', 'worker', 'browser'],
  external: ['cloudflare:*', 'node:*'],
  plugins: [nodeModules],
  write: false,
})
const workerd = new Miniflare({
  modules: [{ type: 'ESModule', path: 'worker.mjs', contents: outputFiles[0].text }],
  compatibilityDate: '2025-05-08',
  compatibilityFlags: ['nodejs_compat'],
  durableObjects: { SYNC_BACKEND: { className: 'SyncBackend', useSQLite: true } },
  host: '127.0.0.1',
  port: Number(process.env.PORT ?? 8787),
})
console.log(`@livestore/sync-cf 0.4.0 is at ${await workerd.ready}`)
