import { describe, expect, test } from 'vitest'
import { TestStorage } from '../../test/doubles.js'
import { readIds } from './ids.js'
import { makeInMemoryAdapter, makePersistedAdapter, type PersistedAdapterOptions } from './index.js'
import { storageDirectory } from './options.js'
import { checkRequirements } from './requirements.js'
import { spawnSharedWorker, spawnWorker } from './spawn.js'

class FakeWorker {
  readonly name: string
  constructor({ name }: { name: string }) {
    this.name = name
  }
  postMessage(): void {}
  addEventListener(): void {}
  terminate(): void {}
}

const good = {
  worker: FakeWorker,
  sharedWorker: FakeWorker,
  storage: { type: 'opfs' },
} as unknown as PersistedAdapterOptions

const noBackend = (): undefined => undefined

describe('makePersistedAdapter', () => {
  test.each([
    ['worker', { worker: undefined }],
    ['worker', { worker: './worker.js' }],
    ['sharedWorker', { sharedWorker: undefined }],
    ['storage', { storage: undefined }],
    ['storage', { storage: { type: 'memory' } }],
    ['folder', { storage: { type: 'opfs', folder: 'a' } }],
    ['storage.directory', { storage: { type: 'opfs', directory: 'a/b' } }],
    ['storage.directory', { storage: { type: 'opfs', directory: 7 } }],
    ['storage.directory', { storage: { type: 'opfs', directory: 'a\\b' } }],
    ['storage.directory', { storage: { type: 'opfs', directory: 'a\nb' } }],
    ['storage.directory', { storage: { type: 'opfs', directory: 'a'.repeat(300) } }],
    ['resetPersistence', { resetPersistence: 'yes' }],
    ['liveStoreData', { liveStoreData: 'maybe' }],
    ['requestPersistentStorage', { requestPersistentStorage: 1 }],
    ['clientId', { clientId: '' }],
    ['clientId', { clientId: 'a\0b' }],
    ['sessionId', { sessionId: 'ä'.repeat(129) }],
    ['sessionId', { sessionId: 5 }],
    ['wasmUrl', { wasmUrl: 5 }],
    ['devtools', { devtools: {} }],
    ['experimental', { experimental: 1 }],
    ['liveReload', { experimental: { liveReload: true } }],
    ['disableFastPath', { experimental: { disableFastPath: 'yes' } }],
  ])('a wrong %s is named', (name, wrong) => {
    const make = () => makePersistedAdapter({ ...good, ...(wrong as object) })
    expect(make).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
    expect(make).toThrow(name)
  })

  test('in an environment that is no page, connecting says what is missing', async () => {
    const adapter = makePersistedAdapter(good)
    const options = { storeId: 's' } as Parameters<typeof adapter.connect>[0]
    await expect(adapter.connect(options)).rejects.toMatchObject({
      code: 'Unsupported',
      message: expect.stringContaining('window'),
    })
  })
})

test.each([
  ['sync', { sync: 7 }],
  ['sync.backend', { sync: {} }],
  ['sync.backend', { sync: { backend: {} } }],
  ['sync.retries', { sync: { backend: noBackend, retries: 7 } }],
  ['sync.livePull', { sync: { backend: noBackend, livePull: 1 } }],
  ['sync.onBackendIdMismatch', { sync: { backend: noBackend, onBackendIdMismatch: 'stop' } }],
  ['sync.onSyncError', { sync: { backend: noBackend, onSyncError: 'retry' } }],
  ['sync.initialSyncOptions', { sync: { backend: noBackend, initialSyncOptions: { _tag: 'No' } } }],
  ['timeout', { sync: { backend: noBackend, initialSyncOptions: { _tag: 'Blocking' } } }],
  ['clientId', { clientId: 5 }],
])('makeInMemoryAdapter names a wrong %s', (name, wrong) => {
  const make = () => makeInMemoryAdapter(wrong as object)
  expect(make).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(make).toThrow(name)
})

test('no directory, an empty one and / are the default', () => {
  expect([undefined, '', '/', 'mine'].map(storageDirectory)).toEqual([
    undefined,
    undefined,
    undefined,
    'mine',
  ])
})

describe('requirements', () => {
  const page = {
    window: {},
    navigator: { locks: {} },
    Worker: {},
    BroadcastChannel: {},
    MessageChannel: {},
    WebAssembly: {},
  }

  test('a page that has everything passes', () => {
    expect(() => checkRequirements(page)).not.toThrow()
  })

  test('everything that is missing is named, with the likely reason', () => {
    const insecure = { ...page, navigator: {}, BroadcastChannel: undefined, isSecureContext: false }
    expect(() => checkRequirements(insecure)).toThrow(
      /no navigator\.locks, no BroadcastChannel.*secure context/,
    )
    expect(() => checkRequirements({})).toThrow(/no window, no navigator\.locks.*makeInMemory/)
  })
})

describe('ids', () => {
  const sources = (local: TestStorage, session: TestStorage) => ({
    localStorage: () => local,
    sessionStorage: () => session,
  })

  test('are kept: the client id per store and device, the session id per tab', () => {
    const device = new TestStorage()
    const [tab, otherTab] = [new TestStorage(), new TestStorage()]
    const first = readIds(sources(device, tab), 'store', {})
    expect(first.clientId).toMatch(/^[\w-]{5}$/)
    expect(readIds(sources(device, tab), 'store', {})).toEqual(first)
    const inOtherTab = readIds(sources(device, otherTab), 'store', {})
    expect(inOtherTab.clientId).toBe(first.clientId)
    expect(inOtherTab.sessionId).not.toBe(first.sessionId)
    expect(readIds(sources(device, tab), 'other', {}).clientId).not.toBe(first.clientId)
    expect(device.getItem('livestore:clientId:store')).toBe(first.clientId)
    expect(tab.getItem('livestore:sessionId:store')).toBe(first.sessionId)
  })

  test('that are given win, and are not kept', () => {
    const [device, tab] = [new TestStorage(), new TestStorage()]
    const given = { clientId: 'mine', sessionId: 'now' }
    expect(readIds(sources(device, tab), 'store', given)).toEqual(given)
    expect(device.getItem('livestore:clientId:store')).toBeNull()
    expect(readIds(sources(device, tab), 'store', {}).clientId).not.toBe('mine')
  })

  test('are made anew where storage is blocked, or holds nonsense', () => {
    const blocked = (): never => {
      throw new DOMException('blocked', 'SecurityError')
    }
    const ids = readIds({ localStorage: blocked, sessionStorage: () => undefined }, 'store', {})
    expect(ids.clientId).toMatch(/^[\w-]{5}$/)
    expect(ids.sessionId).toMatch(/^[\w-]{5}$/)
    const nonsense = new TestStorage()
    nonsense.setItem('livestore:clientId:store', 'x'.repeat(300))
    expect(readIds(sources(nonsense, nonsense), 'store', {}).clientId).toMatch(/^[\w-]{5}$/)
  })
})

describe('workers', () => {
  test('are made from a class, a factory function and an arrow function, with their name', () => {
    function factory(options: { name: string }) {
      return new FakeWorker(options)
    }
    const sources = [FakeWorker, factory, (options: { name: string }) => new FakeWorker(options)]
    for (const source of sources) {
      expect(spawnWorker(source as never, 'w')).toMatchObject({ name: 'w' })
    }
  })

  test('an error inside a class is not hidden by a second try', () => {
    let calls = 0
    class Failing {
      constructor() {
        calls += 1
        throw new TypeError('no such script')
      }
    }
    expect(() => spawnWorker(Failing as never, 'w')).toThrow('no such script')
    expect(calls).toBe(1)
  })

  test('anything else that comes out is refused, naming the option', () => {
    expect(() => spawnWorker((() => undefined) as never, 'w')).toThrow('option worker')
    expect(() => spawnSharedWorker(FakeWorker as never, 'w')).toThrow('option sharedWorker')
  })
})
