import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { none, WireClient, wireEvent, wireEvents } from '../test/wire-client.js'
import type { LogFields } from './log.js'
import { makeLog } from './log.js'
import { type RunningServer, type ServeOptions, serve } from './serve.js'

let data: string
const servers: RunningServer[] = []
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'livestore-operations-'))
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  rmSync(data, { recursive: true, force: true })
})
const start = async (options: ServeOptions = {}): Promise<RunningServer> => {
  const server = await serve({ data, port: 0, ...options })
  servers.push(server)
  return server
}
const get = async (address: string) => {
  const response = await fetch(address)
  return { status: response.status, text: await response.text() }
}

test('a server that restarts has all that it acknowledged, and sends clients away', async () => {
  const first = await start()
  const client = await WireClient.open(first.url, 's')
  const { backendId } = await client.live().next()
  await client.push(wireEvents(1, 100))
  // This one may be lost with its connection, or not; it is never there in part.
  client.request('Push', { batch: wireEvents(101, 50), backendId: none })
  await first.close()
  expect((await client.closed).code).toBe(1012)
  const second = await start()
  const again = await WireClient.open(second.url, 's')
  const pages = await again.pages()
  const log = pages.flatMap(({ batch }) => batch.map(({ eventEncoded }) => eventEncoded))
  expect(pages[0]?.backendId).toBe(backendId)
  expect([100, 150]).toContain(log.length)
  expect(log).toEqual(wireEvents(1, log.length))
  // The push that was cut off is sent again: it is taken once.
  await again.push(wireEvents(101, 50))
  expect(await again.pullAll()).toHaveLength(150)
  await again.close()
})

test('health and metrics tell how the server is', async () => {
  const { url } = await start()
  expect(await get(`${url}/health`)).toEqual({
    status: 200,
    text: '{"status":"ok","connections":0}',
  })
  const client = await WireClient.open(url, 's')
  await client.push(wireEvents(1, 7))
  const { text } = await get(`${url}/metrics`)
  expect(text).toContain('livestore_sync_connections 1\n')
  expect(text).toContain('livestore_sync_pushed_events 7\n')
  expect(text).toContain('# TYPE livestore_sync_pushes counter\n')
  expect(text).toContain('livestore_sync_stores 1\n')
  await client.close()
  const metrics = async () => (await get(`${url}/metrics`)).text
  await expect.poll(metrics, { timeout: 15_000 }).toContain('stores 0\n')
})

test('a frame that is too large ends its connection with the code for that', async () => {
  const { url } = await start({ memory: true, limits: { frameBytesMax: 10_000 } })
  const other = await WireClient.open(url, 's')
  const client = await WireClient.open(url, 's')
  client.send('x'.repeat(20_000))
  expect((await client.closed).code).toBe(1009)
  const response = await fetch(`${url}/?storeId=s&transport=http`, {
    method: 'POST',
    body: 'x'.repeat(20_000),
  })
  expect(response.status).toBe(413)
  expect((await other.push([wireEvent(1)]))?._tag).toBe('Success')
  await other.close()
})

test('pushes and pulls beyond what one client may have at once are refused, each', async () => {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const { url } = await start({
    memory: true,
    limits: { pushesPendingMax: 3, pullsPerConnectionMax: 2 },
    hooks: { onPush: () => held },
  })
  const client = await WireClient.open(url, 's')
  for (let index = 0; index < 4; index++) {
    client.request('Push', { batch: [wireEvent(index + 1)], backendId: none })
  }
  expect((await client.next()).exit?.cause?.error?.cause?.name).toBe('TooBusyError')
  release()
  for (let index = 0; index < 3; index++) expect((await client.next()).exit?._tag).toBe('Success')
  for (let index = 0; index < 3; index++) client.live()
  const { exit } = await client.next(({ _tag }) => _tag === 'Exit')
  expect(exit?.cause?.error?.cause?.name).toBe('TooBusyError')
  await client.close()
})

test('a payload that expires ends what was begun with it', async () => {
  let isValid = true
  const { url } = await start({
    memory: true,
    limits: { payloadValidMs: 0 },
    hooks: {
      validatePayload() {
        if (!isValid) throw new Error('the token has expired')
      },
    },
  })
  const client = await WireClient.open(url, 's', { payload: { token: 't' } })
  expect((await client.push([wireEvent(1)]))?._tag).toBe('Success')
  isValid = false
  const exit = await client.push([wireEvent(2)])
  expect(exit?.cause?.error?.cause).toEqual({
    name: 'UnauthorizedError',
    message: 'the token has expired',
  })
  expect((await client.closed).code).toBe(4401)
})

test('a hook gets headers and payload, and what it throws is the answer', async () => {
  const seen: unknown[] = []
  const { url } = await start({
    memory: true,
    forwardHeaders: ['Host'],
    hooks: {
      onPush: ({ batch }, context) => {
        seen.push([batch.length, context.storeId, context.payload, [...context.headers.keys()]])
      },
      onPull() {
        throw new Error('no reading today')
      },
      onPushRes() {
        throw new Error('looked on')
      },
    },
  })
  const client = await WireClient.open(url, 's', { payload: { user: 'ü/%' } })
  expect((await client.push([wireEvent(1)]))?._tag).toBe('Success')
  expect(seen).toEqual([[1, 's', { user: 'ü/%' }, ['host']]])
  await expect(client.pages()).rejects.toThrow('no reading today')
  await client.close()
})

test('bytes that are no HTTP, and half of it, leave the server alone', async () => {
  const { url, port } = await start({ memory: true })
  const half = connect(port, '127.0.0.1', () => half.write('GET /?storeId=s HTTP/1.1\r\nX-Slow:'))
  const noise = connect(port, '127.0.0.1', () => noise.end('\0\x01\x02 nonsense\r\n\r\n'))
  half.on('error', () => {})
  await new Promise((resolve) => noise.on('error', resolve).once('close', resolve).resume())
  expect((await get(`${url}/health`)).status).toBe(200)
  expect((await get(`${url}//?storeId=%00&transport=ws`)).status).toBe(400)
  half.destroy()
})

test('a port that is taken is said, and the data is free again', async () => {
  const { port } = await start({ memory: true })
  await expect(serve({ data, port })).rejects.toThrow('EADDRINUSE')
  await start()
})

test('logs are lines of JSON, or to read, or none', () => {
  const lines: string[] = []
  const fields: LogFields = { port: 1, missing: undefined }
  makeLog('json', (line) => lines.push(line))('info', 'listening', fields)
  makeLog('text', (line) => lines.push(line))('warn', 'odd', fields)
  makeLog('none', (line) => lines.push(line))('error', 'unheard', fields)
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    level: 'info',
    event: 'listening',
    port: 1,
  })
  expect(lines[1]).toMatch(/^\d{4}-.+Z warn: odd port=1$/)
  expect(lines).toHaveLength(2)
})
