import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import { Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { SyncStorage } from '../../sync-server/storage.js'
import { eventsFrom, storageConformance } from '../../sync-server/test/storage-conformance.js'
import { none, WireClient, wireEvents } from '../../sync-server/test/wire-client.js'
import { wireConformance } from '../../sync-server/test/wire-conformance.js'
import { makeDurableObject, makeWorker } from './index.js'

/** workerd, the runtime of Cloudflare, with the worker of the tests. */
let runtime: Miniflare
let url: string
beforeAll(async () => {
  const { outputFiles } = await esbuild.build({
    entryPoints: [fileURLToPath(new URL('./test/worker.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  runtime = new Miniflare({
    modules: true,
    script: outputFiles[0]?.text ?? '',
    compatibilityDate: '2025-05-08',
    durableObjects: {
      SYNC_BACKEND_DO: { className: 'SyncBackendDO', useSQLite: true },
      SYNC_BACKEND_D1: { className: 'SyncBackendD1', useSQLite: true },
      STORAGE_DO: { className: 'StorageDO', useSQLite: true },
    },
    d1Databases: ['DB'],
    // Without it the runtime asks the network who it is.
    cf: false,
  })
  url = (await runtime.ready).origin
}, 60_000)
afterAll(() => runtime?.dispose())

let objects = 0
const storageObject = (kind: 'do' | 'd1' = 'do') => {
  objects += 1
  const address = `${url}/storage/${kind}/${objects}`
  const call = async (method: string, ...args: unknown[]) => {
    const response = await fetch(address, {
      method: 'POST',
      body: JSON.stringify({ method, args }),
    })
    const { value, error } = (await response.json()) as { value?: unknown; error?: string }
    if (error !== undefined) throw new Error(error)
    return value
  }
  const storage = {
    head: (...args) => call('head', ...args),
    append: (...args) => call('append', ...args),
    read: (...args) => call('read', ...args),
    watch: () => () => {},
    close: async () => {
      await call('close')
    },
  } as SyncStorage
  return { storage, call }
}

for (const [name, kind] of [
  ['the SQLite of a Durable Object', 'do'],
  ['D1', 'd1'],
] as const) {
  storageConformance(name, async () => {
    const { storage, call } = storageObject(kind)
    // The tables of D1 are there for all objects: each test has its own.
    const tables = (await call('d1', `SELECT name FROM sqlite_master WHERE name LIKE 'ev%'`)) as {
      name: string
    }[]
    for (const table of tables) await call('d1', `DROP TABLE "${table.name}"`)
    return {
      storage,
      async reopen() {
        await call('reopen')
        return storage
      },
      isOfOneStore: true,
      async end() {},
    }
  })
}

wireConformance('a Cloudflare worker', async () => ({ url, async stop() {} }))
wireConformance('a Cloudflare worker over D1', async () => ({
  url: `${url}/d1`,
  async stop() {},
}))

describe('data of @livestore/sync-cf 0.4', () => {
  test('is read as it is, events without arguments too, and goes on', async () => {
    const { storage, call } = storageObject()
    await call(
      'sql',
      'CREATE TABLE eventlog_7_my_store (seqNum integer primary key, ' +
        'parentSeqNum integer not null, name text not null, args text, createdAt text not null, ' +
        'clientId text not null, sessionId text not null) strict',
    )
    await call(
      'sql',
      'CREATE TABLE context_7 (storeId text primary key, currentHead integer, backendId text) ' +
        'strict',
    )
    for (const { seqNum, parentSeqNum, name, args, createdAt } of eventsFrom(1, 3)) {
      const values = [seqNum, parentSeqNum, name, seqNum === 2 ? null : args, createdAt, 'c', 's']
      await call('sql', 'INSERT INTO eventlog_7_my_store VALUES (?, ?, ?, ?, ?, ?, ?)', ...values)
    }
    const backendId = 'x_o3TqMJ0eEIoUIJT_Iqe'
    await call('sql', 'INSERT INTO context_7 VALUES (?, ?, ?)', 'my-store', 3, backendId)
    expect(await storage.head('my-store')).toEqual({ head: 3, backendId })
    const log = await storage.read('my-store', 0, { events: 10, bytes: 1e6 })
    expect(log.map(({ args }) => args)).toEqual(['{"id":"e1"}', 'null', '{"id":"e3"}'])
    expect(await storage.append('my-store', 3, eventsFrom(4, 20))).toEqual({ taken: true })
    expect(await call('sql', 'SELECT currentHead FROM context_7')).toEqual([{ currentHead: 23 }])
  })
})

describe('a log in D1', () => {
  test('is apart from that of a store with a like name', async () => {
    const one = storageObject('d1')
    const two = storageObject('d1')
    await one.storage.append('a-b', 0, eventsFrom(1, 3))
    await two.storage.append('a_b', 0, eventsFrom(1, 1))
    await one.call('reopen')
    await two.call('reopen')
    expect((await one.storage.head('a-b')).head).toBe(3)
    expect((await two.storage.head('a_b')).head).toBe(1)
  })

  test('goes on when its object died between the events and the head', async () => {
    const { storage, call } = storageObject('d1')
    await storage.append('died', 0, eventsFrom(1, 3))
    await call('sql', 'UPDATE context_7 SET currentHead = 1')
    await call('reopen')
    expect((await storage.head('died')).head).toBe(3)
    expect(await storage.append('died', 1, eventsFrom(2, 1))).toEqual({ taken: false, head: 3 })
    expect(await storage.append('died', 3, eventsFrom(4, 1))).toEqual({ taken: true })
  })

  test('of @livestore/sync-cf 0.4 is read as it is', async () => {
    const { storage, call } = storageObject('d1')
    await call(
      'd1',
      'CREATE TABLE eventlog_7_old_store (seqNum integer primary key, ' +
        'parentSeqNum integer not null, name text not null, args text, createdAt text not null, ' +
        'clientId text not null, sessionId text not null) strict',
    )
    await call('d1', `INSERT INTO eventlog_7_old_store VALUES (1, 0, 'n', NULL, 't', 'c', 's')`)
    await call(
      'sql',
      'CREATE TABLE context_7 (storeId text primary key, currentHead integer, backendId text) ' +
        'strict',
    )
    await call('sql', `INSERT INTO context_7 VALUES ('old-store', 1, 'x_o3TqMJ0eEIoUIJT_Iqe')`)
    expect(await storage.head('old-store')).toEqual({
      head: 1,
      backendId: 'x_o3TqMJ0eEIoUIJT_Iqe',
    })
    const [event] = await storage.read('old-store', 0, { events: 10, bytes: 1e6 })
    expect(event).toMatchObject({ seqNum: 1, args: 'null' })
  })
})

describe('the worker', () => {
  test('asks the payload of the connection of every message', async () => {
    const payload = { authToken: 'tok en/ü', more: 'x'.repeat(3000) }
    const client = await WireClient.open(url, 'payloads', { payload })
    expect((await client.push(wireEvents(1, 1), { payload }))?._tag).toBe('Success')
    const live = client.live()
    await live.next()
    expect((await client.push(wireEvents(2, 1)))?._tag).toBe('Success')
    expect((await live.next()).batch).toHaveLength(1)
    const exit = await client.push(wireEvents(3, 1), { payload: { authToken: 'another' } })
    expect(exit?.cause?.error?.cause?.name).toBe('UnauthorizedError')
    expect((await client.closed).code).toBe(4401)
  })

  test('answers pages of other origins', async () => {
    const options = { method: 'OPTIONS', headers: { 'access-control-request-headers': 'x-a' } }
    const preflight = await fetch(`${url}/?storeId=a&transport=http`, options)
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toBe('x-a')
    const answer = await fetch(`${url}/?storeId=a&transport=http`, { method: 'POST', body: '{}' })
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(await answer.json()).toEqual([
      { _tag: 'Defect', defect: 'unknown frame tag: undefined' },
    ])
  })

  const ask = (options: Parameters<typeof makeWorker>[0], env: object = {}, query = '') =>
    makeWorker(options).fetch(
      new Request(`https://sync.example/?storeId=s&transport=http${query}`, { method: 'POST' }),
      env,
    )

  test('says what is missing or wrong before it wakes an object', async () => {
    const syncBackendBinding = 'SYNC'
    expect((await ask({ syncBackendBinding })).status).toBe(424)
    const validatePayload = () => {
      throw new Error('not you')
    }
    const refused = await ask({ syncBackendBinding, validatePayload })
    expect([refused.status, await refused.text()]).toEqual([400, 'not you'])
    const failing = { idFromName() {}, get: () => ({ fetch: () => Promise.reject(new Error()) }) }
    const told = vi.spyOn(console, 'error').mockImplementation(() => {})
    const broken = await ask({ syncBackendBinding }, { SYNC: failing })
    expect([broken.status, await broken.text()]).toEqual([500, 'Error'])
    expect(told).toHaveBeenCalledOnce()
    told.mockRestore()
  })

  test('checks the payload by its schema, and hands on what that made of it', async () => {
    const seen: unknown[] = []
    const options = {
      syncBackendBinding: 'SYNC',
      syncPayloadSchema: {
        '~standard': {
          validate: (value: unknown) =>
            typeof value === 'object' && value !== null && 'token' in value
              ? { value: { ...value, checked: true } }
              : { issues: [{ message: 'a token is needed' }] },
        },
      },
      validatePayload: (payload: unknown) => void seen.push(payload),
    }
    const refused = await ask(options)
    expect([refused.status, await refused.text()]).toEqual([400, 'a token is needed'])
    const payload = encodeURIComponent(encodeURIComponent('{"token":"t"}'))
    expect((await ask(options, {}, `&payload=${payload}`)).status).toBe(424)
    expect(seen).toEqual([{ token: 't', checked: true }])
  })

  test('has no other storage than those two', () => {
    const options = { storage: { _tag: 'kv' } } as never
    expect(() => makeDurableObject(options)).toThrow('"do-sqlite" or "d1", not "kv"')
  })

  test('keeps live pulls of many sockets in one order while they push', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => WireClient.open(url, 'three')))
    const lives = clients.map((client) => client.live())
    for (const live of lives) await live.next()
    for (let round = 0; round < 30; round++) {
      const client = clients[round % 3] as WireClient
      client.request('Push', { batch: wireEvents(round * 4 + 1, 4), backendId: none })
      for (const live of lives) {
        const { batch } = await live.next()
        expect(batch.map(({ eventEncoded }) => eventEncoded.seqNum)).toEqual(
          wireEvents(round * 4 + 1, 4).map(({ seqNum }) => seqNum),
        )
      }
    }
    await Promise.all(clients.map((client) => client.close()))
  })
})
