/**
 * Builds the conformance suite of storage for the browser tests into build/vfs-suite: the module
 * vfs_conformance of wasm/CMakeLists.txt, the worker that runs it over OPFS, and the names of its
 * cases, so that each can be a test. No part of it is in the package.
 *
 * It shares the objects of the engine's own build: what is tested is SQLite and the VFS as shipped,
 * and a build costs little more than linking.
 */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { cmakeBuild } from './lib/cmake.mjs'
import { ROOT } from './lib/paths.mjs'
import { main } from './lib/terminal.mjs'
import { emscriptenEnv } from './lib/tools.mjs'
import { setup } from './setup.mjs'

const MODULE = join(ROOT, 'build', 'wasm-release', 'wasm')
const SUITE = join(ROOT, 'build', 'vfs-suite')

async function caseNames(wasm) {
  const loader = await import(pathToFileURL(join(MODULE, 'vfs_conformance.mjs')).href)
  const compiled = await WebAssembly.compile(readFileSync(wasm))
  const module = await loader.default({
    livestoreHost: { storage: [] },
    instantiateWasm(imports, done) {
      WebAssembly.instantiate(compiled, imports).then((instance) => done(instance, compiled))
      return {}
    },
  })
  const count = module._ls_suite_count()
  return Array.from({ length: count }, (_, i) => module.UTF8ToString(module._ls_suite_name(i)))
}

/** @throws Failure with the compiler's output. */
export async function buildVfsSuite(tell) {
  await cmakeBuild('wasm-release', { tell, env: emscriptenEnv(), target: 'vfs_conformance' })
  rmSync(SUITE, { recursive: true, force: true })
  mkdirSync(SUITE, { recursive: true })
  const wasm = join(MODULE, 'vfs_conformance.wasm')
  const esbuild = await import('esbuild')
  await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: { worker: 'wasm/test/vfs-conformance-worker.ts' },
    outdir: SUITE,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    logLevel: 'warning',
  })
  copyFileSync(wasm, join(SUITE, 'vfs_conformance.wasm'))
  writeFileSync(join(SUITE, 'cases.json'), JSON.stringify(await caseNames(wasm)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    await setup({ scope: 'build', quiet: true })
    await buildVfsSuite()
  })
}
