import { describe, expect, test } from 'vitest'
import {
  type Checked,
  checkBlocksAnswer,
  checkBlocksRequest,
  checkBrokerToLeader,
  checkBrokerToTab,
  checkLeaderToTab,
  checkLiveStoreData,
  checkRoomMessage,
  checkSessionToLeader,
  checkTabToBroker,
  checkTabToWorker,
  checkWorkerToTab,
} from './validate.js'

const bytes = new ArrayBuffer(8)
const port = new MessageChannel().port1
const wasmModule = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))
const progress = { done: 1, total: 2 }

type Check = (data: unknown) => Checked<unknown>

/** One good message of each type; the fields that may be left out are named after it. */
const good: readonly [string, Check, Record<string, unknown>, ...string[]][] = [
  [
    'hello',
    checkSessionToLeader,
    {
      protocol: 1,
      sessionId: 's',
      clientId: 'c',
      instance: 's-1',
      schemaHash: 'h',
      cursor: bytes,
    },
    'cursor',
  ],
  ['push', checkSessionToLeader, { id: 1, push: bytes }],
  ['ping', checkSessionToLeader, {}],
  ['bye', checkSessionToLeader, {}],
  ['journal', checkSessionToLeader, { id: 1, instance: 's-1', push: bytes }],
  ['boot-status', checkLeaderToTab, { status: { stage: 'migrating', progress } }],
  [
    'welcome',
    checkLeaderToTab,
    { image: bytes, history: bytes, storageMode: 'persisted' },
    'image',
  ],
  ['push-result', checkLeaderToTab, { id: 1, outcome: 'accepted' }],
  [
    'push-result',
    checkLeaderToTab,
    { id: 1, outcome: 'failed', failedIndex: 0, code: 'Sql', message: 'm' },
  ],
  ['news', checkLeaderToTab, { news: bytes }],
  ['pong', checkLeaderToTab, {}],
  ['rejoin', checkLeaderToTab, {}],
  ['journal-result', checkLeaderToTab, { id: 1 }],
  ['error', checkLeaderToTab, { code: 'Sql', message: 'm', retrying: true }, 'retrying'],
  ['join', checkTabToBroker, { protocol: 1, storeId: 's', sessionId: 's', lockName: 'l' }],
  ['leave', checkTabToBroker, {}],
  ['lead', checkTabToBroker, { protocol: 1, storeId: 's', lockName: 'l', port }],
  ['join', checkRoomMessage, { session: 'l', channel: 'c' }],
  ['leave', checkRoomMessage, { session: 'l' }],
  ['leads', checkRoomMessage, {}],
  ['ready', checkBrokerToTab, { lockName: 'l' }, 'lockName'],
  ['leader-port', checkBrokerToTab, { port }],
  ['error', checkBrokerToTab, { code: 'ProtocolMismatch', message: 'm' }],
  ['session-port', checkBrokerToLeader, { session: 'l', port }],
  ['session-channel', checkBrokerToLeader, { session: 'l', channel: 'c' }],
  ['session-gone', checkBrokerToLeader, { session: 'l' }],
  [
    'init',
    checkTabToWorker,
    {
      protocol: 1,
      storeId: 's',
      clientId: 'c',
      directory: 'd',
      resetPersistence: false,
      sessionPort: port,
    },
  ],
  ['engine', checkTabToWorker, { wasmModule, hasLiveStoreData: true }],
  ['broker', checkTabToWorker, { port }],
  ['shutdown', checkTabToWorker, {}],
  ['started', checkWorkerToTab, { lockName: 'l' }],
  ['leading', checkWorkerToTab, {}],
  ['receiving', checkWorkerToTab, {}],
  ['error', checkWorkerToTab, { code: 'StorageBusy', message: 'm' }],
  ['help', checkWorkerToTab, { with: 'stored-blocks', port }],
  ['crashed', checkWorkerToTab, { message: 'm' }],
  [
    'found',
    checkLiveStoreData,
    { logs: [{ database: bytes, journal: bytes, generations: true }], optional: false },
  ],
  ['error', checkLiveStoreData, { code: 'ImportFailed', message: 'm', optional: true }],
  ['open', checkBlocksRequest, { directory: 'd', reset: false }],
  ['write', checkBlocksRequest, { files: [{ name: 'f', size: 1, blocks: [{ index: 0, bytes }] }] }],
  ['opened', checkBlocksAnswer, { files: [{ name: 'f', bytes }] }],
  ['written', checkBlocksAnswer, {}],
  ['shutdown-done', checkWorkerToTab, {}],
]

describe.each(good)('%s', (type, check, fields, ...optional) => {
  test('passes as it is, and without what is optional', () => {
    const message = { type, ...fields }
    expect(check(message)).toEqual({ ok: true, message })
    for (const field of optional) {
      expect(check({ ...message, [field]: undefined })).toMatchObject({ ok: true })
    }
  })

  test('is refused with any field of a wrong kind, or without it', () => {
    for (const field of Object.keys(fields)) {
      const wrong = { type, ...fields, [field]: Symbol('wrong') }
      expect(check(wrong), field).toMatchObject({ ok: false })
      if (optional.includes(field)) continue
      expect(check({ type, ...fields, [field]: undefined }), field).toMatchObject({ ok: false })
    }
  })

  test('is refused by every check that does not know its type', () => {
    const checks: Check[] = [
      checkSessionToLeader,
      checkLeaderToTab,
      checkTabToBroker,
      checkBrokerToTab,
      checkBrokerToLeader,
      checkRoomMessage,
      checkTabToWorker,
      checkWorkerToTab,
    ]
    const accepted = checks.filter((other) => other({ type, ...fields }).ok)
    const alike = good.filter(([name, other]) => name === type && accepted.includes(other))
    expect(accepted.length).toBeLessThanOrEqual(alike.length)
  })
})

test.each([
  [{ stage: 'loading' }],
  [{ stage: 'syncing', progress: { done: 0, total: -1 } }],
  [{ stage: 'warning', reason: 'state-rebuilt', message: 'm' }],
  [{ stage: 'warning', reason: 'event-skipped', message: 'm' }],
  [{ stage: 'done' }],
])('the boot status %o passes', (status) => {
  expect(checkLeaderToTab({ type: 'boot-status', status })).toMatchObject({ ok: true })
})

test.each([
  [undefined],
  [{ stage: 'dreaming' }],
  [{ stage: 'toString' }],
  [{ stage: 'migrating' }],
  [{ stage: 'migrating', progress: { done: -1, total: 1 } }],
  [{ stage: 'migrating', progress: { done: 0.5, total: 1 } }],
  [{ stage: 'warning', reason: 'mood', message: 'm' }],
])('the boot status %o is refused', (status) => {
  expect(checkLeaderToTab({ type: 'boot-status', status })).toMatchObject({ ok: false })
})

test.each([[undefined], [null], ['push'], [7], [{}], [{ type: 7 }], [{ type: '__proto__' }]])(
  '%o is no message, and what is wrong is said',
  (data) => {
    const checked = checkSessionToLeader(data)
    expect(checked.ok).toBe(false)
    expect(checked).toHaveProperty('problem', expect.stringContaining('message'))
  },
)
