/**
 * The Vite plugin `liveStore()`, for apps that want the dev server to leave the package as it is.
 *
 * Not needed: without it the package works in `vite dev` and `vite build`. With it the dev server
 * does not bundle the package in advance, so that `livestore.wasm` is found where it is installed
 * even in a workspace whose packages lie above the app, and no dependency is met late.
 *
 * Plain objects, no import of Vite: the plugin fits every version from 5 on.
 */

/** The part of Vite's `Plugin` that this one is. */
export interface LiveStorePlugin {
  readonly name: string
  config(): { optimizeDeps: { exclude: string[] } }
}

/** @throws TypeError when it is given options: there are none. */
export const liveStore = (...options: readonly unknown[]): LiveStorePlugin => {
  if (options.length > 0) throw new TypeError('liveStore() takes no options')
  return {
    name: 'livestore-wasm',
    config: () => ({ optimizeDeps: { exclude: ['livestore-wasm'] } }),
  }
}
