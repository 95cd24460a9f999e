/**
 * The entries of the package and their sources: what `exports` in package.json names.
 *
 * `bundle` says how an entry's JavaScript is made. Page entries share chunks, so that an app that
 * imports several has one copy of what they share. The two workers and the Vite plugin stand alone:
 * a worker is another realm, and a dev server that meets it late must not bundle the page anew.
 */

export const ENTRIES = [
  { name: 'index', source: 'js/src/index.ts', bundle: 'page' },
  { name: 'adapter-web', source: 'js/src/adapter-web/index.ts', bundle: 'page' },
  { name: 'react', source: 'js/src/react/index.ts', bundle: 'page' },
  { name: 'effect', source: 'js/src/effect/index.ts', bundle: 'page' },
  { name: 'worker', source: 'worker/src/leader-worker.ts', bundle: 'alone' },
  { name: 'shared-worker', source: 'shared-worker/src/shared-worker.ts', bundle: 'alone' },
  { name: 'vite', source: 'devtools/src/node/plugin.ts', bundle: 'node' },
]

/** Packages that the app brings; everything else is bundled. */
export const EXTERNAL = ['react', 'effect', 'vite']
