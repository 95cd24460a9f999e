/** One leader worker by itself: what it says to its tab, and what it holds on to. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { serveBlocks } from '../../js/src/adapter-web/block-store.js'
import { LiveStoreError } from '../../js/src/errors.js'
import type { LiveStoreDataAnswer, LiveStoreLog } from '../../js/src/protocol/messages.js'
import type { BackendRequest } from '../../js/src/wasm/leader.js'
import {
  settle,
  TestBroadcasts,
  TestClock,
  TestContext,
  TestLocks,
  TestOpfs,
  TestPort,
  UnsyncedLeader,
} from '../../js/test/doubles.js'
import { TestIndexedDb, TestKeyRange } from '../../js/test/indexed-db.js'
import {
  type BootableLeader,
  type LeaderFactory,
  LeaderHost,
  leaderLockWaitMsMax,
  receiveAfterMs,
} from './leader-host.js'

/** Held for as long as the worker lives. */
const ownLock = 'livestore-wasm-worker-w1'

const emptyModule = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))

let clock: TestClock
let locks: TestLocks
let opfs: TestOpfs
let broadcasts: TestBroadcasts
let tab: TestPort
let said: string[]
let session: TestPort
let heard: string[]
let bootSteps: { stage: 'migrating' | 'rehydrating' | 'done'; done: number; total: number }[]
let leaderCalls: string[]
let hasLiveStoreData: boolean
let factory: { -readonly [K in keyof LeaderFactory]: LeaderFactory[K] }

const leader: BootableLeader = Object.assign(new UnsyncedLeader(), {
  schemaHash: 'h',
  bootStep: () => {
    leaderCalls.push('bootStep')
    return bootSteps.shift() ?? { stage: 'done', done: 0, total: 0 }
  },
  submit: () => leaderCalls.push('submit'),
  submitOrphans: () => leaderCalls.push('submitOrphans'),
  drain: () => {
    leaderCalls.push('drain')
    return { entries: [], rejoin: false, skipped: [], refused: [] }
  },
  settledAfter: () => new Uint8Array(),
  join: () => ({ image: new Uint8Array(1), history: new Uint8Array(1), clientId: '' }),
  close: () => leaderCalls.push('close'),
})

beforeEach(() => {
  clock = new TestClock()
  locks = new TestLocks()
  opfs = new TestOpfs()
  broadcasts = new TestBroadcasts()
  bootSteps = []
  leaderCalls = []
  hasLiveStoreData = false
  said = []
  const { port1, port2 } = TestPort.channel({ autoStart: true })
  tab = port1
  tab.addEventListener('message', ({ data }) => {
    const { type, code } = data as { type: string; code?: string }
    said.push(code === undefined ? type : `${type} ${code}`)
  })
  const env = {
    clock,
    locks: locks.for(new TestContext()),
    getDirectory: () => opfs.getDirectory(new TestContext()),
    openBroadcast: (name: string) => broadcasts.open(name, new TestContext()),
    createChannel: () => TestPort.channel(),
    nonce: 'w1',
    warn: () => undefined,
  }
  factory = { fileNames: ['eventlog.db'], startEngine: async () => () => leader }
  new LeaderHost(port2, env, factory)
})

const init = (overrides: object = {}): void => {
  const forSession = TestPort.channel()
  session = forSession.port1
  heard = []
  session.addEventListener('message', ({ data }) => {
    const { type, status } = data as { type: string; status?: { stage: string } }
    heard.push(status?.stage ?? type)
  })
  session.start()
  tab.postMessage(
    {
      type: 'init',
      protocol: 1,
      storeId: 'store',
      clientId: 'client',
      directory: 'd',
      resetPersistence: false,
      sessionPort: forSession.port2,
      ...overrides,
    },
    [forSession.port2 as unknown as Transferable],
  )
}
const sendEngine = (): void =>
  tab.postMessage({ type: 'engine', wasmModule: emptyModule, hasLiveStoreData })
const shutDown = (): void => tab.postMessage({ type: 'shutdown' })
const openFiles = (): number => [...opfs.files.values()].filter(({ open }) => open).length

test('opens storage before the engine has arrived, and boots when it has', async () => {
  bootSteps = [
    { stage: 'migrating', done: 1, total: 1 },
    { stage: 'rehydrating', done: 5, total: 9 },
  ]
  init()
  await settle()
  expect(said).toEqual(['started', 'leading'])
  expect(openFiles()).toBe(1)
  expect(leaderCalls).toEqual([])
  sendEngine()
  await settle()
  expect(heard).toEqual(['migrating', 'rehydrating', 'done'])
})

test('a shutdown ends the leader, closes the files and frees the lock, in this order', async () => {
  init()
  sendEngine()
  await settle()
  shutDown()
  await settle()
  expect(said).toEqual(['started', 'leading', 'receiving', 'shutdown-done'])
  expect(leaderCalls).toEqual(['bootStep', 'drain', 'close'])
  expect(openFiles()).toBe(0)
  expect(locks.heldNames()).toEqual([ownLock])
})

test('a shutdown while the engine is still awaited leaves nothing open', async () => {
  init()
  await settle()
  shutDown()
  await settle()
  expect(said).toEqual(['started', 'leading', 'shutdown-done'])
  expect(openFiles()).toBe(0)
  expect(locks.heldNames()).toEqual([ownLock])
})

test('a session that comes after a shutdown is not answered: the next leader does it', async () => {
  const broker = TestPort.channel()
  tab.postMessage({ type: 'broker', port: broker.port2 }, [broker.port2 as unknown as Transferable])
  const heardBy = (name: string): unknown[] => {
    const heard: unknown[] = []
    broadcasts
      .open(name, new TestContext())
      .addEventListener('message', ({ data }) => heard.push(data))
    return heard
  }
  const [before, after] = [heardBy('before'), heardBy('after')]
  broker.port1.postMessage({ type: 'session-channel', session: 's1', channel: 'before' })
  await settle()
  shutDown()
  await settle()
  broker.port1.postMessage({ type: 'session-channel', session: 's2', channel: 'after' })
  await settle()
  expect([before, after]).toEqual([['open'], []])
})

test('a shutdown amid a long boot ends it at the next step', async () => {
  bootSteps = Array.from({ length: 1_000 }, (_, done) => ({
    stage: 'rehydrating' as const,
    done,
    total: 1_000,
  }))
  init()
  sendEngine()
  await clock.advance(0)
  shutDown()
  await settle()
  await settle()
  expect(said.at(-1)).toBe('shutdown-done')
  expect(leaderCalls.at(-1)).toBe('close')
  expect(bootSteps.length).toBeGreaterThan(800)
})

test('a shutdown before anything else is answered', async () => {
  shutDown()
  await settle()
  expect(said).toEqual(['started', 'shutdown-done'])
})

test('a leader before it is waited for, and is StorageBusy if it does not end', async () => {
  const other = new TestContext()
  const held = new Promise<void>(() => undefined)
  void locks.for(other).request('livestore-wasm-leader-store', {}, () => held)
  await settle()
  init()
  sendEngine()
  await clock.advance(leaderLockWaitMsMax - 1)
  expect(said).toEqual(['started'])
  other.kill()
  await settle()
  expect(said).toEqual(['started', 'leading', 'receiving'])

  // Another worker, whose wait ends before its turn comes.
  const { port1, port2 } = TestPort.channel({ autoStart: true })
  const answers: unknown[] = []
  port1.addEventListener('message', ({ data }) => answers.push(data))
  tab = port1
  const env = {
    clock,
    locks: locks.for(new TestContext()),
    getDirectory: undefined,
    openBroadcast: (name: string) => broadcasts.open(name, new TestContext()),
    createChannel: () => TestPort.channel(),
    nonce: 'w2',
    warn: () => undefined,
  }
  new LeaderHost(port2, env, { fileNames: [], startEngine: async () => () => leader })
  init()
  await clock.advance(leaderLockWaitMsMax)
  expect(answers.at(-1)).toMatchObject({ type: 'error', code: 'StorageBusy' })
})

test('other tabs come after a warm boot, or as soon as it takes longer than one', async () => {
  init()
  await settle()
  await clock.advance(receiveAfterMs - 1)
  expect(said).toEqual(['started', 'leading'])
  await clock.advance(1)
  expect(said).toEqual(['started', 'leading', 'receiving'])
  sendEngine()
  await settle()
  expect(said).toEqual(['started', 'leading', 'receiving'])
})

test('a boot that fails says why, closes the files, and keeps the lock', async () => {
  const { bootStep } = leader
  leader.bootStep = () => {
    throw new Error('out of memory')
  }
  try {
    init()
    sendEngine()
    await settle()
  } finally {
    leader.bootStep = bootStep
  }
  expect(said).toEqual(['started', 'leading', 'error Internal'])
  expect(heard).toEqual(['error'])
  expect(openFiles()).toBe(0)
  expect(locks.heldNames()).toEqual([ownLock, 'livestore-wasm-leader-store'])
})

describe('with a sync backend', () => {
  const made: unknown[] = []
  const sync = (initialSyncMs?: number): void => {
    factory.sync = {
      makeBackend: (args) => {
        made.push(args)
        return new Promise(() => undefined)
      },
      initialSyncMs,
      livePull: true,
      onBackendIdMismatch: 'reset',
      onSyncError: 'ignore',
    }
  }
  let requests: BackendRequest[] = []
  const plain = { nextRequests: leader.nextRequests }

  beforeEach(() => {
    requests = [
      { kind: 'pull', number: 1, backendId: '', cursor: 0, cursorMetadata: '', live: true },
    ]
    made.length = 0
    leader.nextRequests = () => requests.splice(0)
  })
  afterEach(() => {
    leader.nextRequests = plain.nextRequests
  })

  test('the backend is made with what the tab gave, once the leader has booted', async () => {
    sync()
    init({ syncPayload: { token: 1 } })
    await settle()
    expect(made).toEqual([])
    sendEngine()
    await settle()
    expect(made).toEqual([{ storeId: 'store', clientId: 'client', payload: { token: 1 } }])
    expect(heard).toEqual(['done'])
  })

  test('a shutdown amid the initial sync ends it', async () => {
    sync(60_000)
    init()
    sendEngine()
    await settle()
    expect(heard).toEqual(['syncing'])
    shutDown()
    await settle()
    expect(said).toEqual(['started', 'leading', 'receiving', 'shutdown-done'])
    expect(leaderCalls.at(-1)).toBe('close')
    expect(locks.heldNames()).toEqual([ownLock])
    await clock.advance(120_000)
    expect(leaderCalls.at(-1)).toBe('close')
  })

  test('an engine that breaks while it syncs is a crash', async () => {
    sync(60_000)
    leader.nextRequests = () => {
      throw new WebAssembly.RuntimeError('unreachable')
    }
    init()
    sendEngine()
    await settle()
    expect(said).toEqual(['started', 'leading', 'receiving', 'crashed'])
    expect(heard).toEqual(['syncing', 'error'])
    expect(openFiles()).toBe(0)
  })
})

test.each([
  ['an init of another protocol', { protocol: 2 }],
  ['an init without a directory', { directory: undefined }],
])('%s is refused', async (_, wrong) => {
  init(wrong)
  await settle()
  expect(said).toEqual(['started', 'error ProtocolMismatch'])
  expect(locks.heldNames()).toEqual([ownLock])
})

describe('data of LiveStore', () => {
  const log = (size: number): LiveStoreLog => ({
    database: new ArrayBuffer(size),
    journal: new ArrayBuffer(0),
    generations: true,
  })
  const plain = { importLiveStore: leader.importLiveStore, localHead: leader.localHead }
  let imported: (number | undefined)[]
  let outcomes: (number | LiveStoreError)[]
  let asked: string[]

  beforeEach(() => {
    hasLiveStoreData = true
    imported = []
    outcomes = []
    asked = []
    leader.importLiveStore = (found) => {
      imported.push(found?.database.byteLength)
      const outcome = outcomes.shift() ?? 0
      if (outcome instanceof LiveStoreError) throw outcome
      return outcome
    }
  })
  afterEach(() => void Object.assign(leader, plain))

  const answerWith = (answer: LiveStoreDataAnswer): void => {
    tab.addEventListener('message', ({ data }) => {
      const message = data as { type: string; with: string; port: TestPort }
      if (message.type !== 'help') return
      asked.push(message.with)
      message.port.postMessage(answer)
    })
  }
  const found = (...sizes: number[]): LiveStoreDataAnswer => ({
    type: 'found',
    logs: sizes.map(log),
    optional: false,
  })
  const boot = async (overrides = {}): Promise<void> => {
    init(overrides)
    sendEngine()
    await settle()
  }

  test('is taken over before the boot goes on, the newest that holds events', async () => {
    outcomes = [0, 3, 5]
    answerWith(found(1, 2, 3))
    await boot()
    expect(imported).toEqual([1, 2])
    expect(asked).toEqual(['livestore-data'])
    expect(heard.at(-1)).toBe('done')
  })

  test('is not asked for where there is none, nor by a log that holds events', async () => {
    answerWith(found(1))
    hasLiveStoreData = false
    await boot()
    expect(said.at(-1)).toBe('receiving')
    leader.localHead = () => ({ global: 0, client: 1, generation: 0 })
    hasLiveStoreData = true
    await boot()
    expect([asked, imported]).toEqual([[], []])
  })

  test('is given up for good by a reset', async () => {
    answerWith(found(1))
    await boot({ resetPersistence: true })
    expect([asked, imported]).toEqual([[], [undefined]])
  })

  test('that cannot be read fails the boot', async () => {
    outcomes = [new LiveStoreError('ImportFailed', 'it is damaged')]
    answerWith(found(1))
    await boot()
    expect(said.at(-1)).toBe('error ImportFailed')
  })

  test('that the page cannot find its way in fails the boot too', async () => {
    answerWith({ type: 'error', code: 'ImportFailed', message: 'damaged', optional: false })
    await boot()
    expect(said.at(-1)).toBe('error ImportFailed')
  })

  test('that cannot be read is only told, if the app says so', async () => {
    outcomes = [new LiveStoreError('ImportFailed', 'it is damaged')]
    answerWith({ ...found(1), optional: true })
    await boot()
    expect(heard).toEqual(['warning', 'done'])
  })

  test('that another tab still writes is never passed over', async () => {
    answerWith({ type: 'error', code: 'StorageBusy', message: 'open elsewhere', optional: true })
    await boot()
    expect(said.at(-1)).toBe('error StorageBusy')
  })

  test('a full disk is no damage', async () => {
    outcomes = [new LiveStoreError('StorageFull', 'no space')]
    answerWith({ ...found(1), optional: true })
    await boot()
    expect(said.at(-1)).toBe('error StorageFull')
  })

  test('a shutdown does not wait for the page', async () => {
    init()
    sendEngine()
    await settle()
    shutDown()
    await settle()
    expect(said.at(-1)).toBe('shutdown-done')
    expect(openFiles()).toBe(0)
  })
})

describe('without sync access handles', () => {
  beforeEach(() => {
    opfs.syncAccess = false
    vi.stubGlobal('IDBKeyRange', TestKeyRange)
  })
  afterEach(() => vi.unstubAllGlobals())

  const serveWith = (db: TestIndexedDb): void => {
    tab.addEventListener('message', ({ data }) => {
      const message = data as { type: string; port: TestPort }
      if (message.type === 'help') serveBlocks(message.port, db.factory)
    })
  }
  const storageMode = (): Promise<unknown> =>
    new Promise((resolve) => {
      session.addEventListener('message', ({ data }) => {
        const message = data as { type: string; storageMode?: unknown }
        if (message.type === 'welcome') resolve(message.storageMode)
      })
      session.postMessage({
        type: 'hello',
        protocol: 1,
        sessionId: 's',
        clientId: 'c',
        instance: 'i',
        schemaHash: 'h',
      })
    })

  test('the page keeps the files, and the store says that it is persisted', async () => {
    const db = new TestIndexedDb()
    serveWith(db)
    init()
    sendEngine()
    await settle()
    expect(heard).toEqual(['done'])
    expect(await storageMode()).toBe('persisted')
    expect([...db.databases.keys()]).toEqual(['d'])
    shutDown()
    await settle()
    expect(said.at(-1)).toBe('shutdown-done')
  })

  test('nor IndexedDB: in memory, and it is said', async () => {
    const db = new TestIndexedDb()
    db.refusal = new DOMException('blocked', 'SecurityError')
    serveWith(db)
    init()
    sendEngine()
    await settle()
    expect(heard).toEqual(['warning', 'done'])
    expect(await storageMode()).toBe('in-memory')
  })
})
