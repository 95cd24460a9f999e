/**
 * A static server for one built app, which also remembers what was fetched.
 *
 * Every response makes the page cross-origin isolated: the browser then gives its clock a step of 5
 * instead of 100 microseconds. Neither side needs or uses the isolation.
 */

import { readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize, sep } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

const contentTypes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
  '.css': 'text/css; charset=utf-8',
}

/**
 * Serves `directory` on a free port of the loopback interface.
 *
 * `fetched` is the list of paths answered so far; `cached` says whether browsers may keep hashed
 * assets, as in production, or have to fetch every file each time it is needed.
 */
export const startServer = async (directory) => {
  const state = { fetched: [], cached: true }
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname)
    const file = normalize(join(directory, path === '/' ? 'index.html' : path))
    const headers = {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    }
    if (!file.startsWith(directory + sep) || !statSync(file, { throwIfNoEntry: false })?.isFile()) {
      response.writeHead(404, { ...headers, 'content-type': 'text/plain' }).end(`no file ${path}\n`)
      return
    }
    state.fetched.push(path === '/' ? '/index.html' : path)
    const hashed = path.startsWith('/assets/')
    const cacheControl = !state.cached
      ? 'no-store'
      : hashed
        ? 'public, max-age=31536000, immutable'
        : 'no-cache'
    response
      .writeHead(200, {
        ...headers,
        'cache-control': cacheControl,
        'content-type': contentTypes[extname(file)] ?? 'application/octet-stream',
      })
      .end(readFileSync(file))
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: server.address().port,
    state,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

const sizesByFile = new Map()

/** Bytes of a built file: raw, and compressed as a CDN would do it ahead of time. */
export const fileSizes = (file) => {
  const known = sizesByFile.get(file)
  if (known !== undefined) return known
  const content = readFileSync(file)
  const sizes = {
    raw: content.length,
    gzip: gzipSync(content, { level: 9 }).length,
    brotli: brotliCompressSync(content).length,
  }
  sizesByFile.set(file, sizes)
  return sizes
}
