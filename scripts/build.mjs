/**
 * Builds the package into dist/: the engine (C++ to wasm), the JavaScript of every entry, and its
 * declarations.
 *
 * The engine is incremental by Ninja. The rest is made anew when any of its inputs changed, which a
 * stamp in build/ remembers. `npm run build` installs what a build lacks first.
 */

import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { cmakeBuild } from './lib/cmake.mjs'
import { ENTRIES, EXTERNAL, isExported, NAMESPACES, scriptOf, scriptsOf } from './lib/entries.mjs'
import { ROOT } from './lib/paths.mjs'
import { run } from './lib/process.mjs'
import { Failure, main, Steps } from './lib/terminal.mjs'
import { emscriptenEnv } from './lib/tools.mjs'
import { setup } from './setup.mjs'

const ENGINE = join(ROOT, 'build', 'wasm-release', 'wasm')
const DIST = join(ROOT, 'dist')
const TYPES = join(ROOT, 'build', 'types')
const STAMP = join(ROOT, 'build', 'package.stamp')

/** What the JavaScript and the declarations are made of. */
const INPUTS = [
  'js/src',
  'worker/src',
  'shared-worker/src',
  'devtools/src',
  'wasm/types',
  'scripts',
  'package.json',
  'package-lock.json',
  'tsconfig.base.json',
  'tsconfig.json',
  'tsconfig.worker.json',
  'tsconfig.build.json',
  'tsconfig.build.worker.json',
  'build/wasm-release/wasm/livestore.mjs',
  'build/wasm-release/wasm/livestore.wasm',
  'build/wasm-release/wasm/sync_server_db.mjs',
  'build/wasm-release/wasm/sync_server_db.wasm',
]

function* filesUnder(path) {
  if (!existsSync(path)) return
  if (!statSync(path).isDirectory()) return yield path
  for (const name of readdirSync(path).sort()) yield* filesUnder(join(path, name))
}

function inputHash() {
  const hash = createHash('sha256')
  for (const input of INPUTS) {
    for (const file of filesUnder(join(ROOT, input))) {
      hash.update(`${relative(ROOT, file)}\0`).update(readFileSync(file))
    }
  }
  return hash.digest('hex')
}

const isBuilt = () =>
  existsSync(STAMP) &&
  existsSync(join(DIST, 'livestore.wasm')) &&
  ENTRIES.every((entry) => existsSync(join(DIST, scriptOf(entry)))) &&
  readFileSync(STAMP, 'utf8') === inputHash()

/**
 * What Emscripten's loader does to find the wasm and to fetch it, and what stands there instead:
 * where it lies itself, and what follows when nobody hands it an instance. Another version of
 * Emscripten may say the first two otherwise: they then stay, as dead weight.
 */
const FINDS_WASM = [
  [/if\(ENVIRONMENT_IS_WEB\|\|ENVIRONMENT_IS_WORKER\)\{.*?\}else\{\}/s, ''],
  [/wasmBinaryFile\?\?=findWasmBinary\(\);instantiateAsync\([^;]*;return\{\}/, ''],
  [/new URL\("livestore\.wasm",import\.meta\.url\)\.href/, '""'],
  [/\bimport\.meta\.url\b/, '""'],
]

/**
 * Our loader is always handed an instance, so all of that is left out. A bundler that saw the
 * address would ship the file a second time, and could not bundle the worker in the classic format.
 * The functions that nothing calls then are for the app's bundler to drop.
 */
const withoutOwnAddress = {
  name: 'engine-without-own-address',
  setup(build) {
    build.onLoad({ filter: /wasm-release[\\/]wasm[\\/]livestore\.mjs$/ }, ({ path }) => {
      let contents = readFileSync(path, 'utf8')
      for (const [part, instead] of FINDS_WASM) contents = contents.replace(part, instead)
      if (contents.includes('import.meta') || contents.includes('import(')) {
        throw new Error('the engine loader still refers to its own address')
      }
      return { contents, loader: 'js' }
    })
  },
}

/** What is bundled of CommonJS, the package ws, asks for modules of Node by `require`. */
const REQUIRE_IN_MODULES =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/** Lets the modules of `NAMESPACES` stay modules. */
const namespacesApart = {
  name: 'namespaces-apart',
  setup(build) {
    const files = new Map(NAMESPACES.map(({ name, source }) => [join(ROOT, source), name]))
    build.onResolve({ filter: /^\..*\.js$/ }, ({ path, resolveDir }) => {
      const name = files.get(join(resolveDir, path).replace(/\.js$/, '.ts'))
      return name && { path: `./${name}.js`, external: true, sideEffects: false }
    })
  },
}

async function bundle(kind) {
  const esbuild = await import('esbuild')
  const entries = ENTRIES.filter((entry) => entry.bundle === kind)
  const shared = {
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: kind === 'node' || kind === 'server' ? 'node' : 'browser',
    banner: kind === 'server' ? { js: REQUIRE_IN_MODULES } : {},
    external: [...EXTERNAL, ...EXTERNAL.map((name) => `${name}/*`)],
    outdir: DIST,
    chunkNames: 'chunk-[hash]',
    sourcemap: true,
    legalComments: 'none',
    logLevel: 'silent',
    plugins: [withoutOwnAddress],
  }
  const points = (list) => Object.fromEntries(list.map(({ name, source }) => [name, source]))
  const runs =
    kind === 'shared'
      ? [
          {
            ...shared,
            entryPoints: points([...entries, ...NAMESPACES]),
            splitting: true,
            plugins: [...shared.plugins, namespacesApart],
          },
        ]
      : kind === 'server'
        ? [{ ...shared, entryPoints: points(entries), splitting: true }]
        : entries.map((entry) => ({ ...shared, entryPoints: points([entry]) }))
  for (const options of runs) {
    let messages
    try {
      messages = (await esbuild.build(options)).warnings
    } catch (error) {
      messages = error.errors ?? [{ text: error.message }]
    }
    if (messages.length > 0) {
      const detail = await esbuild.formatMessages(messages, { kind: 'error' })
      throw new Failure(
        'The JavaScript could not be bundled.',
        'mend the source named above.',
        detail.join('\n'),
      )
    }
  }
  // esbuild gives all entries of a run one extension.
  for (const entry of entries.filter(({ extension }) => extension !== undefined)) {
    renameSync(join(DIST, `${entry.name}.js`), join(DIST, scriptOf(entry)))
  }
}

/** An entry without code of its own, which esbuild would move to a chunk that has side effects. */
function forward({ name, forwards }) {
  const text = `${forwards.join('\n')}\n`
  writeFileSync(join(DIST, `${name}.js`), text)
  writeFileSync(join(DIST, `${name}.d.ts`), text)
}

async function emitDeclarations(tell) {
  rmSync(TYPES, { recursive: true, force: true })
  for (const project of ['tsconfig.build.json', 'tsconfig.build.worker.json']) {
    await run(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', project], {
      log: project.replace('.json', ''),
      what: 'The declarations could not be made',
      fix: 'mend the type errors above.',
      tell,
    })
  }
}

/** Copies the declarations that `entry` reaches to dist/types, and checks that they stand alone. */
function copyDeclarations(entry) {
  const root = join(TYPES, entry.source.replace(/\.ts$/, '.d.ts'))
  const seen = new Set()
  const queue = [root]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    const fromTypes = existsSync(file)
    const source = fromTypes ? file : join(ROOT, relative(TYPES, file))
    if (!existsSync(source)) {
      throw new Failure(
        `The declarations of ${entry.name} refer to ${relative(TYPES, file)}, which is missing.`,
        'export the type from a TypeScript file.',
      )
    }
    const text = readFileSync(source, 'utf8')
    const target = join(DIST, 'types', relative(TYPES, file))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
    // Comments show imports too, as an app would write them.
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '')
    for (const [, from] of code.matchAll(/(?:from\s+|import\(\s*|import\s+)['"]([^'"]+)['"]/g)) {
      if (from.startsWith('.')) {
        queue.push(resolve(dirname(file), from.replace(/\.js$/, '.d.ts')))
      } else if (!EXTERNAL.some((name) => from === name || from.startsWith(`${name}/`))) {
        throw new Failure(
          `The declarations of ${entry.name} import ${from}, which an app does not have.`,
          `write the type out where ${relative(TYPES, file)} uses it.`,
        )
      }
    }
  }
  const target = join(DIST, `${entry.name}.d.ts`)
  const types = join(DIST, 'types', entry.source.replace(/\.ts$/, '.js'))
  const from = relative(dirname(target), types).replaceAll('\\', '/')
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, `export * from '${from.startsWith('.') ? from : `./${from}`}'\n`)
}

/** Gzipped sizes of what an app loads, for the eye. */
function sizes() {
  const gzip = (file) => gzipSync(readFileSync(file), { level: 9 }).length
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(0)} KB`
  const total = (isCounted) => {
    const scripts = ENTRIES.filter(isCounted).flatMap((entry) => scriptsOf(DIST, entry))
    return [...new Set(scripts)].reduce((sum, name) => sum + gzip(join(DIST, name)), 0)
  }
  const worker = total(({ name }) => name.includes('worker') && name !== 'sync-cf/cf-worker')
  const scripts = total(({ name }) => ['index', 'adapter-web', 'react', 'effect'].includes(name))
  const wasm = gzip(join(DIST, 'livestore.wasm'))
  const parts = `wasm ${kilobytes(wasm)}, page ${kilobytes(scripts)}, workers ${kilobytes(worker)}`
  return `${parts} (gzip, before an app's minifier)`
}

/**
 * Builds what is out of date.
 *
 * @throws Failure naming the source that does not build.
 */
export async function build({ quiet = false } = {}) {
  const steps = new Steps(4, { quiet })
  await steps.run('engine: C++ to wasm (first time: a minute)', (tell) => buildEngine(tell))
  if (isBuilt()) {
    if (!quiet) console.log('dist/ is up to date.')
    return
  }
  rmSync(DIST, { recursive: true, force: true })
  mkdirSync(DIST, { recursive: true })
  await steps.run('JavaScript', async () => {
    for (const kind of ['shared', 'alone', 'node', 'server', 'edge']) await bundle(kind)
    for (const entry of ENTRIES.filter(({ forwards }) => forwards !== undefined)) forward(entry)
  })
  await steps.run('declarations', async (tell) => {
    await emitDeclarations(tell)
    for (const entry of ENTRIES.filter(({ source }) => source !== undefined)) {
      if (isExported(entry)) copyDeclarations(entry)
    }
  })
  await steps.run('package', async () => {
    copyFileSync(join(ENGINE, 'livestore.wasm'), join(DIST, 'livestore.wasm'))
    copyFileSync(join(ENGINE, 'sync_server_db.wasm'), join(DIST, 'sync-server-db.wasm'))
    // Its licence asks to be there wherever the package is bundled.
    copyFileSync(join(ROOT, 'node_modules', 'ws', 'LICENSE'), join(DIST, 'LICENSE-ws'))
    writeFileSync(STAMP, inputHash())
    return sizes()
  })
}

/** Builds build/wasm-release/wasm/livestore.{mjs,wasm}. */
export async function buildEngine(tell) {
  await cmakeBuild('wasm-release', { tell, env: emscriptenEnv() })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    const unknown = process.argv.slice(2)[0]
    if (unknown !== undefined) {
      throw new Failure(`${basename(import.meta.url)} takes no option ${unknown}.`, 'leave it out.')
    }
    await setup({ scope: 'build', quiet: true })
    await build()
  })
}
