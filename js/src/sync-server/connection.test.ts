import { expect, test } from 'vitest'
import type { SavedPull } from './connection.js'
import { MemoryStorage } from './memory-storage.js'
import { SyncServer, type SyncServerOptions } from './sync-server.js'
import { eventsFrom } from './test/storage-conformance.js'
import { wireEvents } from './test/wire-client.js'

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A connection whose socket is two arrays. */
const connected = async (
  options: Partial<SyncServerOptions> = {},
  {
    pendingBytes = (): number => 0,
    server = new SyncServer({ storage: new MemoryStorage(), ...options }),
  } = {},
) => {
  const sent: string[] = []
  const closed: (readonly [number, string])[] = []
  const saved: { pulls: readonly SavedPull[] } = { pulls: [] }
  const caller = { storeId: 's', payload: undefined, headers: new Map<string, string>() }
  const link = {
    send: (text: string) => void sent.push(text),
    close: (code: number, reason: string) => void closed.push([code, reason]),
    pendingBytes,
    save: (pulls: readonly SavedPull[]) => {
      saved.pulls = pulls
    },
  }
  const connection = server.connect(link, caller, await server.admit(caller))
  const request = (id: string, method: string, payload: object) =>
    connection.receive(
      JSON.stringify({
        _tag: 'Request',
        id,
        tag: `SyncWsRpc.${method}`,
        payload: { storeId: 's', ...payload },
      }),
    )
  const push = (id: string, batch: unknown) =>
    request(id, 'Push', { batch, backendId: { _tag: 'None' } })
  const pull = (id: string) => request(id, 'Pull', { cursor: { _tag: 'None' }, live: true })
  const numbers = (): number[] =>
    sent.flatMap((text) =>
      (JSON.parse(text).values ?? []).flatMap(
        (page: { batch: { eventEncoded: { seqNum: number } }[] }) =>
          page.batch.map(({ eventEncoded }) => eventEncoded.seqNum),
      ),
    )
  return { server, connection, sent, closed, saved, push, pull, numbers }
}

test('a connection that slept goes on with its live pulls where they were', async () => {
  const storage = new MemoryStorage()
  const before = await connected({ storage })
  before.pull('4')
  before.push('5', wireEvents(1, 3))
  await settle()
  expect(before.saved.pulls).toEqual([['4', 3]])
  // The process is gone; somebody pushes; it is begun anew from what was saved.
  await storage.append('s', 3, eventsFrom(4, 2))
  const after = await connected({ storage })
  after.connection.resume(before.saved.pulls)
  await settle()
  expect(after.numbers()).toEqual([4, 5])
  after.push('6', wireEvents(6, 1))
  await settle()
  expect(after.numbers()).toEqual([4, 5, 6])
  expect(after.saved.pulls).toEqual([['4', 6]])
})

test('one that slept without news is sent nothing when it wakes', async () => {
  const { connection, sent } = await connected()
  connection.resume([['1', 0]])
  await settle()
  expect(sent).toEqual([])
})

test('who comes while a client that has gone is still appending hears of it', async () => {
  const storage = new MemoryStorage()
  const append = storage.append.bind(storage)
  let release = (): void => {}
  storage.append = async (...args) => {
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return append(...args)
  }
  const server = new SyncServer({ storage })
  const gone = await connected({}, { server })
  gone.push('0', wireEvents(1, 2))
  await settle()
  gone.connection.gone()
  await settle()
  const later = await connected({}, { server })
  later.pull('0')
  await settle()
  expect(later.numbers()).toEqual([])
  release()
  await settle()
  expect(later.numbers()).toEqual([1, 2])
  later.connection.gone()
  await settle()
  expect(server.rooms).toBe(0)
})

test('a push whose client goes while a hook thinks about it is not appended unheard', async () => {
  let decide = (): void => {}
  const onPush = () =>
    new Promise<void>((resolve) => {
      decide = resolve
    })
  const storage = new MemoryStorage()
  const server = new SyncServer({ storage, hooks: { onPush } })
  const gone = await connected({}, { server })
  gone.push('0', wireEvents(1, 2))
  await settle()
  gone.connection.gone()
  await settle()
  decide()
  await settle()
  expect((await storage.head('s')).head).toBe(0)
  expect(gone.sent).toEqual([])
})

test('a payload that is not valid any more ends a quiet live pull too', async () => {
  let isValid = true
  const { server, sent, closed, pull } = await connected({
    limits: { payloadValidMs: 0 },
    hooks: {
      validatePayload() {
        if (!isValid) throw new Error('expired')
      },
    },
  })
  pull('0')
  await settle()
  await server.recheckAll()
  expect(closed).toEqual([])
  isValid = false
  await server.recheckAll()
  expect(JSON.parse(sent.at(-1) as string).exit.cause.error.cause).toEqual({
    name: 'UnauthorizedError',
    message: 'expired',
  })
  expect(closed).toEqual([[4401, 'the payload is not valid any more']])
})

test('a client that does not read is disconnected, and costs no more', async () => {
  const { connection, closed, sent, pull } = await connected(
    { limits: { sendBytesPendingMax: 1000 } },
    { pendingBytes: () => 1001 },
  )
  pull('0')
  await settle()
  expect(closed).toEqual([[4008, 'the client does not read']])
  connection.receive('{"_tag":"Ping"}')
  expect(sent).toEqual([])
})

test('a client that acknowledges nothing holds no event in memory, and others go on', async () => {
  const server = new SyncServer({ storage: new MemoryStorage(), limits: { pageEventsMax: 10 } })
  const slow = await connected({}, { server })
  const quick = await connected({}, { server })
  slow.pull('0')
  await settle()
  for (let first = 1; first <= 1000; first += 10) {
    quick.push(String(first), wireEvents(first, 10))
    await settle()
  }
  expect(slow.sent.length).toBe(server.limits.pagesUnackedMax)
  quick.pull('0')
  for (let ack = 0; ack < 200; ack++) {
    quick.connection.receive('{"_tag":"Ack","requestId":"0"}')
    await settle()
  }
  expect(quick.numbers()).toHaveLength(1000)
  for (let ack = 0; ack < 200; ack++) {
    slow.connection.receive('{"_tag":"Ack","requestId":"0"}')
    await settle()
  }
  expect(slow.numbers()).toEqual(quick.numbers())
})

test('a storage that fails is said without its words, and asked again', async () => {
  const storage = new MemoryStorage()
  const problems: unknown[] = []
  let broken = true
  const head = storage.head.bind(storage)
  storage.head = async (storeId) => {
    if (broken) throw new Error('password of host db.internal is wrong')
    return head(storeId)
  }
  const { sent, push } = await connected({ storage, onProblem: (error) => problems.push(error) })
  push('0', wireEvents(1, 1))
  await settle()
  expect(sent[0]).toContain('the storage of the server failed')
  expect(sent[0]).not.toContain('password')
  expect(String(problems[0])).toContain('password')
  broken = false
  push('1', wireEvents(1, 1))
  await settle()
  expect(JSON.parse(sent[1] as string).exit._tag).toBe('Success')
})

test('whatever is sent, nothing throws, and the log stays in order', async () => {
  const { connection, sent, push, pull, server } = await connected({
    limits: { malformedFramesMax: 1e9, pullsPerConnectionMax: 1e9 },
  })
  // A fixed generator: the same frames every time.
  let state = 12345
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  pull('0')
  const seeds = [
    '{"_tag":"Ack","requestId":"0"}',
    '{"_tag":"Interrupt","requestId":"0"}',
    JSON.stringify({
      _tag: 'Request',
      id: '1',
      tag: 'SyncWsRpc.Pull',
      payload: { storeId: 's', cursor: { _tag: 'None' }, live: true },
    }),
    JSON.stringify({
      _tag: 'Request',
      id: '2',
      tag: 'SyncWsRpc.Push',
      payload: { storeId: 's', batch: wireEvents(1, 2), backendId: { _tag: 'None' } },
    }),
  ]
  const pieces = ['"', '{', '}', '[', ']', ',', ':', 'null', '-1', '1e99', '\\u0000', '"__proto__"']
  for (let round = 0; round < 5000; round++) {
    let text = seeds[random(seeds.length)] as string
    for (let change = random(4); change > 0; change--) {
      const at = random(text.length)
      const piece = pieces[random(pieces.length)] as string
      text = text.slice(0, at) + piece + text.slice(at + random(6))
    }
    connection.receive(text)
    if (round % 100 === 0) await settle()
  }
  await settle()
  for (const text of sent) expect(JSON.parse(text)).toHaveProperty('_tag')
  const other = await connected({}, { server })
  other.pull('0')
  await settle()
  const count = other.numbers().length
  other.push('1', wireEvents(count + 1, 1))
  await settle()
  expect(other.numbers()).toEqual(Array.from({ length: count + 1 }, (_, index) => index + 1))
  push('9', [])
})
