import { beforeEach, expect, test } from 'vitest'
import { settle, TestContext, TestLocks, TestPort } from '../../js/test/doubles.js'
import { Broker, brokerSessionsMax } from './broker.js'

let locks: TestLocks
let broker: Broker

beforeEach(() => {
  locks = new TestLocks()
  broker = new Broker({
    locks: locks.for(new TestContext()),
    createChannel: () => TestPort.channel(),
    nonce: 'n',
  })
})

interface Heard {
  type: string
  session?: string
  code?: string
  port?: TestPort
}

const listen = (port: TestPort): Heard[] => {
  const heard: Heard[] = []
  port.addEventListener('message', ({ data }) => {
    if ((data as Heard).type !== 'ready') heard.push(data as Heard)
  })
  port.start()
  return heard
}

/** A connected tab that holds its lock. */
const openTab = async (name: string) => {
  const context = new TestContext()
  const { port1, port2 } = TestPort.channel()
  broker.connect(port2)
  const heard = listen(port1)
  const lockName = `lock-${name}`
  await new Promise<void>((resolve) => {
    void locks.for(context).request(lockName, {}, () => {
      resolve()
      return new Promise<void>(() => undefined)
    })
  })
  const say = (message: object, ports: TestPort[] = []): void =>
    port1.postMessage(message, ports as unknown as Transferable[])
  return {
    context,
    heard,
    say,
    join: (overrides: object = {}) =>
      say({ type: 'join', protocol: 1, storeId: 'store', sessionId: 's', lockName, ...overrides }),
    /** Leads, and returns what the worker at the other end hears. */
    lead: (overrides: object = {}): Heard[] => {
      const channel = TestPort.channel()
      say(
        {
          type: 'lead',
          protocol: 1,
          storeId: 'store',
          lockName,
          port: channel.port2,
          ...overrides,
        },
        [channel.port2],
      )
      return listen(channel.port1)
    },
  }
}

const types = (heard: readonly Heard[]): string[] => heard.map(({ type }) => type)

test('says that it is there once it holds its lock, which ends with it', async () => {
  const context = new TestContext()
  const dying = new Broker({
    locks: locks.for(context),
    createChannel: () => TestPort.channel(),
    nonce: 'dying',
  })
  const { port1, port2 } = TestPort.channel()
  dying.connect(port2)
  const heard: { type: string; lockName?: string; isHeld: boolean }[] = []
  port1.addEventListener('message', ({ data }) => {
    const message = data as { type: string; lockName: string }
    heard.push({ ...message, isHeld: locks.heldNames().includes(message.lockName) })
  })
  port1.start()
  await settle()
  const lockName = 'livestore-wasm-broker-dying'
  expect(heard).toEqual([{ type: 'ready', lockName, isHeld: true }])
  context.kill()
  expect(locks.heldNames()).not.toContain(lockName)
})

test('sessions that join before and after the leader are both paired', async () => {
  const [early, late, leading] = [await openTab('a'), await openTab('b'), await openTab('l')]
  early.join()
  await settle()
  expect(early.heard).toEqual([])
  const worker = leading.lead()
  late.join()
  await settle()
  expect(types(early.heard)).toEqual(['leader-port'])
  expect(types(late.heard)).toEqual(['leader-port'])
  expect(worker.map(({ type, session }) => `${type} ${session}`)).toEqual([
    'session-port lock-a',
    'session-port lock-b',
  ])
})

test('the two ends of a pair are connected to each other and to nothing else', async () => {
  const [a, b, leading] = [await openTab('a'), await openTab('b'), await openTab('l')]
  const worker = leading.lead()
  a.join()
  b.join()
  await settle()
  const ends = worker.map(({ port }) => listen(port as TestPort))
  a.heard[0]?.port?.postMessage('from a')
  b.heard[0]?.port?.postMessage('from b')
  await settle()
  expect(ends).toEqual([['from a'], ['from b']])
})

test('a new leader is paired with every session, and the old one hears nothing more', async () => {
  const [a, first, second] = [await openTab('a'), await openTab('l1'), await openTab('l2')]
  const oldWorker = first.lead()
  a.join()
  await settle()
  const newWorker = second.lead()
  await settle()
  expect(types(a.heard)).toEqual(['leader-port', 'leader-port'])
  expect(types(oldWorker)).toEqual(['session-port'])
  expect(types(newWorker)).toEqual(['session-port'])
})

test('a session that dies is reported to the leader, and not paired again', async () => {
  const [a, first, second] = [await openTab('a'), await openTab('l1'), await openTab('l2')]
  const worker = first.lead()
  a.join()
  await settle()
  a.context.kill()
  await settle()
  expect(types(worker)).toEqual(['session-port', 'session-gone'])
  expect(types(second.lead())).toEqual([])
})

test('a session that leaves is reported, and may join again', async () => {
  const [a, leading] = [await openTab('a'), await openTab('l')]
  const worker = leading.lead()
  a.join()
  a.say({ type: 'leave' })
  a.say({ type: 'leave' })
  a.join()
  await settle()
  expect(types(worker)).toEqual(['session-port', 'session-gone', 'session-port'])
})

test('who joins after the leader died waits for the next one', async () => {
  const [a, first, second] = [await openTab('a'), await openTab('l1'), await openTab('l2')]
  first.lead()
  await settle()
  first.context.kill()
  await settle()
  a.join()
  await settle()
  expect(a.heard).toEqual([])
  second.lead()
  await settle()
  expect(types(a.heard)).toEqual(['leader-port'])
})

test.each([
  ['another protocol', { protocol: 2 }],
  ['another store', { storeId: 'other' }],
  ['a lock name that is no text', { lockName: 7 }],
])('%s is refused, for sessions and leaders alike', async (_, wrong) => {
  const [good, a, leading] = [await openTab('g'), await openTab('a'), await openTab('l')]
  good.join()
  a.join(wrong)
  leading.lead(wrong)
  await settle()
  expect(a.heard.map(({ code }) => code)).toEqual(['ProtocolMismatch'])
  expect(leading.heard.map(({ code }) => code)).toEqual(['ProtocolMismatch'])
  expect(good.heard).toEqual([])
})

test('sessions beyond the limit are refused', async () => {
  const { port1, port2 } = TestPort.channel()
  broker.connect(port2)
  const heard = listen(port1)
  const holder = locks.for(new TestContext())
  for (let i = 0; i <= brokerSessionsMax; i++) {
    void holder.request(`lock-${i}`, {}, () => new Promise<void>(() => undefined))
    const join = { type: 'join', protocol: 1, storeId: 'store', sessionId: 's' }
    port1.postMessage({ ...join, lockName: `lock-${i}` })
  }
  await settle()
  expect(heard.map(({ code }) => code)).toEqual(['LimitExceeded'])
})
