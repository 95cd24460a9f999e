/**
 * The server over ports and a clock in memory, with a leader that keeps a log of byte strings: what
 * is pinned here is who is sent what and in which order, not what events mean.
 */

import { beforeEach, describe, expect, test } from 'vitest'
import { settle, TestClock, TestPort } from '../../test/doubles.js'
import { LiveStoreError } from '../errors.js'
import type { LeaderToTab, SessionToLeader } from '../protocol/messages.js'
import { encodeBatch } from '../wasm/codec.js'
import type { DrainEntry, DrainOutcome, EventReport, Joined } from '../wasm/leader.js'
import {
  drainRetryFirstMs,
  drainRetryMaxMs,
  journalsWaitingMax,
  LeaderServer,
  type ServedLeader,
  warningsMax,
} from './leader-server.js'

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text).slice()
const textOf = (buffer: ArrayBuffer): string => new TextDecoder().decode(buffer)

/** A leader whose log is a list of texts. `bad` bytes are malformed, `stale` ones are rejected. */
class FakeLeader implements ServedLeader {
  readonly schemaHash = 'schema-1'
  readonly log: string[] = []
  drains = 0
  storageFull = false
  syncEnds = false
  clientId = ''
  /** What the next drain says besides its entries. */
  toTell: Partial<DrainOutcome> = {}
  joinFailure: LiveStoreError | undefined
  broken = false
  #queue: { session: number; push: number; text: string }[] = []

  submit(session: number, push: number, bytes: Uint8Array): void {
    const text = new TextDecoder().decode(bytes)
    if (text === 'bad') throw new LiveStoreError('MalformedBytes', 'these are no events')
    this.#queue.push({ session, push, text })
  }

  submitOrphans(bytes: Uint8Array): void {
    this.submit(0, 0, bytes)
  }

  drain(): DrainOutcome {
    this.drains += 1
    if (this.broken) throw new WebAssembly.RuntimeError('unreachable')
    if (this.syncEnds) {
      this.syncEnds = false
      throw new LiveStoreError('SyncBackendReplaced', 'another one')
    }
    if (this.storageFull) throw new LiveStoreError('StorageFull', 'no space is left')
    const entries = this.#queue.splice(0).flatMap(({ session, push, text }): DrainEntry[] => {
      if (text === 'stale') return [{ type: 'push-result', session, push, outcome: 'rejected' }]
      if (text === 'nonsense') {
        const failure = { failedIndex: 0, code: 'Sql', message: 'no such table' }
        return [{ type: 'push-result', session, push, outcome: 'failed', ...failure }]
      }
      this.log.push(text)
      return [
        { type: 'news', author: session, news: bytesOf(text) },
        { type: 'push-result', session, push, outcome: 'accepted' },
      ]
    })
    const outcome = { entries, rejoin: false, skipped: [], refused: [], ...this.toTell }
    this.toTell = {}
    return outcome
  }

  /** Storage was read anew: nobody will hear of what was queued. */
  loseTrack(): void {
    this.#queue = []
    this.toTell = { rejoin: true }
  }

  hasWork(): boolean {
    return this.#queue.length > 0 || Object.keys(this.toTell).length > 0
  }

  /** A cursor is how many texts the session knows. */
  join(cursor: Uint8Array | undefined, instance: string): Joined {
    if (this.joinFailure !== undefined) throw this.joinFailure
    const { clientId } = this
    const known = cursor?.[0] ?? Number.POSITIVE_INFINITY
    return known > this.log.length
      ? {
          image: bytesOf(`image(${this.log.join(',')})`),
          history: bytesOf(`of ${instance}`),
          clientId,
        }
      : { image: undefined, history: bytesOf(this.log.slice(known).join(',')), clientId }
  }

  settledAfter(global: number, count: number): Uint8Array {
    if (this.joinFailure !== undefined) throw this.joinFailure
    return bytesOf(this.log.slice(global, global + count).join(','))
  }
}

const cursor = (known: number): ArrayBuffer => new Uint8Array([known]).buffer

const report = (name: string): EventReport => ({
  event: {
    name,
    argsJson: '{}',
    seqNum: { global: 1, client: 0, generation: 0 },
    parentSeqNum: { global: 0, client: 0, generation: 0 },
    clientId: 'c',
    sessionId: 's',
  },
  code: 'Sql',
  message: 'no such table',
})

/** A session at the other end of a port: what it heard, in short form. */
class FakeSession {
  readonly heard: string[] = []
  readonly warnings: string[] = []
  readonly port: TestPort
  #pushes = 0

  constructor(port: TestPort) {
    this.port = port
    port.addEventListener('message', ({ data }) => {
      const message = data as LeaderToTab
      this.heard.push(short(message))
      if (message.type !== 'boot-status' || message.status.stage !== 'warning') return
      this.warnings.push(`${message.status.reason}: ${message.status.message}`)
    })
    port.start()
  }

  say(message: SessionToLeader | { type: string }, transfer: Transferable[] = []): void {
    this.port.postMessage(message, transfer)
  }

  hello(overrides: Partial<SessionToLeader & { type: 'hello' }> = {}): void {
    this.say({
      type: 'hello',
      protocol: 1,
      sessionId: 's',
      clientId: 'c',
      instance: 's-1',
      schemaHash: 'schema-1',
      ...overrides,
    })
  }

  push(text: string): void {
    this.#pushes += 1
    const push = bytesOf(text).buffer
    this.say({ type: 'push', id: this.#pushes, push }, [push])
  }

  journal(id: number, instance: string, text: string): void {
    const push = bytesOf(text).buffer
    this.say({ type: 'journal', id, instance, push }, [push])
  }
}

const short = (message: LeaderToTab): string => {
  switch (message.type) {
    case 'boot-status':
      return message.status.stage
    case 'welcome':
      return `welcome ${message.image ? `${textOf(message.image)} ` : ''}${textOf(message.history)}`
    case 'news':
      return `news ${textOf(message.news)}`
    case 'passing':
      return `passing ${message.events.byteLength} bytes`
    case 'log-page':
      return `log-page ${message.id} ${textOf(message.events)}`
    case 'rejoin':
    case 'pong':
      return message.type
    case 'push-result':
      return message.outcome === 'failed'
        ? `failed ${message.id} at ${message.failedIndex}: ${message.code}`
        : `${message.outcome} ${message.id}`
    case 'journal-result':
      return `journal ${message.id} ${message.code ?? 'taken'}`
    case 'error':
      return `error ${message.code}${message.retrying === true ? ' retrying' : ''}`
  }
}

let clock: TestClock
let leader: FakeLeader
let server: LeaderServer
let crashes: unknown[]

const connect = (): FakeSession => {
  const { port1, port2 } = TestPort.channel()
  server.connect(port2)
  return new FakeSession(port1)
}

/** A session that was welcomed, with what it has heard so far forgotten. */
const welcomed = async (): Promise<FakeSession> => {
  const session = connect()
  session.hello()
  await settle()
  session.heard.length = 0
  return session
}

beforeEach(() => {
  clock = new TestClock()
  leader = new FakeLeader()
  crashes = []
  server = new LeaderServer({ clock, onCrash: (error) => crashes.push(error) })
})

describe('boot', () => {
  test('statuses reach every session as they happen, and the welcome follows done', async () => {
    const early = connect()
    early.hello()
    server.reportStatus({ stage: 'migrating', progress: { done: 1, total: 1 } })
    await settle()
    expect(early.heard).toEqual(['migrating'])
    server.reportStatus({ stage: 'rehydrating', progress: { done: 1, total: 2 } })
    server.serve(leader, 'persisted')
    await settle()
    expect(early.heard).toEqual(['migrating', 'rehydrating', 'done', 'welcome image() of s-1'])
  })

  test('a late session hears every warning and the latest status', async () => {
    server.reportStatus({ stage: 'warning', reason: 'private-browsing', message: 'refused' })
    server.reportStatus({ stage: 'migrating', progress: { done: 1, total: 2 } })
    server.reportStatus({ stage: 'migrating', progress: { done: 2, total: 2 } })
    server.serve(leader, 'in-memory')
    const late = connect()
    late.hello()
    await settle()
    expect(late.heard).toEqual(['warning', 'done', 'welcome image() of s-1'])
  })

  test('who asks whether the leader is there is answered while it boots', async () => {
    const session = connect()
    session.say({ type: 'ping' })
    await settle()
    expect(session.heard).toEqual(['pong'])
  })

  test('a failed boot is told to sessions that are there and to those that come', async () => {
    const early = connect()
    server.fail('CorruptEventlog', 'page 3 is damaged')
    const late = connect()
    await settle()
    expect(early.heard).toEqual(['error CorruptEventlog'])
    expect(late.heard).toEqual(['error CorruptEventlog'])
  })
})

describe('hello', () => {
  test('a known cursor is answered with the events after it, another with the image', async () => {
    leader.log.push('e1', 'e2', 'e3')
    server.serve(leader, 'persisted')
    const known = connect()
    known.hello({ cursor: cursor(1) })
    const unknown = connect()
    unknown.hello({ cursor: cursor(9) })
    await settle()
    expect(known.heard).toEqual(['done', 'welcome e2,e3'])
    expect(unknown.heard).toEqual(['done', 'welcome image(e1,e2,e3) of s-1'])
  })

  test('another schema or protocol is refused, and others are not disturbed', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    const oldSchema = connect()
    oldSchema.hello({ schemaHash: 'schema-0' })
    const oldProtocol = connect()
    oldProtocol.hello({ protocol: 0 })
    await settle()
    expect(oldSchema.heard).toEqual(['done', 'error SchemaMismatch'])
    expect(oldProtocol.heard).toEqual(['done', 'error ProtocolMismatch'])
    session.push('e1')
    await settle()
    expect(session.heard).toEqual(['accepted 1'])
  })

  test('a hello after an unanswered push is welcomed with that push in the log', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    session.push('e1')
    session.hello({ cursor: cursor(0) })
    await settle()
    expect(session.heard).toEqual(['accepted 1', 'welcome e1'])
  })
})

describe('push', () => {
  test('pushes that arrive together share one drain, and all hear of it in log order', async () => {
    server.serve(leader, 'persisted')
    const [a, b, reader] = [await welcomed(), await welcomed(), await welcomed()]
    a.push('a1')
    b.push('b1')
    await settle()
    expect(leader.drains).toBe(1)
    expect(a.heard).toEqual(['accepted 1', 'news b1'])
    expect(b.heard).toEqual(['news a1', 'accepted 1'])
    expect(reader.heard).toEqual(['news a1', 'news b1'])
  })

  test('rejections and failures are handed on with what they carry', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    session.push('stale')
    await settle()
    session.push('nonsense')
    await settle()
    expect(session.heard).toEqual(['rejected 1', 'failed 2 at 0: Sql'])
  })

  test('malformed bytes cost their sender its port and nobody else anything', async () => {
    server.serve(leader, 'persisted')
    const [bad, good] = [await welcomed(), await welcomed()]
    bad.push('bad')
    good.push('e1')
    await settle()
    expect(bad.heard).toEqual(['error MalformedBytes'])
    expect(good.heard).toEqual(['accepted 1'])
    bad.push('e2')
    await settle()
    expect(leader.log).toEqual(['e1'])
  })

  test.each([
    ['a message of no known type', { type: 'shout' }],
    ['a push without bytes', { type: 'push', id: 1, push: 'e1' }],
    ['a hello with a cursor of text', { type: 'hello', protocol: 1, cursor: 'head' }],
    ['something that is no message', null],
  ])('%s is refused', async (_, message) => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    session.say(message as SessionToLeader)
    await settle()
    expect(session.heard).toEqual(['error ProtocolMismatch'])
  })

  test('what is not persisted goes to the others; damaged bytes cost their sender', async () => {
    server.serve(leader, 'persisted')
    const [a, b] = [await welcomed(), await welcomed()]
    const late = connect()
    const events = encodeBatch([]).slice().buffer
    const size = events.byteLength
    a.say({ type: 'passing', events }, [events])
    await settle()
    a.say({ type: 'passing', events: bytesOf('damaged').buffer })
    await settle()
    expect(a.heard).toEqual(['error ProtocolMismatch'])
    expect(b.heard).toEqual([`passing ${size} bytes`])
    expect(late.heard).toEqual(['done'])
  })

  test('a push before the welcome, and a second one before the answer, are refused', async () => {
    server.serve(leader, 'persisted')
    const hasty = connect()
    hasty.push('e1')
    const greedy = await welcomed()
    greedy.push('e1')
    greedy.push('e2')
    await settle()
    expect(hasty.heard).toEqual(['done', 'error ProtocolMismatch'])
    expect(greedy.heard).toEqual(['error ProtocolMismatch'])
  })

  test('a session that is gone is sent nothing, and its last push is still taken in', async () => {
    server.serve(leader, 'persisted')
    const [leaving, staying] = [await welcomed(), await welcomed()]
    leaving.push('e1')
    leaving.say({ type: 'bye' })
    await settle()
    expect(leader.log).toEqual(['e1'])
    expect(leaving.heard).toEqual([])
    expect(staying.heard).toEqual(['news e1'])
  })
})

describe('a leader that lost track', () => {
  test('has every session say hello anew, and forgets what they pushed', async () => {
    server.serve(leader, 'persisted')
    const [a, b] = [await welcomed(), await welcomed()]
    a.push('a1')
    await new Promise((resolve) => setImmediate(resolve))
    leader.loseTrack()
    server.drainSoon()
    await settle()
    expect(a.heard).toEqual(['rejoin'])
    expect(b.heard).toEqual(['rejoin'])
    // On its way when the session was told: void, and no offence.
    a.push('a2')
    a.hello({ cursor: cursor(0) })
    await settle()
    a.push('a1')
    await settle()
    expect(a.heard).toEqual(['rejoin', 'welcome ', 'accepted 3'])
    expect(leader.log).toEqual(['a1'])
  })

  test('welcomes who waited for the answer to a push that will never come', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    leader.storageFull = true
    session.push('e1')
    session.hello({ cursor: cursor(0) })
    await settle()
    leader.storageFull = false
    leader.loseTrack()
    await clock.advance(drainRetryFirstMs)
    expect(session.heard).toEqual(['error StorageFull retrying', 'welcome '])
  })

  test('that finds it out at a join says so afterwards', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    leader.loseTrack()
    const other = connect()
    other.hello()
    await settle()
    expect(session.heard).toEqual(['rejoin'])
    expect(other.heard).toEqual(['done', 'welcome image() of s-1', 'rejoin'])
  })
})

describe('events without effect, or refused', () => {
  test('are warned of, to sessions that are there and to those that come', async () => {
    leader.toTell = { skipped: [report('Odd'), report('Odder')] }
    const early = connect()
    early.hello()
    server.serve(leader, 'persisted')
    await settle()
    expect(early.warnings).toEqual([
      "event-skipped: the event 'Odd' and 1 more has no effect (Sql): no such table",
    ])
    expect(early.heard).toEqual(['warning', 'done', 'welcome image() of s-1'])
    leader.toTell = { refused: [report('Bad')] }
    server.drainSoon()
    await settle()
    expect(early.warnings.slice(1)).toEqual([
      "event-refused: the event 'Bad' was refused by the sync backend (Sql): no such table",
    ])
    const late = connect()
    await settle()
    expect(late.warnings).toEqual(early.warnings)
  })

  test('a session that comes late hears of a bounded number', async () => {
    server.serve(leader, 'persisted')
    for (let i = 0; i < warningsMax * 2; i++) {
      leader.toTell = { skipped: [report(`e${i}`)] }
      server.drainSoon()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const late = connect()
    await settle()
    expect(late.warnings).toHaveLength(warningsMax)
  })
})

describe('journals', () => {
  test('that come during the boot are in the log before anybody is welcomed', async () => {
    const session = connect()
    session.journal(1, 'gone', 'left')
    session.hello()
    await settle()
    expect(leader.log).toEqual([])
    server.serve(leader, 'persisted')
    await settle()
    expect(session.heard).toEqual(['journal 1 taken', 'done', 'welcome image(left) of s-1'])
  })

  test('that come later are in the log before the hello that follows them', async () => {
    server.serve(leader, 'persisted')
    const other = await welcomed()
    const session = connect()
    session.journal(1, 'gone', 'left')
    session.hello()
    await settle()
    expect(session.heard.slice(1)).toEqual(['journal 1 taken', 'welcome image(left) of s-1'])
    expect(other.heard).toEqual(['news left'])
  })

  test('wait for the end of a session that is still here', async () => {
    server.serve(leader, 'persisted')
    const author = connect()
    author.hello({ instance: 'frozen' })
    const session = await welcomed()
    session.journal(1, 'frozen', 'left')
    await settle()
    expect(leader.log).toEqual([])
    author.say({ type: 'bye' })
    await settle()
    expect(session.heard).toEqual(['journal 1 taken', 'news left'])
  })

  test('are answered once their events are on disk', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    leader.storageFull = true
    session.journal(1, 'gone', 'left')
    await settle()
    expect(session.heard).toEqual(['error StorageFull retrying'])
    leader.storageFull = false
    await clock.advance(drainRetryMaxMs)
    expect(session.heard.slice(1)).toEqual(['journal 1 taken', 'news left'])
  })

  test('that cannot be read are answered so, and others are taken', async () => {
    const session = connect()
    session.journal(1, 'one', 'bad')
    session.journal(2, 'two', 'left')
    await settle()
    server.serve(leader, 'persisted')
    await settle()
    expect(session.heard).toEqual(['journal 1 MalformedBytes', 'journal 2 taken', 'done'])
    expect(leader.log).toEqual(['left'])
  })

  test('are not for a leader in memory', async () => {
    const session = connect()
    session.journal(1, 'gone', 'left')
    server.serve(leader, 'in-memory')
    await settle()
    expect(leader.log).toEqual([])
    expect(session.heard).toEqual(['done'])
  })

  test('that wait are bounded in number', async () => {
    const session = connect()
    for (let i = 0; i <= journalsWaitingMax; i++) session.journal(i, `gone-${i}`, 'left')
    for (let i = 0; i < 40; i++) await settle()
    server.serve(leader, 'persisted')
    await settle()
    expect(leader.log).toHaveLength(journalsWaitingMax)
  })
})

describe('storage that is full', () => {
  test('keeps a session waiting that joins, until it can be read again', async () => {
    server.serve(leader, 'persisted')
    leader.joinFailure = new LiveStoreError('StorageIo', 'cannot read')
    const session = connect()
    session.hello()
    await settle()
    expect(session.heard).toEqual(['done', 'error StorageIo retrying'])
    leader.joinFailure = undefined
    await clock.advance(drainRetryFirstMs)
    expect(session.heard.at(-1)).toBe('welcome image() of s-1')
  })

  test('gives a reader of the log nothing, until it can be read again', async () => {
    leader.log.push('e1', 'e2', 'e3')
    server.serve(leader, 'persisted')
    const session = await welcomed()
    leader.joinFailure = new LiveStoreError('StorageIo', 'cannot read')
    session.say({ type: 'log', id: 1, after: 0, count: 10 })
    await settle()
    leader.joinFailure = undefined
    session.say({ type: 'log', id: 2, after: 1, count: 1 })
    await settle()
    expect(session.heard).toEqual(['error StorageIo retrying', 'log-page 1 ', 'log-page 2 e2'])
    expect(crashes).toEqual([])
  })

  test('is told once; the push stays queued and is answered when there is space', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    leader.storageFull = true
    session.push('e1')
    await settle()
    expect(session.heard).toEqual(['error StorageFull retrying'])
    await clock.advance(drainRetryFirstMs * 10)
    expect(session.heard).toHaveLength(1)
    leader.storageFull = false
    await clock.advance(drainRetryMaxMs)
    expect(session.heard.slice(1)).toEqual(['accepted 1'])
    leader.storageFull = true
    session.push('e2')
    await settle()
    expect(session.heard.slice(2), 'and told again the next time').toEqual([
      'error StorageFull retrying',
    ])
  })

  test('is told to a session that comes while it lasts', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    leader.storageFull = true
    session.push('e1')
    await settle()
    const late = connect()
    late.hello()
    await settle()
    late.push('e2')
    await settle()
    expect(late.heard.slice(1)).toEqual(['welcome image() of s-1', 'error StorageFull retrying'])
  })

  test('is tried again at growing intervals that stay bounded', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    leader.storageFull = true
    session.push('e1')
    await clock.advance(1_000)
    // At once, then after 100, 200 and 400 ms.
    expect(leader.drains).toBe(4)
    const before = leader.drains
    await clock.advance(drainRetryMaxMs * 10)
    expect(leader.drains - before).toBeGreaterThanOrEqual(9)
    expect(leader.drains - before).toBeLessThanOrEqual(16)
  })

  test('is tried again with the next push', async () => {
    server.serve(leader, 'persisted')
    const [a, b] = [await welcomed(), await welcomed()]
    leader.storageFull = true
    a.push('a1')
    await clock.advance(60_000)
    leader.storageFull = false
    b.push('b1')
    await settle()
    expect(a.heard).toEqual(['error StorageFull retrying', 'accepted 1', 'news b1'])
    expect(b.heard).toEqual(['error StorageFull retrying', 'news a1', 'accepted 1'])
  })
})

describe('end', () => {
  test('an engine that breaks is reported to all, and is not called again', async () => {
    server.serve(leader, 'persisted')
    const [a, b] = [await welcomed(), await welcomed()]
    leader.broken = true
    a.push('e1')
    await settle()
    expect(a.heard).toEqual(['error Internal'])
    expect(b.heard).toEqual(['error Internal'])
    expect(crashes).toHaveLength(1)
    b.push('e2')
    server.shutdown()
    await settle()
    expect(leader.drains).toBe(1)
  })

  test('of syncing is told to who follows, whose pushes are still taken', async () => {
    server.serve(leader, 'persisted')
    const a = await welcomed()
    leader.syncEnds = true
    a.push('e1')
    await settle()
    a.push('e2')
    const late = connect()
    await settle()
    expect(a.heard).toEqual(['error SyncBackendReplaced retrying', 'accepted 1', 'accepted 2'])
    expect(late.heard).toEqual(['error SyncBackendReplaced'])
    expect(crashes).toEqual([])
  })

  test('a shutdown takes in and answers what was pushed before', async () => {
    server.serve(leader, 'persisted')
    const session = await welcomed()
    session.push('e1')
    await new Promise((resolve) => setImmediate(resolve))
    server.shutdown()
    await settle()
    expect(leader.log).toEqual(['e1'])
    expect(session.heard).toEqual(['accepted 1'])
  })
})

describe('where a drain alone does not reach the disk', () => {
  /** The flushes under way. */
  let flushes: { done(): void; fail(error: Error): void }[]

  beforeEach(() => {
    flushes = []
    server = new LeaderServer({
      clock,
      onCrash: (error) => crashes.push(error),
      onDrained: () => drained.push([...leader.log]),
      flush: () =>
        new Promise((resolve, reject) => {
          flushes.push({ done: resolve, fail: reject })
        }),
    })
    drained = []
    server.serve(leader, 'persisted')
  })
  let drained: string[][]
  const full = new LiveStoreError('StorageFull', 'no space is left')

  test('nobody hears of a push before it is flushed, and then everybody does', async () => {
    const a = await welcomed()
    const b = await welcomed()
    a.push('x')
    await settle()
    expect(leader.log).toEqual(['x'])
    expect(server.isFlushing).toBe(true)
    expect([a.heard, b.heard, drained]).toEqual([[], [], []])
    flushes[0]?.done()
    await settle()
    expect([a.heard, b.heard]).toEqual([['accepted 1'], ['news x']])
    expect(drained).toEqual([['x']])
    expect(server.isFlushing).toBe(false)
  })

  test('a session that joins meanwhile is welcomed after the flush', async () => {
    const a = await welcomed()
    a.push('x')
    await settle()
    const late = connect()
    late.hello({ instance: 's-2' })
    await settle()
    expect(late.heard).not.toContainEqual(expect.stringMatching(/^welcome/))
    flushes[0]?.done()
    await settle()
    expect(late.heard.at(-1)).toBe('welcome image(x) of s-2')
  })

  test('what is pushed meanwhile is drained and flushed after it', async () => {
    const a = await welcomed()
    const b = await welcomed()
    a.push('x')
    await settle()
    b.push('y')
    await settle()
    expect(leader.log).toEqual(['x'])
    flushes[0]?.done()
    await settle()
    expect(leader.log).toEqual(['x', 'y'])
    expect(b.heard).toEqual(['news x'])
    flushes[1]?.done()
    await settle()
    expect(b.heard).toEqual(['news x', 'accepted 1'])
  })

  test('the log is not read as settled before it is flushed', async () => {
    const a = await welcomed()
    a.push('x')
    await settle()
    a.say({ type: 'log', id: 1, after: 0, count: 10 })
    await settle()
    flushes[0]?.done()
    await settle()
    a.say({ type: 'log', id: 2, after: 0, count: 10 })
    await settle()
    expect(a.heard).toEqual(['log-page 1 ', 'accepted 1', 'log-page 2 x'])
  })

  test('a flush that fails is told, acknowledges nothing, and is tried again', async () => {
    const a = await welcomed()
    a.push('x')
    await settle()
    flushes[0]?.fail(full)
    await settle()
    expect(a.heard).toEqual(['error StorageFull retrying'])
    await clock.advance(drainRetryFirstMs)
    flushes[1]?.fail(full)
    await settle()
    expect(a.heard).toHaveLength(1)
    expect(leader.drains, 'the engine is not asked again').toBe(1)
    await clock.advance(2 * drainRetryFirstMs)
    flushes[2]?.done()
    await settle()
    expect(a.heard.at(-1)).toBe('accepted 1')
    expect(crashes).toEqual([])
  })

  test('a journal that comes during a flush is not answered by it', async () => {
    const a = await welcomed()
    a.push('x')
    await settle()
    a.journal(7, 'gone', 'y')
    await settle()
    flushes[0]?.done()
    await settle()
    expect(a.heard).toEqual(['accepted 1'])
    flushes[1]?.done()
    await settle()
    expect(a.heard).toContain('journal 7 taken')
  })

  test('a shutdown flushes what is under way and what came meanwhile', async () => {
    const a = await welcomed()
    const b = await welcomed()
    a.push('x')
    await settle()
    b.push('y')
    await settle()
    let isOver = false
    const over = server.shutdown().then(() => {
      isOver = true
    })
    await settle()
    expect(isOver).toBe(false)
    flushes[0]?.done()
    await settle()
    flushes[1]?.done()
    await over
    await settle()
    expect([a.heard, b.heard]).toEqual([
      ['accepted 1', 'news y'],
      ['news x', 'accepted 1'],
    ])
  })

  test('a shutdown ends also if the flush fails', async () => {
    const a = await welcomed()
    a.push('x')
    await settle()
    const over = server.shutdown()
    flushes[0]?.fail(full)
    await settle()
    flushes[1]?.fail(full)
    await over
    await settle()
    expect(a.heard).not.toContain('accepted 1')
  })
})
