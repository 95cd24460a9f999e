/**
 * Clients that sync through one server, with the real engine, leader workers, tabs and files in
 * each; the server and its faults are in memory.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { queryDb } from '../src/reactivity/definitions.js'
import type { SyncOptions } from '../src/sync/options.js'
import { backendAnswerMsMax, backendQuietMsMax } from '../src/sync/sync-driver.js'
import { EngineOrigin, type EngineTab } from './engine-origin.js'
import { type Call, Connection, MockSyncServer } from './mock-sync-server.js'
import { events, oddMaterializer, todos } from './todo-schema.js'

/** Longer than any wait between two tries. */
const longEnough = 31_000

let server: MockSyncServer
let devices: Device[]

class Device {
  readonly connection = new Connection(server)
  readonly origin: EngineOrigin

  constructor(options: Partial<SyncOptions> = {}) {
    this.origin = new EngineOrigin({ backend: this.connection.make, ...options })
    devices.push(this)
  }
}

/** Lets time pass on every device. */
const pass = async (ms: number): Promise<void> => {
  await Promise.all(devices.map(({ origin }) => origin.pass(ms)))
}

/** Every tab shows what the server has, in its order. */
const expectConverged = (...tabs: EngineTab[]): void => {
  for (const tab of tabs) expect(tab.ids()).toEqual(server.log)
}

/** What pages said on their consoles. */
let printed: string[]

beforeEach(() => {
  printed = []
  vi.spyOn(console, 'warn').mockImplementation((text: string) => void printed.push(text))
  server = new MockSyncServer()
  devices = []
})
afterEach(async () => {
  oddMaterializer.run = () => []
  vi.restoreAllMocks()
  for (const { origin } of devices) await origin.close()
})

describe('two clients', () => {
  test('see what the other commits, in every tab', async () => {
    const [one, two] = [new Device(), new Device()]
    const [a, b, c] = [
      await one.origin.openTab(),
      await one.origin.openTab(),
      await two.origin.openTab(),
    ]
    a.add('from a')
    await pass(100)
    c.add('from c')
    await pass(100)
    b.add('from b')
    await pass(100)
    expect(server.log).toEqual(['from a', 'from c', 'from b'])
    expectConverged(a, b, c)
    expect(server.made[0]).toEqual({
      storeId: 'store',
      clientId: a.store.clientId,
      payload: { token: 'secret' },
    })
    expect(devices.flatMap(({ origin }) => origin.warnings)).toEqual([])
  })

  test('that both commit offline agree afterwards, in the order of the server', async () => {
    const [one, two] = [new Device(), new Device()]
    const [a, b, c] = [
      await one.origin.openTab(),
      await one.origin.openTab(),
      await two.origin.openTab(),
    ]
    a.add('before')
    await pass(100)
    for (const { connection } of [one, two]) connection.setOnline(false)
    for (const id of ['a1', 'a2']) a.add(id)
    b.add('b1')
    for (const id of ['c1', 'c2']) c.add(id)
    await pass(5_000)
    expect(a.ids()).toEqual(['before', 'a1', 'a2', 'b1'])
    expect(c.ids()).toEqual(['before', 'c1', 'c2'])
    two.connection.setOnline(true)
    await pass(longEnough)
    one.connection.setOnline(true)
    await pass(longEnough)
    expect(server.log).toEqual(['before', 'c1', 'c2', 'a1', 'a2', 'b1'])
    expectConverged(a, b, c)
  })

  test('go on at once when the backend says that there is a connection again', async () => {
    const [one, two] = [new Device(), new Device()]
    for (const { connection } of [one, two]) connection.saysIfConnected = true
    const [a, b] = [await one.origin.openTab(), await two.origin.openTab()]
    await pass(100)
    one.connection.setOnline(false)
    await pass(1_000)
    const before = one.connection.calls.length
    a.add('a1')
    await pass(10 * longEnough)
    expect(one.connection.calls.length, 'nothing is asked while offline').toBe(before)
    one.connection.setOnline(true)
    await pass(10)
    expect(server.log).toEqual(['a1'])
    expectConverged(a, b)
  })

  test('a push that comes too late is merged and pushed again', async () => {
    const [one, two] = [new Device(), new Device()]
    const [a, b] = [await one.origin.openTab(), await two.origin.openTab()]
    await pass(100)
    let inTheWay = 3
    one.connection.trouble = (call) => {
      if (call === 'push' && inTheWay-- > 0) {
        server.add('v1.TodoCreated', { id: `other${inTheWay}`, text: '' })
      }
      return undefined
    }
    a.add('a1')
    await pass(longEnough)
    expect(server.log).toEqual(['other2', 'other1', 'other0', 'a1'])
    expectConverged(a, b)
  })

  test('many events go in many pages and pushes', async () => {
    server.pageSize = 7
    const [one, two] = [new Device(), new Device()]
    const a = await one.origin.openTab()
    for (let i = 0; i < 300; i++) a.add(`a${i}`)
    await pass(longEnough)
    expect(server.log).toHaveLength(300)
    const b = await two.origin.openTab()
    await pass(longEnough)
    expectConverged(a, b)
  })

  test('without live pulls a client hears of others at a push and at a reload', async () => {
    const [one, two] = [new Device({ livePull: false }), new Device({ livePull: false })]
    const [a, b] = [await one.origin.openTab(), await two.origin.openTab()]
    await pass(100)
    a.add('a1')
    await pass(100)
    expect(b.ids()).toEqual([])
    b.add('b1')
    await pass(longEnough)
    expectConverged(b)
    expect(server.log).toEqual(['a1', 'b1'])
    await a.store.shutdown()
    const again = await one.origin.openTab()
    await pass(100)
    expectConverged(again)
  })
})

test('events that are not persisted show wherever a store lives, and nowhere else', async () => {
  const [one, two] = [new Device(), new Device()]
  const [a, b] = [await one.origin.openTab(), await one.origin.openTab()]
  const c = await two.origin.openTab()
  a.add('a1')
  await pass(100)
  const seen: number[] = []
  c.store.subscribe(queryDb(todos.count()), (count) => seen.push(count))
  a.store.commit({ persisted: false }, events.todoCreated({ id: 'passing', text: '' }))
  expect(a.ids()).toEqual(['a1', 'passing'])
  await pass(100)
  expect([b.ids(), c.ids()]).toEqual(Array(2).fill(['a1', 'passing']))
  c.add('c1')
  await pass(100)
  for (const tab of [a, b, c]) expect(tab.ids()).toEqual(['a1', 'c1', 'passing'])
  expect(seen).toEqual([1, 2, 3])
  expect(server.log).toEqual(['a1', 'c1'])
  expect(a.store.syncStatus().pendingCount).toBe(0)
  const wrong = () => a.store.commit({ persisted: false }, { name: 'v1.Nothing', args: {} })
  expect(wrong).toThrow(expect.objectContaining({ code: 'UnknownEvent' }))
  const later = await one.origin.openTab()
  expect(later.ids()).toEqual(['a1', 'c1'])
})

test('a client whose id another one has goes by a new one, in every tab and for good', async () => {
  const device = new Device()
  const [a, b] = [await device.origin.openTab(), await device.origin.openTab()]
  a.add('a1')
  await pass(100)
  const { clientId } = a.store
  server.add('v1.TodoCreated', { id: 'twin', text: '' }, { clientId, sessionId: 'elsewhere' })
  await pass(longEnough)
  expect(a.store.clientId).not.toBe(clientId)
  expect(b.store.clientId).toBe(a.store.clientId)
  expect(printed).toEqual(Array(2).fill(expect.stringContaining(clientId)))
  b.add('b1')
  await pass(longEnough)
  expect(server.events.map((event) => event.clientId)).toEqual([
    clientId,
    clientId,
    a.store.clientId,
  ])
  expectConverged(a, b)
  const later = await device.origin.openTab()
  expect(later.store.clientId).toBe(a.store.clientId)
})

test('what was committed offline survives a reload, and is pushed once', async () => {
  const device = new Device()
  device.connection.setOnline(false)
  const before = await device.origin.openTab()
  for (const id of ['a1', 'a2']) before.add(id)
  await pass(100)
  await before.store.shutdown()
  server.add('v1.TodoCreated', { id: 'other', text: '' })
  const after = await device.origin.openTab()
  expect(after.ids()).toEqual(['a1', 'a2'])
  device.connection.setOnline(true)
  await pass(longEnough)
  expect(server.log).toEqual(['other', 'a1', 'a2'])
  expectConverged(after)
})

test('a leader that dies amid pushes doubles nothing', async () => {
  const device = new Device()
  const [a, b] = [await device.origin.openTab(), await device.origin.openTab()]
  for (let i = 0; i < 40; i++) {
    b.add(`b${i}`)
    await new Promise((resolve) => setImmediate(resolve))
    if (i === 20) a.context.kill()
  }
  await pass(longEnough)
  expect(server.log).toHaveLength(40)
  expectConverged(b)
})

test('an event that the backend refuses is taken back and its author hears of it', async () => {
  server.refuses = ({ args }) => ((args as { id: string }).id === 'bad' ? 'too bad' : undefined)
  const device = new Device()
  const [a, b] = [await device.origin.openTab(), await device.origin.openTab()]
  for (const id of ['good', 'bad', 'good too']) b.add(id)
  await pass(longEnough)
  expect(server.log).toEqual(['good', 'good too'])
  expectConverged(a, b)
  expect(b.rejected).toMatchObject([
    { counter: 2, accepted: true, code: 'BackendRefused', message: 'too bad' },
  ])
  expect(a.rejected).toEqual([])
  expect(printed).toEqual(Array(2).fill(expect.stringContaining('BackendRefused')))
})

test('events of others that fail here, or are not known, are kept without effect', async () => {
  oddMaterializer.run = () => {
    throw new Error('not here')
  }
  const device = new Device()
  const a = await device.origin.openTab()
  server.add('v9.Unknown', { id: 'x' })
  server.add('v1.Odd', { text: 'x' })
  server.add('v1.TodoCreated', { id: 'known', text: '' })
  await pass(100)
  a.add('mine')
  await pass(100)
  expect(a.ids()).toEqual(['known', 'mine'])
  expect(server.events).toHaveLength(4)
  expect(printed).toEqual([
    expect.stringContaining('"v9.Unknown"'),
    expect.stringContaining("'v1.Odd'"),
  ])
  const late = await device.origin.openTab()
  expect(late.ids()).toEqual(['known', 'mine'])
  expect(late.statuses).toContainEqual({
    stage: 'warning',
    reason: 'event-skipped',
    message: expect.stringContaining("'v1.Odd'"),
  })
})

describe('initial sync', () => {
  const blocking = (timeout: number): Partial<SyncOptions> => ({
    initialSyncOptions: { _tag: 'Blocking', timeout },
  })

  test('blocking boots with what the server has, and says how far it is', async () => {
    server.pageSize = 2
    for (let i = 0; i < 5; i++) server.add('v1.TodoCreated', { id: `s${i}`, text: '' })
    const tab = await new Device(blocking(5_000)).origin.openTab()
    expectConverged(tab)
    const syncing = tab.statuses.flatMap((status) =>
      status.stage === 'syncing' ? [status.progress] : [],
    )
    expect(syncing).toEqual([
      { done: 0, total: -1 },
      { done: 2, total: 5 },
      { done: 4, total: 5 },
      { done: 5, total: 5 },
    ])
    expect(tab.statuses.at(-1)).toEqual({ stage: 'done' })
  })

  test('blocking ends after its time, and the store works', async () => {
    const device = new Device(blocking(2_000))
    device.connection.trouble = () => new Promise(() => undefined)
    const opening = device.origin.openTab()
    await pass(1_900)
    const isOpen = await Promise.race([opening.then(() => true), pass(0).then(() => false)])
    expect(isOpen).toBe(false)
    await pass(200)
    const tab = await opening
    tab.add('mine')
    expect(tab.ids()).toEqual(['mine'])
  })

  test('skipped, the default, does not wait', async () => {
    const device = new Device()
    device.connection.trouble = () => new Promise(() => undefined)
    const tab = await device.origin.openTab()
    expect(tab.statuses.map(({ stage }) => stage)).not.toContain('syncing')
  })
})

describe('another backend', () => {
  const moved = async (options: Partial<SyncOptions>) => {
    const device = new Device(options)
    const tab = await device.origin.openTab()
    tab.add('synced')
    await pass(100)
    device.connection.setOnline(false)
    tab.add('pending')
    await pass(100)
    server.id = 'another'
    server.events = []
    server.add('v1.TodoCreated', { id: 'theirs', text: '' })
    device.connection.setOnline(true)
    await pass(10 * longEnough)
    return tab
  }

  test('has its events taken in place of the old one’s, and gets what was pending', async () => {
    const tab = await moved({})
    expect(server.log).toEqual(['theirs', 'pending'])
    expectConverged(tab)
  })

  test('is left alone on wish', async () => {
    const tab = await moved({ onBackendIdMismatch: 'ignore' })
    expect(server.log).toEqual(['theirs'])
    expect(tab.ids()).toEqual(['synced', 'pending'])
  })

  test('ends every store on wish, with a code, and nothing is lost or taken', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const tab = await moved({ onBackendIdMismatch: 'shutdown' })
    expect(server.log).toEqual(['theirs'])
    expect(() => tab.ids()).toThrow(expect.objectContaining({ code: 'SyncBackendReplaced' }))
    expect(said.mock.calls).toEqual([[expect.stringContaining('SyncBackendReplaced')]])
    const again = await devices[0]?.origin.openTab()
    expect(again?.ids()).toEqual(['synced', 'pending'])
    await pass(longEnough)
    expect(() => again?.ids()).toThrow(expect.objectContaining({ code: 'SyncBackendReplaced' }))
  })
})

test('a backend that fails ends the stores on wish, and keeps what they committed', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const device = new Device({ onSyncError: 'shutdown' })
  const [a, b] = [await device.origin.openTab(), await device.origin.openTab()]
  device.connection.setOnline(false)
  await pass(longEnough)
  a.add('offline')
  b.add('is no failure')
  device.connection.setOnline(true)
  device.connection.trouble = (call) => (call === 'push' ? undefined : Promise.reject('broken'))
  b.add('last')
  await pass(longEnough)
  for (const { store } of [a, b]) {
    expect(() => store.commit()).toThrow(expect.objectContaining({ code: 'SyncFailed' }))
  }
  device.connection.trouble = () => undefined
  const after = await device.origin.openTab()
  expect(after.ids()).toEqual(['offline', 'is no failure', 'last'])
})

describe('a backend that', () => {
  const wrongPages = (): unknown[] => {
    const item = (seqNum: number, more: object = {}) => ({
      eventEncoded: {
        name: 'v1.TodoCreated',
        args: { id: `wrong${seqNum}`, text: '' },
        seqNum,
        parentSeqNum: seqNum - 1,
        clientId: 'x',
        sessionId: 'x',
        ...more,
      },
    })
    const next = server.events.length + 1
    const pageInfo = { _tag: 'NoMore' }
    return [
      null,
      7,
      {},
      { batch: 'x', pageInfo },
      { batch: [], pageInfo: { _tag: 'Perhaps' } },
      { batch: [{}], pageInfo },
      { batch: [item(next, { name: 7 })], pageInfo },
      { batch: [item(next, { name: '' })], pageInfo },
      { batch: [item(next, { seqNum: -1 })], pageInfo },
      { batch: [item(next, { parentSeqNum: next })], pageInfo },
      { batch: [item(next, { args: 1n })], pageInfo },
      { batch: [item(next + 5)], pageInfo },
      { batch: [item(next), item(next)], pageInfo },
      { batch: [], pageInfo, backendId: 7 },
    ]
  }

  test('sends nonsense is said so, and asked again', async () => {
    const device = new Device()
    const tab = await device.origin.openTab()
    await pass(100)
    for (const [index, wrong] of wrongPages().entries()) {
      device.connection.trouble = (call) => (call === 'page' ? wrong : undefined)
      server.changed()
      await pass(100)
      expect(device.origin.warnings.splice(0), `answer ${index}`).toEqual([
        expect.stringMatching(/MalformedBytes|UpstreamGap/),
      ])
      device.connection.trouble = () => undefined
      await pass(longEnough)
    }
    server.add('v1.TodoCreated', { id: 'right', text: '' })
    await pass(longEnough)
    expectConverged(tab)
  })

  test.each<Call>(['make', 'connect', 'pull', 'page', 'push'])('fails at %s', async (where) => {
    const wrongs = [
      () => {
        throw new Error('thrown')
      },
      () => Promise.reject(new Error('rejected')),
      () => Promise.reject(undefined),
      () => new Promise(() => undefined),
    ]
    for (const wrong of wrongs) {
      const device = new Device()
      let times = 3
      device.connection.trouble = (call) => (call === where && times-- > 0 ? wrong() : undefined)
      const tab = await device.origin.openTab()
      const id = `todo ${devices.length}`
      tab.add(id)
      await pass(4 * (backendAnswerMsMax + longEnough))
      expect(server.log).toContain(id)
      expectConverged(tab)
    }
  })

  test.each([1, 2, 3])('fails in every way at random does no lasting harm (%i)', async (first) => {
    let seed = first
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    const [one, two] = [new Device(), new Device()]
    for (const { connection } of [one, two]) {
      connection.trouble = (call) => {
        if (random(3) > 0) return undefined
        switch (random(5)) {
          case 0:
            throw new Error('thrown')
          case 1:
            return new Promise(() => undefined)
          case 2:
            return Promise.reject(new Error('rejected'))
          case 3:
            return call === 'page' ? wrongPages()[random(14)] : undefined
          default:
            // Taken, and the answer is lost.
            if (call === 'push') connection.losesAnswer = true
            return undefined
        }
      }
    }
    const [a, b] = [await one.origin.openTab(), await two.origin.openTab()]
    for (let i = 0; i < 30; i++) {
      a.add(`a${i}`)
      if (i % 3 === 0) b.add(`b${i}`)
      await pass(random(20_000))
    }
    for (const { connection } of [one, two]) connection.trouble = () => undefined
    await pass(3 * (backendQuietMsMax + longEnough))
    expect(server.log).toHaveLength(40)
    expectConverged(a, b)
  })
})
