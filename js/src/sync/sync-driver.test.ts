/**
 * What the driver does for an engine that the test plays: requests come from a list, and what it
 * tells is written down.
 */

import { beforeEach, expect, test } from 'vitest'
import { settle, TestClock, UnsyncedLeader } from '../../test/doubles.js'
import { LiveStoreError } from '../errors.js'
import type { BackendRequest } from '../wasm/leader.js'
import { EventRefusedError, IsOfflineError, type PullPage, type SyncBackend } from './backend.js'
import {
  askAgainMs,
  backendAnswerMsMax,
  backendPingEveryMs,
  backendQuietMsMax,
  broadcastsMax,
  SyncDriver,
} from './sync-driver.js'

class FakeLeader extends UnsyncedLeader {
  requests: BackendRequest[] = []
  heard: string[] = []
  failure: unknown
  work = false

  override hasWork(): boolean {
    return this.work
  }
  override nextRequests(): [] {
    if (this.failure !== undefined) throw this.failure
    return this.requests.splice(0) as []
  }
  override onPulled(...[pull, page, caughtUp]: unknown[]): void {
    this.heard.push(`page of ${pull}, ${(page as Uint8Array).length} bytes, ${caughtUp}`)
  }
  override onPullEnded(...[pull]: unknown[]): void {
    this.heard.push(`pull ${pull} ended`)
  }
  override onPullFailed(...[pull]: unknown[]): void {
    this.heard.push(`pull ${pull} failed`)
  }
  override onPushTaken(...[push]: unknown[]): void {
    this.heard.push(`push ${push} taken`)
  }
  override onPushFailed(...[push, failure]: unknown[]): void {
    this.heard.push(`push ${push} ${failure}`)
  }
  override onPushRefused(...[push, index, reason]: unknown[]): void {
    this.heard.push(`push ${push} refused at ${index}: ${reason}`)
  }
  override onConnection(...[online]: unknown[]): void {
    this.heard.push(`online ${online}`)
  }
}

const pull = (number: number, live = true): BackendRequest => ({
  kind: 'pull',
  number,
  backendId: '',
  cursor: 0,
  cursorMetadata: '',
  live,
})
const push = (number: number): BackendRequest => ({
  kind: 'push',
  number,
  backendId: '',
  events: [
    {
      name: 'e',
      argsJson: '{"a":1}',
      seqNum: { global: 4, client: 0, generation: 2 },
      parentSeqNum: { global: 3, client: 0, generation: 2 },
      clientId: 'c',
      sessionId: 's',
    },
  ],
})
const emptyPage: PullPage = { batch: [], pageInfo: { _tag: 'NoMore' } }

let clock: TestClock
let leader: FakeLeader
let driver: SyncDriver
let warnings: string[]
let crashes: unknown[]
let drains: number
let comeOnline: () => void
/** What the next call of each kind answers. */
let answers: {
  next: (signal: AbortSignal) => Promise<unknown>
  push: (signal: AbortSignal) => unknown
  broadcast: () => Promise<void>
}
let asked: string[]

const request = async (...requests: BackendRequest[]): Promise<void> => {
  leader.requests.push(...requests)
  driver.drained()
  await settle()
}

/** A driver that has begun; its backend can be pinged if there is a `ping`. */
const open = (ping?: () => Promise<void>, connect?: () => Promise<void>): SyncDriver => {
  const backend: SyncBackend = {
    pull: (cursor, { signal }) => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          asked.push(`next ${JSON.stringify(cursor)}`)
          return answers.next(signal) as Promise<IteratorResult<PullPage>>
        },
      }),
    }),
    push: async (batch, { signal }) => {
      asked.push(`push ${JSON.stringify(batch)}`)
      await answers.push(signal)
    },
    broadcast: (batch) => {
      asked.push(`broadcast ${batch.map(({ name }) => name)}`)
      return answers.broadcast()
    },
    close: () => {
      asked.push('close')
      throw new Error('it was closed badly')
    },
    ...(ping && { ping }),
    ...(connect && { connect }),
  }
  const opened = new SyncDriver({
    clock,
    leader,
    makeBackend: () => backend,
    drainSoon: () => {
      drains += 1
    },
    onCrash: (error) => crashes.push(error),
    warn: (message) => warnings.push(message),
    setup: { onBackendIdMismatch: 'reset', onSyncError: 'ignore' },
    onFatal: (code) => crashes.push(code),
    onPassing: () => undefined,
    onOnline: (listener) => {
      comeOnline = listener
      return () => undefined
    },
  })
  opened.start()
  return opened
}

const never = () => new Promise<never>(() => undefined)

beforeEach(() => {
  clock = new TestClock()
  leader = new FakeLeader()
  ;[warnings, crashes, asked, drains] = [[], [], [], 0]
  answers = { next: never, push: () => undefined, broadcast: never }
  driver = open()
})

test('the next page is asked for when the leader has taken the one before', async () => {
  answers.next = async () => ({ done: false, value: emptyPage })
  await request(pull(1))
  expect(leader.heard).toEqual(['page of 1, 7 bytes, true'])
  expect(asked).toHaveLength(1)
  expect(drains).toBe(1)
  answers.next = async () => ({ done: true, value: undefined })
  driver.drained()
  await settle()
  expect(asked).toHaveLength(2)
  expect(leader.heard.at(-1)).toBe('pull 1 ended')
})

test('the cursor and the events travel as the backend knows them', async () => {
  await request({ ...pull(1), cursor: 3, cursorMetadata: '{"at":3}' } as BackendRequest, push(2))
  expect(asked).toEqual([
    'push [{"name":"e","args":{"a":1},"seqNum":4,"parentSeqNum":3,"clientId":"c","sessionId":"s"}]',
    'next {"eventSequenceNumber":3,"metadata":{"at":3}}',
  ])
  expect(leader.heard).toEqual(['push 2 taken'])
})

test('a pull that is stopped is aborted, and what it brings later is ignored', async () => {
  let bring: (page: unknown) => void = () => undefined
  let signal: AbortSignal | undefined
  answers.next = (given) => {
    signal = given
    return new Promise((resolve) => {
      bring = resolve
    })
  }
  await request(pull(1))
  await request({ kind: 'stop-pull', number: 7 })
  expect(signal?.aborted).toBe(false)
  await request({ kind: 'stop-pull', number: 1 })
  expect(signal?.aborted).toBe(true)
  bring({ done: false, value: emptyPage })
  await settle()
  expect(leader.heard).toEqual([])
})

test('a pull that gives no first page in time has failed; a quiet one is begun anew', async () => {
  await request(pull(1))
  await clock.advance(backendAnswerMsMax)
  expect(leader.heard).toEqual(['pull 1 failed'])
  expect(warnings).toHaveLength(1)
  answers.next = async () => ({ done: false, value: emptyPage })
  await request(pull(2))
  answers.next = never
  await request()
  await clock.advance(backendQuietMsMax - 1)
  expect(leader.heard.slice(1)).toEqual(['page of 2, 7 bytes, true'])
  await clock.advance(1)
  expect(leader.heard.at(-1)).toBe('pull 2 ended')
  expect(warnings).toHaveLength(1)
})

test('a quiet pull whose ping fails, or is not answered, has failed', async () => {
  for (const [number, dead] of [() => Promise.reject(new IsOfflineError()), never].entries()) {
    let pings = 0
    driver = open(() => (++pings < 3 ? Promise.resolve() : dead()))
    leader.heard = []
    answers.next = async () => ({ done: false, value: emptyPage })
    await request(pull(number))
    answers.next = never
    await request()
    await clock.advance(2 * backendPingEveryMs + 1)
    expect(pings).toBe(2)
    expect(leader.heard).toHaveLength(1)
    await clock.advance(backendPingEveryMs + backendAnswerMsMax)
    expect(leader.heard.at(-1)).toBe(`pull ${number} failed`)
  }
})

test('a push that is not answered in time, or is replaced by another, is aborted', async () => {
  const signals: AbortSignal[] = []
  answers.push = (signal) => {
    signals.push(signal)
    return never()
  }
  await request(push(1))
  await request(push(2))
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  expect(leader.heard).toEqual([])
  await clock.advance(backendAnswerMsMax)
  expect(signals[1]?.aborted).toBe(true)
  expect(leader.heard).toEqual(['push 2 unavailable'])
})

test.each([
  [new IsOfflineError(), 'push 1 offline'],
  [{ _tag: 'ServerAheadError' }, 'push 1 server-ahead'],
  [new EventRefusedError({ index: 0, reason: 'no' }), 'push 1 refused at 0: no'],
  [{ name: 'EventRefusedError', index: -1 }, 'push 1 refused at 4294967295: it gave no reason'],
  [new Error('500'), 'push 1 unavailable'],
  [undefined, 'push 1 unavailable'],
])('a push that fails with %o is told as %s', async (thrown, told) => {
  answers.push = () => Promise.reject(thrown)
  await request(push(1))
  expect(leader.heard).toEqual([told])
})

test('an event whose arguments are no JSON is refused, and does not block the queue', async () => {
  const request1 = push(1)
  if (request1.kind !== 'push') throw new Error('not a push')
  const [event] = request1.events
  if (event === undefined) throw new Error('no event')
  await request({ ...request1, events: [event, { ...event, argsJson: '{"a":' }] })
  expect(leader.heard).toEqual(['push 1 refused at 1: its arguments are no JSON'])
})

test('the same trouble is told once, until something works', async () => {
  answers.push = () => Promise.reject(new Error('500'))
  for (const number of [1, 2, 3]) await request(push(number))
  expect(warnings).toEqual(['the sync backend failed (CallbackThrew): 500'])
  answers.push = () => undefined
  await request(push(4))
  answers.push = () => Promise.reject(new Error('500'))
  await request(push(5))
  expect(warnings).toHaveLength(2)
})

test('a device that comes online ends every wait', () => {
  comeOnline()
  expect(leader.heard).toEqual(['online false', 'online true'])
})

test('an engine whose storage fails is asked again; one that breaks is not', async () => {
  leader.failure = new LiveStoreError('StorageIo', 'cannot read')
  await request(push(1))
  leader.failure = undefined
  await clock.advance(askAgainMs)
  expect(leader.heard).toEqual(['push 1 taken'])
  leader.failure = new WebAssembly.RuntimeError('unreachable')
  await request(push(2))
  leader.failure = undefined
  await request(push(3))
  expect(crashes).toHaveLength(1)
  expect(asked).toEqual([expect.stringMatching(/^push/), 'close'])
})

test('work of the engine is drained before anything is waited for', async () => {
  leader.work = true
  await request()
  expect(drains).toBe(1)
})

test('no more broadcasts than the limit are on their way, failed ones not counted', async () => {
  await request(push(0))
  const { events } = push(1) as Extract<BackendRequest, { kind: 'push' }>
  const inPart = { ...events[0]!, seqNum: { global: 4, client: 1, generation: 2 } }
  const pass = (times: number): void => {
    for (let i = 0; i < times; i++) driver.pass([...events, inPart])
  }
  answers.broadcast = async () => {
    throw new Error('refused')
  }
  pass(broadcastsMax)
  await settle()
  answers.broadcast = never
  pass(broadcastsMax + 1)
  await settle()
  expect(asked.filter((what) => what === 'broadcast e')).toHaveLength(2 * broadcastsMax)
})

test('after stop the leader hears nothing more', async () => {
  let answer: () => void = () => undefined
  answers.push = () =>
    new Promise<void>((resolve) => {
      answer = resolve
    })
  await request(pull(1), push(2))
  driver.stop()
  driver.stop()
  answer()
  await clock.advance(10 * backendAnswerMsMax)
  driver.drained()
  comeOnline()
  expect(leader.heard).toEqual([])
  expect(warnings).toEqual([])
})

test('a backend is closed when its store has ended, whatever it says', async () => {
  await request(push(1))
  driver.stop()
  driver.stop()
  await settle()
  expect(asked.filter((what) => what === 'close')).toEqual(['close'])
  expect(crashes).toEqual([])
})

test('a backend that cannot connect is closed, and another made for the next call', async () => {
  let tries = 0
  driver = open(undefined, async () => {
    tries += 1
    if (tries === 1) throw new IsOfflineError('not yet')
  })
  await request(push(1))
  expect(asked).toEqual(['close'])
  await request(push(2))
  expect(tries).toBe(2)
  expect(leader.heard).toEqual(['push 1 offline', 'push 2 taken'])
})
