/**
 * The entries of the package and their sources: what `exports` in package.json names.
 *
 * `bundle` says how an entry's JavaScript is made. Entries that share chunks give an app one copy
 * of what they have in common: a page that imports several, and a worker that imports its schema
 * too. The shared worker, which imports nothing of the app, and the Vite plugin stand alone; what
 * runs as a server of Node shares chunks of its own, and Cloudflare gets one file. An entry that is
 * not `exported` is a program, and one that only forwards to others has no code at all.
 *
 * What an app's worker imports is a `.jsx` without any JSX in it. Vite bundles dependencies in
 * advance if they end in `.js`; it meets these only when the page starts its worker, and Vite 7
 * then reloads the page. It serves a `.jsx` as it is, and so the chunks that it imports by their
 * paths. Other bundlers take it for plain JavaScript.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ENTRIES = [
  { name: 'index', source: 'js/src/index.ts', bundle: 'shared' },
  { name: 'adapter-web', source: 'js/src/adapter-web/index.ts', bundle: 'shared' },
  { name: 'react', source: 'js/src/react/index.ts', bundle: 'shared' },
  { name: 'solid', source: 'js/src/solid/index.ts', bundle: 'shared' },
  { name: 'svelte', source: 'js/src/svelte/index.ts', bundle: 'shared' },
  { name: 'vue', source: 'js/src/vue/index.ts', bundle: 'shared' },
  { name: 'web-components', source: 'js/src/web-components/index.ts', bundle: 'shared' },
  { name: 'effect', source: 'js/src/effect/index.ts', bundle: 'shared' },
  {
    name: 'sync-cf-client',
    path: 'sync-cf/client',
    source: 'js/src/sync-cf/client/index.ts',
    bundle: 'shared',
    extension: '.jsx',
  },
  { name: 'testing', source: 'js/src/testing/index.ts', bundle: 'shared' },
  { name: 'otel', source: 'js/src/otel/index.ts', bundle: 'shared' },
  { name: 'registry', source: 'js/src/store/store-registry.ts', bundle: 'shared' },
  // What LiveStore's own root has: the root here, the registry, and effect's Schema.
  {
    name: 'livestore',
    forwards: [
      "export * from './index.js'",
      "export * from './effect.js'",
      // By name, which has precedence over what others call the same.
      "export { StoreRegistry, storeOptions } from './registry.js'",
    ],
  },
  { name: 'worker', source: 'worker/src/leader-worker.ts', bundle: 'shared', extension: '.jsx' },
  { name: 'shared-worker', source: 'shared-worker/src/shared-worker.ts', bundle: 'alone' },
  { name: 'vite', source: 'devtools/src/node/plugin.ts', bundle: 'node' },
  { name: 'sync-server', source: 'js/src/sync-server/node/index.ts', bundle: 'server' },
  { name: 'sync-cf/cf-worker', source: 'js/src/sync-cf/cf-worker/index.ts', bundle: 'edge' },
  { name: 'cli', source: 'js/src/sync-server/node/bin.ts', bundle: 'server', exported: false },
]

/** What an app imports it by, behind the name of the package; `path` where it is not the name. */
export const pathOf = ({ name, path = name }) => path
export const isExported = ({ exported = true }) => exported

/**
 * Modules that entries export whole, as `State.SQLite`. Each is a file of its own, so that an app's
 * bundler sees a namespace and drops the members that nobody names; ours would make an object of
 * it. No app imports them by their names.
 */
export const NAMESPACES = [
  { name: 'events', source: 'js/src/schema/events-namespace.ts' },
  { name: 'state', source: 'js/src/schema/state-namespace.ts' },
  { name: 'sqlite', source: 'js/src/schema/sqlite.ts' },
]

/** The file of an entry in dist/. */
export const scriptOf = ({ name, extension = '.js' }) => `${name}${extension}`

/** The file of an entry and every chunk that it imports. */
export function scriptsOf(dist, entry) {
  const found = new Set([scriptOf(entry)])
  for (const script of found) {
    const text = readFileSync(join(dist, script), 'utf8')
    const imports = /^(?:\} from|import(?: \* as \w+ from)?) "\.\/([\w-]+\.js)";$/gm
    for (const [, chunk] of text.matchAll(imports)) found.add(chunk)
  }
  return [...found]
}

/** Packages that the app brings; everything else is bundled. */
export const EXTERNAL = [
  'react',
  'solid-js',
  'svelte',
  'vue',
  'effect',
  '@opentelemetry/api',
  'vite',
  'pg',
]
