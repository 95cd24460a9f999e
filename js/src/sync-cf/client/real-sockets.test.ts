/** Both clients over real sockets: a server that answers as LiveStore's does, with faults. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { SyncCfServer } from '../../../test/sync-cf-server.js'
import type { MakeSyncBackend, PullPage, SyncBackend, SyncedEvent } from '../../sync/backend.js'
import { syncBackendCases } from '../../testing/conformance.js'
import { makeHttpSync, makeWsSync } from './index.js'

let server: SyncCfServer
let open: SyncBackend[]
beforeEach(async () => {
  server = new SyncCfServer()
  await server.start()
  open = []
})
afterEach(async () => {
  for (const backend of open) await backend.close?.()
  await server.stop()
})

const ws: MakeSyncBackend = (args) =>
  makeWsSync({
    url: server.url,
    webSocketFactory: (url) => new WebSocket(url) as never,
  })(args)
const http: MakeSyncBackend = (args) =>
  makeHttpSync({ url: server.url, livePull: { pollInterval: 20 } })(args)

const signal = new AbortController().signal
const connect = async (make: MakeSyncBackend, payload?: unknown): Promise<SyncBackend> => {
  const backend = await make({ storeId: 'store', clientId: 'c', payload })
  open.push(backend)
  await backend.connect?.()
  return backend
}
const events = (from: number, to: number): SyncedEvent[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    name: 'e',
    args: { n: from + i },
    seqNum: from + i,
    parentSeqNum: from + i - 1,
    clientId: 'c',
    sessionId: 's',
  }))
const push = async (backend: SyncBackend, from: number, to: number): Promise<void> =>
  backend.push(events(from, to), { backendId: undefined, signal })
const pull = (backend: SyncBackend, after: number, live = true): AsyncIterator<PullPage> => {
  const cursor = after === 0 ? undefined : { eventSequenceNumber: after, metadata: undefined }
  const options = { live, backendId: server.room('store').id, signal }
  return backend.pull(cursor, options)[Symbol.asyncIterator]()
}
const take = async (pages: AsyncIterator<PullPage>, count: number): Promise<number[]> => {
  const numbers: number[] = []
  while (numbers.length < count) {
    const { value, done } = await pages.next()
    if (done === true) break
    numbers.push(
      ...value.batch.map((item: { eventEncoded: SyncedEvent }) => item.eventEncoded.seqNum),
    )
  }
  return numbers
}
/** Resolves when the client says that it is (or is not) connected. */
const saysConnected = (backend: SyncBackend, expected: boolean): Promise<void> =>
  new Promise((resolve) => {
    if (backend.isConnected?.value === expected) return resolve()
    const end = backend.isConnected?.subscribe((isConnected) => {
      if (isConnected !== expected) return
      end?.()
      resolve()
    })
  })

describe.each([
  ['over a WebSocket', ws],
  ['over HTTP', http],
])('%s', (_, make) => {
  for (const { name, run } of syncBackendCases(make)) {
    test(name, async () => {
      await expect(run()).resolves.toBeUndefined()
    })
  }

  test('a server that is gone is IsOfflineError, and found again when it is back', async () => {
    const backend = await connect(make)
    await push(backend, 1, 2)
    await server.stop()
    await expect(push(backend, 3, 3)).rejects.toMatchObject({ name: 'IsOfflineError' })
    await saysConnected(backend, false)
    await server.start()
    await saysConnected(backend, true)
    await push(backend, 3, 3)
    expect(await take(pull(backend, 0), 3)).toEqual([1, 2, 3])
  })

  test('a server that refuses the payload is said so, and one that grants it is used', async () => {
    server.validate = (payload) => {
      if ((payload as { token?: string } | undefined)?.token !== 'good') throw new Error('no entry')
    }
    await expect(connect(make, { token: 'bad' })).rejects.toThrow()
    const backend = await connect(make, { token: 'good' })
    expect(backend.isConnected?.value).toBe(true)
    expect(server.payloads.slice(0, 2)).toEqual([{ token: 'bad' }, { token: 'good' }])
  })

  test('an event that is refused has its place in the push, and nothing is taken', async () => {
    const backend = await connect(make)
    server.refuses = ({ seqNum }) => (seqNum === 2 ? 'not this one' : undefined)
    await expect(push(backend, 1, 3)).rejects.toMatchObject({
      name: 'EventRefusedError',
      index: 1,
      reason: 'not this one',
    })
    expect(server.room('store').events).toEqual([])
  })

  test('nonsense in place of an answer fails the call with a code', async () => {
    const backend = await connect(make)
    for (const text of ['{', '[{}]', '[', '<html>']) {
      server.nonsense.push(text)
      await expect(push(backend, 1, 1)).rejects.toMatchObject({ code: 'MalformedBytes' })
      await saysConnected(backend, true)
    }
    await push(backend, 1, 1)
    expect(server.room('store').events).toHaveLength(1)
  })
})

describe('over a WebSocket', () => {
  test('a push whose answer is lost is in the pull that follows', async () => {
    const backend = await connect(ws)
    server.cutsBeforeExit = 1
    await expect(push(backend, 1, 2)).rejects.toMatchObject({ name: 'IsOfflineError' })
    await saysConnected(backend, true)
    await expect(push(backend, 1, 2)).rejects.toMatchObject({ name: 'ServerAheadError' })
    expect(await take(pull(backend, 0), 2)).toEqual([1, 2])
  })

  test('chunks that come twice are taken once', async () => {
    server.copies = 3
    const [a, b] = [await connect(ws), await connect(ws)]
    await push(a, 1, 150)
    const pages = pull(b, 0)
    expect(await take(pages, 150)).toEqual(events(1, 150).map(({ seqNum }) => seqNum))
    await push(a, 151, 152)
    expect(await take(pages, 2)).toEqual([151, 152])
  })

  test('a live pull ends with the connection, and the next has what came meanwhile', async () => {
    const [a, b] = [await connect(ws), await connect(ws)]
    const pages = pull(b, 0)
    await pages.next()
    const next = pages.next()
    const lost = expect(next).rejects.toMatchObject({ name: 'IsOfflineError' })
    server.cut()
    await lost
    await Promise.all([saysConnected(a, true), saysConnected(b, true)])
    await push(a, 1, 3)
    expect(await take(pull(b, 0), 3)).toEqual([1, 2, 3])
  })

  test('tags of a later version are passed over', async () => {
    const backend = await connect(ws)
    const pages = pull(backend, 0)
    await pages.next()
    server.say('{"_tag":"Presence","of":["a"]}')
    await push(backend, 1, 1)
    expect(await take(pages, 1)).toEqual([1])
  })

  test('a connection that the server closes for a reason says it', async () => {
    const backend = await connect(ws)
    const pages = pull(backend, 0)
    await pages.next()
    const next = pages.next()
    const closed = expect(next).rejects.toThrow(/4003: the token has expired/)
    server.cut(4003, 'the token has expired')
    await closed
  })

  test('nothing is left open after close', async () => {
    const backend = await connect(ws)
    await backend.close?.()
    await expect.poll(() => server.connections, { timeout: 10_000 }).toBe(0)
  })
})

describe('over HTTP', () => {
  test('headers of the app go along', async () => {
    const seen: Record<string, string>[] = []
    const backend = await makeHttpSync({
      url: server.url,
      headers: { 'x-app': 'mine' },
      fetch: (url, init) => {
        seen.push(init.headers)
        return fetch(url, init)
      },
    })({ storeId: 'store ü', clientId: 'c', payload: undefined })
    open.push(backend)
    await backend.connect?.()
    expect(seen[0]).toMatchObject({
      'x-app': 'mine',
      'content-type': 'application/json',
      'x-livestore-store-id': 'store%20%C3%BC',
    })
  })

  test.each([
    [{ url: 'http://a', headers: 'x' }, /the option headers must be an object/],
    [{ url: 'http://a', livePull: { pollInterval: -1 } }, /livePull.pollInterval must be a number/],
    [{ url: 'http://a', fetch: 1 }, /the option fetch must be a function/],
    [{ url: 'http://a', webSocketFactory: () => 0 }, /webSocketFactory is not known/],
  ])('%j is refused', (options, text) => {
    expect(() => makeHttpSync(options as never)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', message: expect.stringMatching(text) }),
    )
  })
})
