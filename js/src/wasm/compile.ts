/**
 * Finds and compiles `livestore.wasm`. The one place that knows where the file lies; only pages and
 * Node come here, because a worker is sent the compiled module.
 *
 * A URL relative to `import.meta.url` is the form that bundlers recognize: they carry the file
 * along and put its final address there. One development server does not: Vite up to 7 serves this
 * module from a cache, leaves the file where it was installed, and answers for the address with a
 * page of HTML. So that address is mended, and what comes back is looked at.
 */

import { LiveStoreError, messageOf } from '../errors.js'

const packagePath = 'livestore-wasm/dist/livestore.wasm'

/**
 * @throws LiveStoreError `EngineLoad` naming every address that was tried, and what came back.
 */
export const compileEngine = async (wasmUrl?: string | URL): Promise<WebAssembly.Module> => {
  const problems: string[] = []
  let cause: unknown
  const beside = new URL('./livestore.wasm', import.meta.url)
  for (const address of wasmUrl === undefined ? addressesFor(beside) : [wasmUrl]) {
    try {
      return await compileFrom(new URL(address, pageAddress()))
    } catch (thrown) {
      cause = thrown
      problems.push(`${address}: ${messageOf(thrown)}`)
    }
  }
  throw new LiveStoreError(
    'EngineLoad',
    `the engine could not be loaded from ${problems.join(', nor from ')}. If a bundler moved ` +
      "livestore.wasm, add liveStore() of 'livestore-wasm/vite' to the plugins of Vite, or give " +
      "the adapter the file's address as wasmUrl.",
    { cause },
  )
}

/** @internal Where the file may be if it should be at `beside`, in the order to try. */
export const addressesFor = (beside: URL): readonly URL[] => {
  const installed = whereInstalled(beside)
  return installed === undefined ? [beside] : [installed, beside]
}

/**
 * Where the package lies if `url` is in the cache of a development server:
 * `node_modules/.vite/deps`, or another directory `deps` if the app moved the cache.
 */
const whereInstalled = (url: URL): URL | undefined => {
  if (!/^https?:$/.test(url.protocol) || !/\/deps\/[^/]*$/.test(url.pathname)) return undefined
  const modules = url.pathname.lastIndexOf('/node_modules/')
  const root = modules < 0 ? '' : url.pathname.slice(0, modules)
  return new URL(`${root}/node_modules/${packagePath}`, url)
}

/** What the address an app gives is relative to. */
const pageAddress = (): string => {
  const { document } = globalThis as { document?: { baseURI?: string } }
  return document?.baseURI ?? import.meta.url
}

const compileFrom = async (url: URL): Promise<WebAssembly.Module> => {
  if (url.protocol === 'file:') return WebAssembly.compile(await readFile(url))
  const response = await fetch(url, { credentials: 'same-origin' })
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  const type = response.headers.get('content-type') ?? ''
  if (type.startsWith('application/wasm')) return WebAssembly.compileStreaming(response)
  const bytes = await response.arrayBuffer()
  if (isWasm(bytes)) return WebAssembly.compile(bytes)
  throw new Error(`the server answered with ${type || 'something'} that is no WebAssembly`)
}

/** For Node, whose fetch reads no files. No bundler finds an import in this. */
const readFile = async (url: URL): Promise<Uint8Array<ArrayBuffer>> => {
  const { process } = globalThis as { process?: Pick<NodeJS.Process, 'getBuiltinModule'> }
  const fs = process?.getBuiltinModule('node:fs/promises')
  if (fs === undefined) throw new Error('a page cannot read files')
  return new Uint8Array(await fs.readFile(url))
}

/** Servers with a wrong content type still work; pages that answer with HTML are told apart. */
const isWasm = (bytes: ArrayBuffer): boolean => {
  const magic = [0, 0x61, 0x73, 0x6d]
  const start = new Uint8Array(bytes, 0, Math.min(magic.length, bytes.byteLength))
  return magic.every((byte, index) => start[index] === byte)
}
