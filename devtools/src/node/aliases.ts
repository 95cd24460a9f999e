/**
 * The names under which an app of LiveStore imports what this package has, and what each stands for
 * here. Longer names come first, for tools that take the beginning of a name for all of it.
 */

/**
 * Every name of LiveStore that has a counterpart, for the `alias` of a bundler. The Vite plugin
 * sets them by itself.
 */
export const aliases: Readonly<Record<string, string>> = {
  // Nothing here needs what it mends, and this is in the worker anyway.
  '@livestore/adapter-web/worker-vite-dev-polyfill': 'livestore-wasm/worker',
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

/** Each name and nothing but the name. */
const patterns = Object.entries(aliases).map(([name, replacement]) => ({
  find: new RegExp(`^${name}(?=$|\\?)`),
  replacement,
}))

const isOfWorker = ({ replacement }: ViteAlias): boolean => replacement.endsWith('worker')

/**
 * For a build all of them. A dev server bundles in advance whatever is aliased, which workers must
 * not be; it asks plugins for those, as a build does not ask for what is in a worker.
 */
export const viteAliases = (command: 'serve' | 'build'): ViteAlias[] =>
  patterns.filter((alias) => command === 'build' || !isOfWorker(alias))

/** What the name of a worker stands for, its query kept; undefined for all else. */
export const workerTarget = (name: string): string | undefined => {
  const alias = patterns.filter(isOfWorker).find(({ find }) => find.test(name))
  return alias && name.replace(alias.find, alias.replacement)
}
