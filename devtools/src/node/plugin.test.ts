import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aliases, liveStore, serveEngine } from './plugin.js'

let folder: string
let server: ViteDevServer
let address: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'livestore-plugin-'))
  await writeFile(join(folder, 'engine.wasm'), 'the engine')
  await writeFile(join(folder, 'index.html'), '<p>the app</p>')
  const file = pathToFileURL(join(folder, 'engine.wasm'))
  server = await createServer({
    root: folder,
    configFile: false,
    logLevel: 'silent',
    server: { host: '127.0.0.1', port: 0 },
    plugins: [
      {
        ...liveStore(),
        configureServer: ({ middlewares }) => void middlewares.use(serveEngine(file)),
      },
    ],
  })
  await server.listen()
  address = server.resolvedUrls?.local[0] ?? ''
})

afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

test('the dev server answers for the wasm in its dependency cache', async () => {
  const response = await fetch(`${address}node_modules/.vite/deps/livestore.wasm?v=1`)
  expect(response.headers.get('content-type')).toBe('application/wasm')
  expect(await response.text()).toBe('the engine')
})

test('everything else is answered as ever', async () => {
  const page = await fetch(address)
  expect(await page.text()).toContain('the app')
  const elsewhere = await fetch(`${address}livestore.wasm`, { headers: { accept: 'text/html' } })
  expect(elsewhere.headers.get('content-type')).toContain('text/html')
})

test('a file that cannot be read is passed on as an error', async () => {
  const missing = serveEngine(new URL('./missing.wasm', import.meta.url))
  const error = await new Promise((resolve) => {
    const response = { setHeader: () => undefined, end: () => undefined }
    missing({ url: '/x/deps/livestore.wasm' }, response, resolve)
  })
  expect(error).toMatchObject({ code: 'ENOENT' })
})

test('options are refused, of which there are none', () => {
  expect(() => liveStore({ devtools: true })).toThrow(TypeError)
})

test('every name of LiveStore stands for an entry of the package, or a package an app has', () => {
  const { exports: entries } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  ) as { readonly exports: Readonly<Record<string, unknown>> }
  for (const [name, target] of Object.entries(aliases)) {
    if (target === 'effect') continue
    expect(entries, name).toHaveProperty([target.replace('livestore-wasm', '.')])
  }
})

test.each(['serve', 'build'] as const)(
  'a name is not taken for the beginning of another one, and keeps its query: %s',
  async (command) => {
    const plugin = liveStore()
    const { alias } = plugin.config({}, { command }).resolve
    const resolve = async (id: string) => ({ id })
    const resolved = async (name: string) =>
      (await plugin.resolveId.call({ resolve }, name, undefined, {}))?.id ??
      alias.reduce((id, { find, replacement }) => id.replace(find, replacement), name)
    expect(await resolved('@livestore/adapter-web')).toBe('livestore-wasm/adapter-web')
    expect(await resolved('@livestore/adapter-web/worker')).toBe('livestore-wasm/worker')
    expect(await resolved('@livestore/adapter-web/shared-worker?sharedworker')).toBe(
      'livestore-wasm/shared-worker?sharedworker',
    )
    expect(await resolved('@livestore/react-more')).toBe('@livestore/react-more')
    expect(await resolved('@livestore/livestore/internal')).toBe('@livestore/livestore/internal')
    const reads = alias.some(({ find }) => find.test('@livestore/adapter-web/worker'))
    expect(reads, 'a build asks no plugin for what is in a worker').toBe(command === 'build')
    const names = Object.keys(aliases)
    for (const [index, name] of names.entries()) {
      const shadowed = names.slice(index + 1).filter((later) => later.startsWith(`${name}/`))
      expect(shadowed, `what stands behind ${name}`).toEqual([])
    }
  },
)
