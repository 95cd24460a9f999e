/**
 * The entries of the package and their sources: what `exports` in package.json names.
 *
 * `bundle` says how an entry's JavaScript is made. Page entries share chunks, so that an app that
 * imports several has one copy of what they share. The two workers and the Vite plugin stand alone:
 * a worker is another realm, and a dev server that meets it late must not bundle the page anew.
 *
 * The worker is a `.jsx` without any JSX in it. Vite bundles dependencies in advance if they end in
 * `.js`; it meets this one only when the page starts its worker, and Vite 7 then reloads the page.
 * It serves a `.jsx` as it is. Other bundlers take it for plain JavaScript.
 */

export const ENTRIES = [
  { name: 'index', source: 'js/src/index.ts', bundle: 'page' },
  { name: 'adapter-web', source: 'js/src/adapter-web/index.ts', bundle: 'page' },
  { name: 'react', source: 'js/src/react/index.ts', bundle: 'page' },
  { name: 'effect', source: 'js/src/effect/index.ts', bundle: 'page' },
  { name: 'worker', source: 'worker/src/leader-worker.ts', bundle: 'alone', extension: '.jsx' },
  { name: 'shared-worker', source: 'shared-worker/src/shared-worker.ts', bundle: 'alone' },
  { name: 'vite', source: 'devtools/src/node/plugin.ts', bundle: 'node' },
]

/** The file of an entry in dist/. */
export const scriptOf = ({ name, extension = '.js' }) => `${name}${extension}`

/** Packages that the app brings; everything else is bundled. */
export const EXTERNAL = ['react', 'effect', 'vite']
