/**
 * The names under which an app of LiveStore imports what this package has, and what each stands for
 * here. Longer names come first, for tools that take the beginning of a name for all of it.
 */

/**
 * Every name of LiveStore that has a counterpart, for the `alias` of a bundler. The Vite plugin
 * sets them by itself.
 */
export const aliases: Readonly<Record<string, string>> = {
  // Nothing here needs what it mends, and importing an adapter has no effect.
  '@livestore/adapter-web/worker-vite-dev-polyfill': 'livestore-wasm/adapter-web',
  '@livestore/adapter-web/shared-worker': 'livestore-wasm/shared-worker',
  '@livestore/adapter-web/worker': 'livestore-wasm/worker',
  '@livestore/adapter-web': 'livestore-wasm/adapter-web',
  '@livestore/react/experimental': 'livestore-wasm/react',
  '@livestore/react': 'livestore-wasm/react',
  '@livestore/solid': 'livestore-wasm/solid',
  '@livestore/svelte': 'livestore-wasm/svelte',
  'vue-livestore': 'livestore-wasm/vue',
  '@livestore/livestore': 'livestore-wasm/livestore',
  '@livestore/common/schema': 'livestore-wasm/livestore',
  '@livestore/common': 'livestore-wasm/livestore',
  '@livestore/utils/effect': 'effect',
}

export interface ViteAlias {
  readonly find: RegExp
  readonly replacement: string
}

/** As Vite wants them: the name and nothing but the name, whatever query follows it. */
export const viteAliases = (): ViteAlias[] =>
  Object.entries(aliases).map(([name, replacement]) => ({
    find: new RegExp(`^${name}(?=$|\\?)`),
    replacement,
  }))
