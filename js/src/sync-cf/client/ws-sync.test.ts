/** The client over a WebSocket: what it says when, and what it makes of a world in disorder. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { settle } from '../../../test/doubles.js'
import { FakeWorld } from '../../../test/fake-socket.js'
import type { PullPage, SyncBackend } from '../../sync/backend.js'
import { charsWaitingMax, pagesWaitingMax } from './calls.js'
import { makeCfSync } from './index.js'
import { openMsMax } from './reconnect.js'
import { makeWsSync, makeWsSyncIn, type WsSyncOptions } from './ws-sync.js'

let world: FakeWorld
let open: SyncBackend[]
beforeEach(() => {
  world = new FakeWorld()
  open = []
})
afterEach(async () => {
  for (const backend of open) await backend.close?.()
  expect(world.networkListeners, 'nothing listens any more').toBe(0)
})

const args = { storeId: 'a store', clientId: 'c', payload: { token: 'of the store' } }
const make = async (options: Partial<WsSyncOptions> = {}): Promise<SyncBackend> => {
  const backend = await makeWsSyncIn(world, {
    url: 'https://example.com/sync?region=eu',
    webSocketFactory: world.openSocket,
    ...options,
  })(args)
  open.push(backend)
  return backend
}
const connected = async (options: Partial<WsSyncOptions> = {}): Promise<SyncBackend> => {
  const backend = await make(options)
  const connecting = backend.connect?.()
  await settle()
  world.socket.open()
  await connecting
  world.socket.say({ _tag: 'Pong' })
  return backend
}
const signal = new AbortController().signal
const event = { name: 'e', args: {}, seqNum: 1, parentSeqNum: 0, clientId: 'c', sessionId: 's' }
const item = (seqNum: number, tag = 'NoMore') => ({
  batch: [
    { eventEncoded: { ...event, seqNum, parentSeqNum: seqNum - 1 }, metadata: { _tag: 'None' } },
  ],
  pageInfo: { _tag: tag },
  backendId: 'id',
})
const chunk = (requestId: string, ...values: object[]) => ({ _tag: 'Chunk', requestId, values })
const pull = (backend: SyncBackend, end = signal): AsyncIterator<PullPage> =>
  backend.pull(undefined, { live: true, backendId: undefined, signal: end })[Symbol.asyncIterator]()
const push = async (backend: SyncBackend): Promise<void> =>
  backend.push([event], { backendId: undefined, signal })

describe('options', () => {
  test.each([
    [undefined, /needs an object/],
    [{}, /the option url must be an address/],
    [{ url: 'example.com' }, /the option url must be an address/],
    [{ url: 'ftp://example.com' }, /the option url must be an address/],
    [{ url: 'ws://a', adminSecret: 'x' }, /the option adminSecret is not known/],
    [{ url: 'ws://a', ping: 5 }, /the option ping must be an object/],
    [{ url: 'ws://a', ping: { enabled: 1 } }, /the option ping.enabled must be a boolean/],
    [{ url: 'ws://a', ping: { requestInterval: 0 } }, /ping.requestInterval must be a number of/],
    [{ url: 'ws://a', webSocketFactory: {} }, /the option webSocketFactory must be a function/],
  ])('%j is refused', (options, text) => {
    expect(() => makeWsSync(options as never)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', message: expect.stringMatching(text) }),
    )
  })
  test('the name of 0.3 is another one for the same', () => {
    expect(makeCfSync).toBe(makeWsSync)
  })
})

describe('a connection', () => {
  test('is made to the address, with store, payload and what the app has there', async () => {
    const backend = await make()
    expect(backend.isConnected?.value).toBe(false)
    const connecting = backend.connect?.()
    await settle()
    expect(world.socket.url).toBe(
      'wss://example.com/sync?region=eu&storeId=a+store&' +
        'payload=%257B%2522token%2522%253A%2522of%2520the%2520store%2522%257D&transport=ws',
    )
    world.socket.open()
    await connecting
    expect(backend.isConnected?.value).toBe(true)
    expect(world.socket.sent).toEqual(['{"_tag":"Ping"}'])
  })

  test('that is not granted rejects, and leaves nothing behind', async () => {
    const backend = await make()
    const connecting = backend.connect?.()
    await settle()
    world.socket.end()
    await expect(connecting).rejects.toMatchObject({ name: 'IsOfflineError' })
    expect(world.networkListeners).toBe(0)
    await world.clock.advance(100_000)
    expect(world.sockets).toHaveLength(1)
  })

  test('that does not open in time is given up', async () => {
    const backend = await make()
    const connecting = Promise.resolve(backend.connect?.()).catch((thrown: Error) => thrown.name)
    await world.clock.advance(openMsMax)
    expect(await connecting).toBe('IsOfflineError')
    expect(world.socket.isClosed).toBe(true)
  })

  test('is kept by the ping, byte for byte, and given up when nothing answers', async () => {
    const backend = await connected()
    world.socket.sent.length = 0
    await world.clock.advance(10_000)
    expect(world.socket.sent).toEqual(['{"_tag":"Ping"}'])
    world.socket.say({ _tag: 'Pong' })
    await world.clock.advance(10_000)
    expect(world.socket.sent).toHaveLength(2)
    const page = pull(backend).next()
    await settle()
    const lost = expect(page).rejects.toMatchObject({ name: 'IsOfflineError' })
    await world.clock.advance(10_000)
    await lost
    expect(world.socket.isClosed).toBe(true)
    expect(backend.isConnected?.value).toBe(false)
  })

  test('that is lost is opened again, and tells who listens', async () => {
    const backend = await connected()
    const seen: boolean[] = []
    backend.isConnected?.subscribe((isConnected) => seen.push(isConnected))
    world.socket.end()
    await expect(push(backend)).rejects.toMatchObject({ name: 'IsOfflineError' })
    await world.clock.advance(750)
    expect(world.sockets).toHaveLength(2)
    world.socket.open()
    expect(seen).toEqual([false, true])
    const pushing = push(backend)
    await settle()
    const [request] = world.socket.take()
    expect(JSON.parse(request as string)).toMatchObject({ id: '0', tag: 'SyncWsRpc.Push' })
    world.socket.say({ _tag: 'Exit', requestId: '0', exit: { _tag: 'Success', value: {} } })
    await pushing
  })

  test('ends when the device goes offline, and is tried at once when it is online', async () => {
    const backend = await connected()
    world.network(false)
    expect(backend.isConnected?.value).toBe(false)
    expect(world.socket.isClosed).toBe(true)
    await world.clock.advance(5_000)
    expect(world.sockets).toHaveLength(1)
    world.network(true)
    await settle()
    expect(world.sockets).toHaveLength(2)
  })

  test('that is closed for a reason says it', async () => {
    const backend = await connected()
    const pushing = push(backend)
    await settle()
    world.socket.end(4001, 'the token has expired')
    await expect(pushing).rejects.toThrow(/\(4001: the token has expired\)/)
  })

  test('is over after close, also one that only opens', async () => {
    const backend = await make()
    const connecting = Promise.resolve(backend.connect?.()).catch((thrown: Error) => thrown.name)
    await settle()
    await backend.close?.()
    expect(await connecting).toBe('IsOfflineError')
    expect(world.socket.isClosed).toBe(true)
    world.socket.open()
    await world.clock.advance(100_000)
    expect(world.sockets).toHaveLength(1)
    expect(backend.isConnected?.value).toBe(false)
  })

  test('whose socket cannot be made fails with why', async () => {
    const backend = await make({
      webSocketFactory: () => {
        throw new Error('no sockets here')
      },
    })
    await expect(backend.connect?.()).rejects.toThrow('no sockets here')
  })
})

describe('the payload', () => {
  test('of a function is asked for anew by every connection and every request', async () => {
    let token = 0
    const backend = await connected({ payload: async () => ({ token: ++token }) })
    const asked = () => decodeURIComponent(new URL(world.socket.url).searchParams.get('payload')!)
    expect(asked()).toBe('{"token":1}')
    void pull(backend)
      .next()
      .catch(() => undefined)
    await settle()
    expect(JSON.parse(world.socket.take()[0] as string).payload.payload).toEqual({ token: 2 })
    world.socket.end()
    await world.clock.advance(1_000)
    expect(asked()).toBe('{"token":3}')
  })
  test('that throws fails the call, and nothing is asked without it', async () => {
    let fails = false
    const backend = await connected({
      payload: () => {
        if (fails) throw new Error('signed out')
      },
    })
    fails = true
    await expect(push(backend)).rejects.toThrow('signed out')
    await expect(pull(backend).next()).rejects.toThrow('signed out')
    expect(world.socket.take()).toEqual([])
    world.socket.end()
    await world.clock.advance(1_000)
    expect(world.sockets, 'no connection without one').toHaveLength(1)
    fails = false
    await world.clock.advance(10_000)
    expect(world.sockets).toHaveLength(2)
  })
  test('that is no JSON is named', async () => {
    const backend = await make({ payload: { big: 1n } })
    await expect(backend.connect?.()).rejects.toMatchObject({ code: 'InvalidArgument' })
  })
})

describe('a pull', () => {
  test('acknowledges a chunk when its last page is taken', async () => {
    const backend = await connected()
    const pages = pull(backend)
    const first = pages.next()
    await settle()
    world.socket.take()
    world.socket.say(chunk('0', item(1, 'MoreUnknown'), item(2)))
    expect((await first).value.batch[0].eventEncoded.seqNum).toBe(1)
    expect(world.socket.take()).toEqual([])
    await pages.next()
    expect(world.socket.take()).toEqual(['{"_tag":"Ack","requestId":"0"}'])
  })
  test('acknowledges what it holds back or leaves out, or the server would wait', async () => {
    const backend = await connected()
    const pages = pull(backend)
    const first = pages.next()
    await settle()
    world.socket.take()
    world.socket.say(chunk('0', item(3)))
    expect(world.socket.take()).toEqual(['{"_tag":"Ack","requestId":"0"}'])
    world.socket.say(chunk('0', item(1, 'MoreUnknown')))
    await first
    world.socket.take()
    world.socket.say(chunk('0', item(1, 'MoreUnknown')))
    expect(world.socket.take()).toEqual(['{"_tag":"Ack","requestId":"0"}'])
  })
  test('that nobody wants any more is interrupted, and what still comes is ignored', async () => {
    const backend = await connected()
    const end = new AbortController()
    const next = pull(backend, end.signal).next()
    await settle()
    world.socket.take()
    const given = expect(next).rejects.toMatchObject({ name: 'AbortError' })
    end.abort()
    await given
    expect(world.socket.take()).toEqual(['{"_tag":"Interrupt","requestId":"0"}'])
    world.socket.say(chunk('0', item(1)))
    expect(world.socket.take()).toEqual([])
    expect(backend.isConnected?.value).toBe(true)
  })
  test('that is not read from is ended before it fills the memory', async () => {
    const backend = await connected()
    const pages = pull(backend)
    const first = pages.next()
    await settle()
    world.socket.take()
    for (let i = 1; i <= pagesWaitingMax + 2; i++) world.socket.say(chunk('0', item(i)))
    await first
    await expect(pages.next()).rejects.toMatchObject({ code: 'LimitExceeded' })
    expect(world.socket.take()).toContain('{"_tag":"Interrupt","requestId":"0"}')
  })
  test('whose pages are large is ended sooner', async () => {
    const backend = await connected()
    const pages = pull(backend)
    const first = pages.next()
    await settle()
    const large = (seqNum: number) => {
      const page = item(seqNum)
      const [only] = page.batch
      return chunk('0', {
        ...page,
        batch: [
          {
            ...only,
            eventEncoded: { ...only?.eventEncoded, args: 'x'.repeat(charsWaitingMax / 4) },
          },
        ],
      })
    }
    for (let i = 1; i <= 5; i++) world.socket.say(large(i))
    await first
    await expect(pages.next()).rejects.toMatchObject({ code: 'LimitExceeded' })
  })
  test('without an id of the server begins anew, and leaves out what is there', async () => {
    const backend = await connected()
    const cursor = { eventSequenceNumber: 1, metadata: undefined }
    const options = { live: true, backendId: undefined, signal }
    const pages = backend.pull(cursor, options)[Symbol.asyncIterator]()
    const first = pages.next()
    await settle()
    const [request] = world.socket.take()
    expect(JSON.parse(request as string).payload.cursor).toEqual({ _tag: 'None' })
    world.socket.say(chunk('0', item(1, 'MoreUnknown')))
    world.socket.say(chunk('0', item(2)))
    expect((await first).value.batch[0].eventEncoded.seqNum).toBe(2)
  })
})

describe('a server that breaks the rules', () => {
  test.each(['not JSON', '{"_tag":"Chunk","requestId":"0","values":[{}]}', '[]', '5'])(
    '%s fails what is open, and the connection is made anew',
    async (text) => {
      const backend = await connected()
      const page = pull(backend).next()
      await settle()
      world.socket.say(text)
      await expect(page).rejects.toMatchObject({ code: 'MalformedBytes' })
      expect(world.socket.isClosed).toBe(true)
      await world.clock.advance(1_000)
      expect(world.sockets).toHaveLength(2)
    },
  )
  test('an unknown tag is passed over', async () => {
    const backend = await connected()
    const page = pull(backend).next()
    await settle()
    world.socket.say({ _tag: 'Later', requestId: '0' })
    world.socket.say(chunk('7', item(1)))
    world.socket.say({ _tag: 'Exit', requestId: '7', exit: { _tag: 'Success' } })
    world.socket.say(chunk('0', item(1)))
    expect((await page).value.batch).toHaveLength(1)
  })
  test('a defect fails every call, and the connection goes on', async () => {
    const backend = await connected()
    const [page, pushing] = [pull(backend).next(), push(backend)]
    await settle()
    world.socket.say({ _tag: 'Defect', defect: { name: 'E', message: 'out of order' } })
    await expect(page).rejects.toThrow(/out of order/)
    await expect(pushing).rejects.toThrow(/out of order/)
    expect(backend.isConnected?.value).toBe(true)
  })
  test('a listener of isConnected that throws does not stop the client', async () => {
    const backend = await connected()
    backend.isConnected?.subscribe(() => {
      throw new Error('a listener broke')
    })
    world.socket.end()
    await world.clock.advance(1_000)
    expect(world.sockets).toHaveLength(2)
  })
})
