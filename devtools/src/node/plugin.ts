/**
 * The Vite plugin `liveStore()`. Most apps do without it: the package works in `vite dev` and `vite
 * build` as it is. It helps in two cases.
 *
 * An app of LiveStore keeps its imports of `@livestore/*`: the plugin aliases them to this package.
 *
 * The dev server of Vite up to 7 serves the package from its cache, and the page cannot know where
 * livestore.wasm is when the package itself lies outside of the app, as in workspaces that share
 * one node_modules. The plugin lies beside that file, and answers for it.
 *
 * It excludes nothing from Vite's dependency cache: what the package imports of React would then
 * reach the page as CommonJS. Plain types, no import of Vite: it fits every version from 5 on.
 */

import { readFile } from 'node:fs/promises'
import { type ViteAlias, viteAliases, workerTarget } from './aliases.js'

export { aliases } from './aliases.js'

type Middleware = (
  request: { readonly url?: string | undefined },
  response: { setHeader(name: string, value: string): unknown; end(body: Uint8Array): unknown },
  next: (error?: unknown) => void,
) => void

type Resolved = Promise<{ id: string } | null>

interface Resolver {
  resolve(name: string, importer: string | undefined, options: object): Resolved
}

/** The part of Vite's `Plugin` that this one is. */
export interface LiveStorePlugin {
  readonly name: string
  readonly enforce: 'pre'
  resolveId(
    this: Resolver,
    name: string,
    importer: string | undefined,
    options: object,
  ): Resolved | undefined
  config(
    config: object,
    env: { readonly command: 'serve' | 'build' },
  ): { resolve: { alias: ViteAlias[] } }
  configureServer(server: { middlewares: { use(middleware: Middleware): unknown } }): void
}

/** @throws TypeError when it is given options: there are none. */
export const liveStore = (...options: readonly unknown[]): LiveStorePlugin => {
  if (options.length > 0) throw new TypeError('liveStore() takes no options')
  return {
    name: 'livestore-wasm',
    // Before Vite itself looks for a package of that name.
    enforce: 'pre',
    config: (_, { command }) => ({ resolve: { alias: viteAliases(command) } }),
    resolveId(name, importer, resolveOptions) {
      const target = workerTarget(name)
      if (target === undefined) return undefined
      return this.resolve(target, importer, { ...resolveOptions, skipSelf: true })
    },
    configureServer: ({ middlewares }) => {
      middlewares.use(serveEngine(new URL('./livestore.wasm', import.meta.url)))
    },
  }
}

/** @internal Answers for the wasm in a dependency cache with `file`; leaves all else to others. */
export const serveEngine =
  (file: URL): Middleware =>
  (request, response, next) => {
    const [path] = (request.url ?? '').split('?')
    if (!path?.endsWith('/deps/livestore.wasm')) {
      next()
      return
    }
    readFile(file).then((bytes) => {
      response.setHeader('content-type', 'application/wasm')
      response.setHeader('cache-control', 'no-cache')
      response.end(bytes)
    }, next)
  }
