/**
 * Finds and compiles `livestore.wasm`. The one place that knows where the file lies.
 */

import { LiveStoreError, messageOf } from '../errors.js'

/**
 * @throws LiveStoreError `EngineLoad` naming the address and what came back instead.
 */
export const compileEngine = async (wasmUrl?: string | URL): Promise<WebAssembly.Module> => {
  const url =
    wasmUrl === undefined
      ? whereInstalled(new URL('./livestore.wasm', import.meta.url))
      : new URL(wasmUrl, import.meta.url)
  try {
    if (url.protocol === 'file:') {
      // Node: fetch does not read files. The name is computed so that bundlers for browsers leave it alone.
      const fs: typeof import('node:fs/promises') = await import(
        /* @vite-ignore */ `node:${'fs/promises'}`
      )
      return await WebAssembly.compile(await fs.readFile(url))
    }
    const response = await fetch(url, { credentials: 'same-origin' })
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    const type = response.headers.get('content-type') ?? ''
    if (type.startsWith('application/wasm')) return await WebAssembly.compileStreaming(response)
    const bytes = await response.arrayBuffer()
    if (!isWasm(bytes))
      throw new Error(`the server answered with ${type || 'something'} that is no WebAssembly`)
    return await WebAssembly.compile(bytes)
  } catch (cause) {
    throw new LiveStoreError(
      'EngineLoad',
      `the engine could not be loaded from ${url}: ${messageOf(cause)}`,
      {
        cause,
      },
    )
  }
}

/**
 * Vite 7 in development serves this module from its cache, `node_modules/.vite/deps`, and leaves the
 * wasm where it was installed. Every other bundler rewrites the address by itself.
 */
const whereInstalled = (url: URL): URL =>
  new URL(url.href.replace(/\/\.vite\/deps\/[^/]*$/, '/livestore-wasm/dist/livestore.wasm'))

/** Servers with a wrong content type still work; pages that answer everything with HTML are told apart. */
const isWasm = (bytes: ArrayBuffer): boolean => {
  const magic = new Uint8Array(bytes, 0, Math.min(4, bytes.byteLength))
  return (
    magic.length === 4 &&
    magic[0] === 0 &&
    magic[1] === 0x61 &&
    magic[2] === 0x73 &&
    magic[3] === 0x6d
  )
}
