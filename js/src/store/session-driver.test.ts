/**
 * The order of messages between a session and its leaders, with both ends played by the test.
 */

import { describe, expect, test, vi } from 'vitest'
import { TestClock } from '../../test/doubles.js'
import { LiveStoreError } from '../errors.js'
import type { LeaderToSession, SessionToLeader } from '../protocol/messages.js'
import type { LeaderPort } from './adapter.js'
import {
  type DrivenSession,
  type DriverHandlers,
  leaderSilenceMsMax,
  SessionDriver,
} from './session-driver.js'

const bytes = (...values: number[]): ArrayBuffer => new Uint8Array(values).buffer
const outcome = (parts: Partial<ReturnType<DrivenSession['onNews']>> = {}) => ({
  stale: [],
  rejected: [],
  needImage: false,
  ...parts,
})

/** A leader's end of a port: what the session said, and a way to answer. */
class FakePort implements LeaderPort {
  readonly said: SessionToLeader[] = []
  isClosed = false
  #handler: ((message: LeaderToSession) => void) | undefined

  post(message: SessionToLeader): void {
    this.said.push(message)
  }
  onMessage(handler: (message: LeaderToSession) => void): void {
    this.#handler = handler
  }
  close(): void {
    this.isClosed = true
  }
  answer(message: LeaderToSession): void {
    this.#handler?.(message)
  }
  types(): string[] {
    return this.said.map((message) => message.type)
  }
}

/** A session that writes down what was asked of it. Each pending number is one push. */
class FakeSession implements DrivenSession {
  readonly schemaHash = 'hash'
  readonly instance = 's-1'
  readonly calls: string[] = []
  pending: number[] = []
  passing: number[] = []
  upstream = 0
  next: Partial<Record<keyof DrivenSession, () => ReturnType<DrivenSession['onNews']>>> = {}
  #inFlight = false

  #outcome(name: 'loadImage' | 'onNews' | 'onHistory' | 'onPushFailed') {
    const answer = this.next[name]
    delete this.next[name]
    return answer?.() ?? outcome()
  }
  nextPassing() {
    return this.passing.splice(0, 1).map((value) => new Uint8Array([value]))[0]
  }
  onPassing(events: Uint8Array) {
    this.calls.push(`passing ${events[0]}`)
    return outcome()
  }
  setClientId(id: string) {
    this.calls.push(`client ${id}`)
  }
  loadImage(image: Uint8Array, history: Uint8Array) {
    this.calls.push(`image ${image[0]} history ${history[0]}`)
    return this.#outcome('loadImage')
  }
  nextPush() {
    const [first] = this.pending
    if (first === undefined || this.#inFlight) return undefined
    this.#inFlight = true
    return new Uint8Array([first])
  }
  onPushAccepted() {
    this.calls.push('accepted')
    this.#inFlight = false
    this.pending.shift()
  }
  onPushRejected() {
    this.calls.push('rejected')
    this.#inFlight = false
    this.next.onPushRejected?.()
  }
  onPushFailed(index: number, code: string) {
    this.calls.push(`failed ${index} ${code}`)
    this.#inFlight = false
    this.pending.shift()
    return this.#outcome('onPushFailed')
  }
  onNews(news: Uint8Array) {
    const result = this.#outcome('onNews')
    this.calls.push(`news ${news[0]}`)
    this.upstream += 1
    return result
  }
  onHistory(history: Uint8Array) {
    const result = this.#outcome('onHistory')
    this.calls.push(`history ${history[0]}`)
    return result
  }
  onLeaderChange() {
    this.calls.push('leader change')
    this.#inFlight = false
    return new Uint8Array([this.upstream])
  }
  syncStatus() {
    return { pendingCount: this.pending.length }
  }
}

const ids = { clientId: 'c', sessionId: 's' }
const gap = () => {
  throw new LiveStoreError('UpstreamGap', 'gap')
}

const setUp = () => {
  const session = new FakeSession()
  const handlers = {
    onReady: vi.fn<DriverHandlers['onReady']>(),
    onWelcome: vi.fn<DriverHandlers['onWelcome']>(),
    onFollow: vi.fn<DriverHandlers['onFollow']>(),
    onStatus: vi.fn<DriverHandlers['onStatus']>(),
    onClientId: vi.fn<DriverHandlers['onClientId']>(),
    onBootStatus: vi.fn<DriverHandlers['onBootStatus']>(),
    onTrouble: vi.fn<DriverHandlers['onTrouble']>(),
    onSilence: vi.fn<DriverHandlers['onSilence']>(),
    onFailure: vi.fn<DriverHandlers['onFailure']>(),
  }
  const clock = new TestClock()
  const driver = new SessionDriver(session, ids, handlers, clock)
  const attach = () => {
    const port = new FakePort()
    driver.attach(port)
    return port
  }
  /** Attached and welcomed, with everything of the welcome forgotten. */
  const welcomed = () => {
    const port = attach()
    port.answer({ type: 'welcome', image: bytes(1), history: bytes(0), storageMode: 'persisted' })
    port.said.length = 0
    session.calls.length = 0
    return port
  }
  /** Lets the session commit an event, and the push go out. */
  const commit = async (event: number) => {
    session.pending.push(event)
    driver.schedulePush()
    await Promise.resolve()
  }
  return { session, handlers, clock, driver, attach, welcomed, commit }
}

describe('hello and welcome', () => {
  test('the first hello has no cursor, and its welcome brings the image', () => {
    const { session, handlers, attach } = setUp()
    const port = attach()
    expect(port.said).toEqual([
      {
        type: 'hello',
        protocol: 1,
        clientId: 'c',
        sessionId: 's',
        instance: 's-1',
        schemaHash: 'hash',
      },
    ])
    expect(handlers.onReady).not.toHaveBeenCalled()
    port.answer({ type: 'welcome', image: bytes(7), history: bytes(0), storageMode: 'in-memory' })
    expect(session.calls).toEqual(['leader change', 'image 7 history 0'])
    expect(handlers.onReady).toHaveBeenCalledOnce()
    expect(handlers.onWelcome).toHaveBeenCalledExactlyOnceWith('in-memory')
  })

  test('who starts from a boot image is ready at once, and joins with where it stands', () => {
    const { session, handlers, driver, attach } = setUp()
    driver.start({ image: new Uint8Array([3]), history: new Uint8Array([4]), clientId: 'c2' })
    expect(session.calls).toEqual(['image 3 history 4', 'client c2'])
    expect(handlers.onReady).toHaveBeenCalledOnce()
    expect(handlers.onWelcome).not.toHaveBeenCalled()
    const port = attach()
    expect(port.said).toEqual([
      expect.objectContaining({ type: 'hello', clientId: 'c2', cursor: bytes(0) }),
    ])
    port.answer({ type: 'welcome', history: bytes(5), storageMode: 'persisted' })
    expect(session.calls).toEqual(['image 3 history 4', 'client c2', 'leader change', 'history 5'])
    expect(handlers.onReady).toHaveBeenCalledOnce()
    expect(handlers.onWelcome).toHaveBeenCalledExactlyOnceWith('persisted')
  })

  test('a boot image that cannot be used leaves everything to the leader', () => {
    const { session, handlers, driver, attach } = setUp()
    session.next.loadImage = () => {
      throw new LiveStoreError('SchemaMismatch', 'of another schema')
    }
    const image = { image: new Uint8Array([3]), history: new Uint8Array([4]), clientId: 'c2' }
    expect(() => driver.start(image)).toThrow('of another schema')
    expect(handlers.onReady).not.toHaveBeenCalled()
    expect(attach().said).toEqual([expect.not.objectContaining({ cursor: expect.anything() })])
  })

  test('what is committed before there is a leader is waited for', async () => {
    vi.useFakeTimers()
    try {
      const { session, driver, attach } = setUp()
      driver.start({ image: new Uint8Array([3]), history: new Uint8Array([4]), clientId: 'c2' })
      session.pending.push(1)
      let isDrained = false
      const drained = driver.drained(1_000).then(() => (isDrained = true))
      await vi.advanceTimersByTimeAsync(500)
      expect(isDrained).toBe(false)
      const port = attach()
      port.answer({ type: 'welcome', history: bytes(5), storageMode: 'persisted' })
      port.answer({ type: 'push-result', id: 1, outcome: 'accepted' })
      await drained
    } finally {
      vi.useRealTimers()
    }
  })

  test('boot statuses are passed on, before and after the welcome', () => {
    const { handlers, attach } = setUp()
    const port = attach()
    const status = { stage: 'migrating', progress: { done: 1, total: 2 } } as const
    port.answer({ type: 'boot-status', status })
    expect(handlers.onBootStatus).toHaveBeenCalledExactlyOnceWith(status)
  })

  test('between hello and welcome nothing is pushed and no news is taken in', async () => {
    const { session, attach, commit } = setUp()
    const port = attach()
    await commit(1)
    port.answer({ type: 'news', news: bytes(9) })
    expect(port.types()).toEqual(['hello'])
    port.answer({ type: 'welcome', image: bytes(1), history: bytes(0), storageMode: 'persisted' })
    expect(session.calls).toEqual(['leader change', 'image 1 history 0'])
    expect(port.types()).toEqual(['hello', 'push'])
  })

  test('a second welcome changes nothing', () => {
    const { session, handlers, welcomed } = setUp()
    welcomed().answer({
      type: 'welcome',
      image: bytes(2),
      history: bytes(0),
      storageMode: 'in-memory',
    })
    expect(session.calls).toEqual([])
    expect(handlers.onReady).toHaveBeenCalledOnce()
  })

  test('an error before the welcome is a failure, with its code', () => {
    const { handlers, attach } = setUp()
    const port = attach()
    port.answer({ type: 'error', code: 'SchemaMismatch', message: 'reload' })
    expect(handlers.onFailure.mock.calls[0]?.[0]).toMatchObject({
      code: 'SchemaMismatch',
      message: 'reload',
    })
    expect(port.isClosed).toBe(true)
  })
})

describe('push', () => {
  test('commits of one task go out together, once', async () => {
    const { session, driver, welcomed } = setUp()
    const port = welcomed()
    session.pending.push(5)
    driver.schedulePush()
    driver.schedulePush()
    expect(port.said).toEqual([])
    await Promise.resolve()
    expect(port.said).toEqual([{ type: 'push', id: 1, push: bytes(5) }])
  })

  test('one push is unanswered at most; accepted sends the next one', async () => {
    const { session, handlers, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    await commit(2)
    expect(port.types()).toEqual(['push'])
    handlers.onStatus.mockClear()
    port.answer({ type: 'push-result', id: 1, outcome: 'accepted' })
    expect(session.calls).toEqual(['accepted'])
    expect(handlers.onStatus).toHaveBeenCalledOnce()
    expect(port.said).toEqual([
      { type: 'push', id: 1, push: bytes(1) },
      { type: 'push', id: 2, push: bytes(2) },
    ])
    port.answer({ type: 'push-result', id: 2, outcome: 'accepted' })
    expect(port.said).toHaveLength(2)
  })

  test('rejected pushes again, what is pending by then', async () => {
    const { session, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    port.answer({ type: 'news', news: bytes(3) })
    session.pending = [2]
    port.answer({ type: 'push-result', id: 1, outcome: 'rejected' })
    expect(session.calls).toEqual(['news 3', 'rejected'])
    expect(port.said.at(-1)).toEqual({ type: 'push', id: 2, push: bytes(2) })
  })

  test('a rejection that nothing explains asks for what is missing', async () => {
    const { session, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    session.next.onPushRejected = gap
    port.answer({ type: 'push-result', id: 1, outcome: 'rejected' })
    expect(port.said.at(-1)).toMatchObject({ type: 'hello', cursor: bytes(0) })
  })

  test('failed tells of the rejected event and pushes the rest', async () => {
    const { session, handlers, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    await commit(2)
    handlers.onFollow.mockClear()
    const rejected = outcome({ stale: [4] })
    session.next.onPushFailed = () => rejected
    port.answer({
      type: 'push-result',
      id: 1,
      outcome: 'failed',
      failedIndex: 0,
      code: 'Constraint',
      message: 'twice',
    })
    expect(session.calls).toEqual(['failed 0 Constraint'])
    expect(handlers.onFollow).toHaveBeenCalledExactlyOnceWith(rejected)
    expect(port.said.at(-1)).toEqual({ type: 'push', id: 2, push: bytes(2) })
  })

  test('an answer to a push that is not in flight is ignored', async () => {
    const { session, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    port.answer({ type: 'push-result', id: 17, outcome: 'accepted' })
    expect(session.calls).toEqual([])
  })

  test('the buffer of a push holds the batch and nothing else', async () => {
    const { session, welcomed, driver } = setUp()
    const port = welcomed()
    const shared = new Uint8Array([1, 2, 3, 4])
    session.nextPush = () => shared.subarray(1, 3)
    driver.schedulePush()
    await Promise.resolve()
    expect(port.said).toEqual([{ type: 'push', id: 1, push: bytes(2, 3) }])
    expect(shared.byteLength).toBe(4)
  })
})

describe('news', () => {
  test('is handed on with its outcome', () => {
    const { session, handlers, welcomed } = setUp()
    const port = welcomed()
    handlers.onFollow.mockClear()
    const followed = outcome({ stale: [1, 2] })
    session.next.onNews = () => followed
    port.answer({ type: 'news', news: bytes(8) })
    expect(session.calls).toEqual(['news 8'])
    expect(handlers.onFollow).toHaveBeenCalledExactlyOnceWith(followed)
  })

  test('a gap says hello with the cursor, and ignores everything before the welcome', async () => {
    const { session, handlers, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    session.next.onNews = gap
    port.answer({ type: 'news', news: bytes(8) })
    expect(port.said.at(-1)).toMatchObject({ type: 'hello', cursor: bytes(0) })
    port.answer({ type: 'push-result', id: 1, outcome: 'accepted' })
    port.answer({ type: 'news', news: bytes(9) })
    expect(session.calls).toEqual(['leader change'])
    port.answer({ type: 'welcome', history: bytes(6), storageMode: 'persisted' })
    expect(session.calls).toEqual(['leader change', 'history 6'])
    expect(port.said.at(-1)).toEqual({ type: 'push', id: 2, push: bytes(1) })
    expect(handlers.onFailure).not.toHaveBeenCalled()
  })

  test('if not even the welcome fits, the whole state is asked for', () => {
    const { session, welcomed } = setUp()
    const port = welcomed()
    session.next.onNews = gap
    port.answer({ type: 'news', news: bytes(8) })
    session.next.onHistory = gap
    port.answer({ type: 'welcome', history: bytes(9), storageMode: 'persisted' })
    expect(port.said.at(-1)).toEqual(expect.not.objectContaining({ cursor: expect.anything() }))
    port.answer({ type: 'welcome', image: bytes(5), history: bytes(0), storageMode: 'persisted' })
    expect(session.calls.at(-1)).toBe('image 5 history 0')
  })

  test('a leader that can never be followed is given up, not asked for ever', () => {
    const { session, handlers, welcomed } = setUp()
    const port = welcomed()
    for (let i = 0; i < 10; i++) {
      session.next.onNews = gap
      port.answer({ type: 'news', news: bytes(8) })
      port.answer({ type: 'welcome', history: bytes(9), storageMode: 'persisted' })
    }
    expect(handlers.onFailure).toHaveBeenCalledOnce()
    expect(handlers.onFailure.mock.calls[0]?.[0].code).toBe('UpstreamGap')
    expect(port.types().filter((type) => type === 'hello').length).toBeLessThan(4)
  })

  test('damaged bytes are a failure', () => {
    const { session, handlers, welcomed } = setUp()
    const port = welcomed()
    session.next.onNews = () => {
      throw new LiveStoreError('MalformedBytes', 'damaged')
    }
    port.answer({ type: 'news', news: bytes(8) })
    expect(handlers.onFailure.mock.calls[0]?.[0].code).toBe('MalformedBytes')
  })
})

describe('image', () => {
  test('is asked for by a hello without a cursor, and pushes wait for it', async () => {
    const { session, welcomed, commit } = setUp()
    const port = welcomed()
    session.next.onNews = () => outcome({ needImage: true })
    port.answer({ type: 'news', news: bytes(8) })
    port.answer({ type: 'news', news: bytes(9) })
    await commit(1)
    expect(port.types()).toEqual(['hello'])
    expect(port.said[0]).not.toHaveProperty('cursor')
    port.answer({ type: 'welcome', image: bytes(4), history: bytes(0), storageMode: 'persisted' })
    expect(session.calls).toEqual(['news 8', 'leader change', 'image 4 history 0'])
    expect(port.types()).toEqual(['hello', 'push'])
  })

  test('is asked for after a welcome that needs it', () => {
    const { session, handlers, attach, welcomed } = setUp()
    welcomed()
    const port = attach()
    session.next.onHistory = () => outcome({ needImage: true })
    port.answer({ type: 'welcome', history: bytes(8), storageMode: 'persisted' })
    expect(port.types()).toEqual(['hello', 'hello'])
    expect(port.said[1]).not.toHaveProperty('cursor')
    expect(handlers.onReady).toHaveBeenCalledOnce()
  })

  test('that never suffices makes this leader useless, not asked for ever', () => {
    const { session, handlers, attach } = setUp()
    const port = attach()
    session.loadImage = () => outcome({ needImage: true })
    for (let i = 0; i < 10; i++) {
      port.answer({ type: 'welcome', image: bytes(4), history: bytes(0), storageMode: 'persisted' })
    }
    expect(handlers.onFailure).toHaveBeenCalledOnce()
    expect(port.types()).toEqual(['hello', 'hello', 'hello'])
  })
})

describe('rejoin', () => {
  test('says hello with the cursor, and pushes again what is pending then', async () => {
    const { session, handlers, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    for (let i = 0; i < 10; i++) {
      port.said.length = 0
      port.answer({ type: 'rejoin' })
      expect(port.said).toMatchObject([{ type: 'hello', cursor: bytes(0) }])
      port.answer({ type: 'rejoin' })
      port.answer({ type: 'welcome', history: bytes(i), storageMode: 'persisted' })
      expect(port.types()).toEqual(['hello', 'push'])
    }
    expect(session.calls.slice(-2)).toEqual(['leader change', 'history 9'])
    expect(handlers.onFailure).not.toHaveBeenCalled()
  })
})

describe('leader change', () => {
  test('the new leader gets the cursor, and what was in flight once more', async () => {
    const { session, handlers, attach, welcomed, commit } = setUp()
    const first = welcomed()
    first.answer({ type: 'news', news: bytes(8) })
    await commit(1)
    const second = attach()
    expect(first.isClosed).toBe(true)
    expect(second.said).toMatchObject([{ type: 'hello', cursor: bytes(1) }])
    first.answer({ type: 'push-result', id: 1, outcome: 'accepted' })
    expect(session.pending).toEqual([1])
    second.answer({ type: 'welcome', history: bytes(9), storageMode: 'persisted' })
    expect(second.said.at(-1)).toEqual({ type: 'push', id: 2, push: bytes(1) })
    expect(handlers.onReady).toHaveBeenCalledOnce()
  })

  test('after a failure the next leader is used', () => {
    const { handlers, attach, welcomed } = setUp()
    welcomed().answer({ type: 'error', code: 'Internal', message: 'stopped' })
    expect(handlers.onFailure).toHaveBeenCalledOnce()
    expect(attach().types()).toEqual(['hello'])
  })

  test('a leader that retries is not left', async () => {
    const { handlers, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    port.answer({ type: 'error', code: 'StorageFull', message: 'full', retrying: true })
    expect(handlers.onTrouble.mock.calls[0]?.[0].code).toBe('StorageFull')
    expect(handlers.onFailure).not.toHaveBeenCalled()
    port.answer({ type: 'push-result', id: 1, outcome: 'accepted' })
    expect(port.isClosed).toBe(false)
  })
})

describe('close', () => {
  test('says bye, once, and takes in nothing more', () => {
    const { session, driver, welcomed } = setUp()
    const port = welcomed()
    driver.close()
    driver.close()
    port.answer({ type: 'news', news: bytes(8) })
    expect(port.types()).toEqual(['bye'])
    expect(port.isClosed).toBe(true)
    expect(session.calls).toEqual([])
  })

  test('a port that comes later is closed', () => {
    const { driver, attach } = setUp()
    driver.close()
    const port = attach()
    expect(port.isClosed).toBe(true)
    expect(port.said).toEqual([])
  })

  test('a close while following ends there', () => {
    const { driver, handlers, attach } = setUp()
    handlers.onFollow.mockImplementation(() => driver.close())
    const port = attach()
    port.answer({ type: 'welcome', image: bytes(1), history: bytes(0), storageMode: 'persisted' })
    expect(port.types()).toEqual(['hello', 'bye'])
    expect(handlers.onReady).not.toHaveBeenCalled()
  })

  test('drained waits for the confirmation of what is pending', async () => {
    const { driver, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    const settled = vi.fn()
    const drained = driver.drained(10_000).then(settled)
    await Promise.resolve()
    expect(settled).not.toHaveBeenCalled()
    port.answer({ type: 'push-result', id: 1, outcome: 'accepted' })
    await drained
    expect(settled).toHaveBeenCalled()
  })

  test('drained gives up after its time, and at once without a leader', async () => {
    const { session, driver, welcomed, commit } = setUp()
    session.pending = [1]
    await driver.drained(10_000)
    welcomed()
    await commit(2)
    await driver.drained(5)
    expect(session.pending).toEqual([1, 2])
  })
})

test('a new client id is taken over once, and said in the next hello', () => {
  const { session, handlers, attach } = setUp()
  const welcome = { type: 'welcome', history: bytes(0), storageMode: 'persisted' } as const
  attach().answer({ ...welcome, image: bytes(1), clientId: 'new' })
  const port = attach()
  expect(port.said).toMatchObject([{ type: 'hello', clientId: 'new' }])
  port.answer({ ...welcome, clientId: 'new' })
  expect(session.calls.filter((call) => call.startsWith('client'))).toEqual(['client new'])
  expect(handlers.onClientId.mock.calls).toEqual([['new']])
})

test('what is not persisted goes out at once to a leader that is there, and comes in', () => {
  const { session, driver, handlers, welcomed } = setUp()
  session.passing.push(1)
  driver.sendPassing()
  const port = welcomed()
  expect(port.said, 'nobody was there').toEqual([])
  session.passing.push(2)
  driver.sendPassing()
  driver.sendPassing()
  expect(port.said).toEqual([{ type: 'passing', events: bytes(2) }])
  handlers.onFollow.mockClear()
  port.answer({ type: 'passing', events: bytes(3) })
  expect(session.calls).toContain('passing 3')
  expect(handlers.onFollow).toHaveBeenCalledOnce()
})

describe('a leader that says nothing', () => {
  test('while it owes an answer is asked whether it is there, then reported once', async () => {
    const { handlers, clock, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    await clock.advance(leaderSilenceMsMax)
    expect(port.types()).toEqual(['push', 'ping'])
    expect(handlers.onSilence).not.toHaveBeenCalled()
    await clock.advance(leaderSilenceMsMax * 5)
    expect(port.types()).toEqual(['push', 'ping'])
    expect(handlers.onSilence.mock.calls.map(([{ code }]) => code)).toEqual(['StorageBusy'])
    port.answer({ type: 'push-result', id: 1, outcome: 'accepted' })
    await commit(2)
    await clock.advance(leaderSilenceMsMax * 2)
    expect(handlers.onSilence, 'of the next silence').toHaveBeenCalledTimes(2)
  })

  test('but that it is there is only busy', async () => {
    const { handlers, clock, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    for (let i = 0; i < 5; i++) {
      await clock.advance(leaderSilenceMsMax)
      port.answer({ type: 'pong' })
    }
    expect(port.types()).toEqual(['push', 'ping', 'ping', 'ping', 'ping', 'ping'])
    expect(handlers.onSilence).not.toHaveBeenCalled()
  })

  test('and owes nothing is left alone', async () => {
    const { handlers, clock, welcomed, commit } = setUp()
    const port = welcomed()
    await commit(1)
    port.answer({ type: 'push-result', id: 1, outcome: 'accepted' })
    await clock.advance(leaderSilenceMsMax * 5)
    expect(port.types()).toEqual(['push'])
    expect(handlers.onSilence).not.toHaveBeenCalled()
  })

  test('to a hello, or that nobody has ever seen, is reported too', async () => {
    const { handlers, clock, attach } = setUp()
    await clock.advance(leaderSilenceMsMax * 2)
    expect(handlers.onSilence).toHaveBeenCalledTimes(1)
    const port = attach()
    port.answer({ type: 'boot-status', status: { stage: 'loading' } })
    await clock.advance(leaderSilenceMsMax * 3)
    expect(handlers.onSilence).toHaveBeenCalledTimes(2)
  })

  test('is not waited for once there is none for sure, or nobody wants it', async () => {
    const failed = setUp()
    failed.driver.fail(new LiveStoreError('Unsupported', 'no worker'))
    await failed.clock.advance(leaderSilenceMsMax * 5)
    expect(failed.handlers.onSilence).not.toHaveBeenCalled()
    const closed = setUp()
    closed.welcomed()
    await closed.commit(1)
    closed.driver.close()
    await closed.clock.advance(leaderSilenceMsMax * 5)
    expect(closed.handlers.onSilence).not.toHaveBeenCalled()
  })
})

describe('reading the log', () => {
  const welcome = { type: 'welcome', history: bytes(0), storageMode: 'persisted' } as const
  const asked = (port: FakePort) => port.said.filter(({ type }) => type === 'log')

  test('waits for a leader, and asks the next one what the last one left unanswered', async () => {
    const { driver, attach } = setUp()
    const page = driver.readLog(3, 10)
    const first = attach()
    expect(asked(first)).toEqual([])
    first.answer({ ...welcome, image: bytes(1) })
    const question = { type: 'log', id: 1, after: 3, count: 10 }
    expect(asked(first)).toEqual([question])
    const second = attach()
    second.answer(welcome)
    expect(asked(second)).toEqual([question])
    second.answer({ type: 'log-page', id: 1, events: bytes(7) })
    expect(await page).toEqual(new Uint8Array([7]))
  })

  test('ignores answers that nobody waits for', async () => {
    const { driver, welcomed } = setUp()
    const port = welcomed()
    const page = driver.readLog(0, 1)
    port.answer({ type: 'log-page', id: 9, events: bytes(9) })
    port.answer({ type: 'log-page', id: 1, events: bytes() })
    port.answer({ type: 'log-page', id: 1, events: bytes(2) })
    expect(await page).toEqual(new Uint8Array())
  })

  test('ends with the session', async () => {
    const { driver, welcomed } = setUp()
    welcomed()
    const page = driver.readLog(0, 1)
    driver.close()
    expect(await page).toBeUndefined()
    expect(await driver.readLog(0, 1)).toBeUndefined()
  })
})
