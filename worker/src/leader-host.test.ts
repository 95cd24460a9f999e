/** One leader worker by itself: what it says to its tab, and what it holds on to. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
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
import {
  type BootableLeader,
  type LeaderFactory,
  LeaderHost,
  leaderLockWaitMsMax,
  receiveAfterMs,
} from './leader-host.js'

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
const sendEngine = (): void => tab.postMessage({ type: 'engine', wasmModule: emptyModule })
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
  expect(locks.heldNames()).toEqual([])
})

test('a shutdown while the engine is still awaited leaves nothing open', async () => {
  init()
  await settle()
  shutDown()
  await settle()
  expect(said).toEqual(['started', 'leading', 'shutdown-done'])
  expect(openFiles()).toBe(0)
  expect(locks.heldNames()).toEqual([])
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
  expect(locks.heldNames()).toEqual(['livestore-wasm-leader-store'])
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
    expect(locks.heldNames()).toEqual([])
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
  expect(locks.heldNames()).toEqual([])
})
