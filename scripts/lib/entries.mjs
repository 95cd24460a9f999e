/**
 * The entries of the package and their sources: what `exports` in package.json names.
 *
 * `bundle` says how an entry's JavaScript is made. Entries that share chunks give an app one copy
 * of what they have in common: a page that imports several, and a worker that imports its schema
 * too. The shared worker, which imports nothing of the app, and the Vite plugin stand alone.
 *
 * The worker is a `.jsx` without any JSX in it. Vite bundles dependencies in advance if they end in
 * `.js`; it meets this one only when the page starts its worker, and Vite 7 then reloads the page.
 * It serves a `.jsx` as it is, and so the chunks that it imports by their paths. Other bundlers
 * take it for plain JavaScript.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ENTRIES = [
  { name: 'index', source: 'js/src/index.ts', bundle: 'shared' },
  { name: 'adapter-web', source: 'js/src/adapter-web/index.ts', bundle: 'shared' },
  { name: 'react', source: 'js/src/react/index.ts', bundle: 'shared' },
  { name: 'effect', source: 'js/src/effect/index.ts', bundle: 'shared' },
  { name: 'worker', source: 'worker/src/leader-worker.ts', bundle: 'shared', extension: '.jsx' },
  { name: 'shared-worker', source: 'shared-worker/src/shared-worker.ts', bundle: 'alone' },
  { name: 'vite', source: 'devtools/src/node/plugin.ts', bundle: 'node' },
]

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
export const EXTERNAL = ['react', 'effect', 'vite']
