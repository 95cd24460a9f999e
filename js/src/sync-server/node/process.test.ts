import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { none, WireClient, wireEvents } from '../test/wire-client.js'

// Processes start slowly on a machine that is busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 })

/** The command as npm installs it: one process, its files beside it. */
const folder = mkdtempSync(join(tmpdir(), 'livestore-process-'))
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const processes: ChildProcess[] = []

/** As scripts/build.mjs does. */
const requireInModules =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

beforeAll(async () => {
  await esbuild.build({
    entryPoints: { cli: here('./bin.ts') },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'node',
    external: ['pg'],
    banner: { js: requireInModules },
  })
  const wasm = here('../../../../build/wasm-release/wasm/sync_server_db.wasm')
  copyFileSync(wasm, join(folder, 'sync-server-db.wasm'))
})
afterEach(async () => {
  for (const child of processes.splice(0)) child.kill('SIGKILL')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const ended = (child: ChildProcess): Promise<number | string | null> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode)
    else child.once('exit', (code, signal) => resolve(code ?? signal))
  })

const run = (args: readonly string[]) => {
  const child = spawn(process.execPath, [join(folder, 'cli.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  processes.push(child)
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (part) => {
      output.text += part
    })
  }
  return { child, output }
}

const start = async (data: string, ...args: string[]) => {
  const { child, output } = run(['serve', '--data', join(folder, data), '--port', '0', ...args])
  const address = /"url":"([^"]+)"/
  await expect
    .poll(
      () => {
        if (child.exitCode !== null) throw new Error(`it ended: ${output.text}`)
        return output.text
      },
      { timeout: 40_000 },
    )
    .toMatch(address)
  return { child, output, url: address.exec(output.text)?.[1] as string }
}

test('a server killed amid pushes still has all that it acknowledged', async () => {
  const data = 'killed'
  let server = await start(data)
  let acknowledged = 0
  let backendId = ''
  for (let round = 0; round < 4; round++) {
    const client = await WireClient.open(server.url, 's')
    const pages = await client.pages()
    const log = pages.flatMap(({ batch }) => batch.map(({ eventEncoded }) => eventEncoded.seqNum))
    if (backendId === '') backendId = pages[0]?.backendId as string
    expect(pages[0]?.backendId).toBe(backendId)
    expect(log).toEqual(Array.from({ length: log.length }, (_, index) => index + 1))
    expect(log.length).toBeGreaterThanOrEqual(acknowledged)
    // Several at a time, so that the kill comes at any moment of some.
    let sent = log.length
    for (let push = 0; push < 40; push++) {
      client.request('Push', { batch: wireEvents(sent + 1, 10), backendId: none })
      sent += 10
    }
    for (let push = 0; push < 3 + round * 5; push++) {
      const { exit } = await client.next(({ _tag }) => _tag === 'Exit')
      expect(exit?._tag).toBe('Success')
      acknowledged = log.length + (push + 1) * 10
    }
    server.child.kill('SIGKILL')
    await ended(server.child)
    server = await start(data)
  }
  server.child.kill('SIGTERM')
  expect(await ended(server.child)).toBe(0)
})

test('SIGTERM ends it cleanly, with a client connected', async () => {
  const { child, output, url } = await start('stopped')
  const client = await WireClient.open(url, 's')
  await client.push(wireEvents(1, 1))
  child.kill('SIGTERM')
  expect((await client.closed).code).toBe(1012)
  expect(await ended(child)).toBe(0)
  expect(output.text).toContain('"event":"stopped"')
})

test('two servers do not open the same data', async () => {
  const first = await start('shared')
  const second = run(['serve', '--data', join(folder, 'shared'), '--port', '0'])
  expect(await ended(second.child)).toBe(1)
  expect(second.output.text).toContain('another server')
  expect((await fetch(`${first.url}/health`)).status).toBe(200)
})

test('a module of hooks decides', async () => {
  const hooks = join(folder, 'hooks.mjs')
  writeFileSync(
    hooks,
    `export const validatePayload = (payload) => {
       if (payload?.token !== 'right') throw new Error('who are you?')
     }`,
  )
  const { url } = await start('hooked', '--hooks', hooks)
  await expect(WireClient.open(url, 's')).rejects.toThrow('400')
  const client = await WireClient.open(url, 's', { payload: { token: 'right' } })
  expect((await client.push(wireEvents(1, 1)))?._tag).toBe('Success')
  await client.close()
})

test('a command that makes no sense ends with the code for that, and help', async () => {
  const { child, output } = run(['surf'])
  expect(await ended(child)).toBe(2)
  expect(output.text).toContain('Usage: livestore-wasm serve')
})
