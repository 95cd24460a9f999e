/**
 * What a server of the protocol has to do, on real sockets: run by the self-hosted server over each
 * of its storages and by the worker in workerd. LiveStore's own provider cases are among them, in
 * our words.
 *
 * The server under test refuses events called `forbidden` by its onPush hook, the event at index 1
 * of a batch called `half-forbidden`, and connections with the payload `{"token":"wrong"}`.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  addressOf,
  httpCall,
  none,
  type Page,
  some,
  WireClient,
  type WireError,
  wireEvent,
  wireEvents,
} from './wire-client.js'

export interface ServerUnderTest {
  readonly url: string
  stop(): Promise<void>
}

const numbersOf = (pages: readonly Page[]): number[] =>
  pages.flatMap(({ batch }) => batch.map(({ eventEncoded }) => eventEncoded.seqNum))

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index)

export const wireConformance = (name: string, start: () => Promise<ServerUnderTest>): void => {
  // Real sockets, disks and processes on a machine that may be busy.
  describe(`the protocol over ${name}`, { timeout: 60_000 }, () => {
    let server: ServerUnderTest
    let stores = 0
    let storeId = ''
    const clients: WireClient[] = []
    beforeAll(async () => {
      server = await start()
    }, 60_000)
    afterAll(() => server?.stop())
    afterEach(async () => {
      await Promise.all(clients.splice(0).map((client) => client.close()))
    })
    const open = async (store = storeId, payload?: unknown): Promise<WireClient> => {
      const client = await WireClient.open(server.url, store, { payload })
      clients.push(client)
      return client
    }
    const fresh = (): Promise<WireClient> => {
      stores += 1
      storeId = `wire-${stores}-${Math.random().toString(36).slice(2)}`
      return open()
    }
    const failure = (exit: unknown): WireError =>
      (exit as { cause: { error: WireError } }).cause.error

    test('a ping is answered', async () => {
      const client = await fresh()
      client.send('{"_tag":"Ping"}')
      expect(await client.next()).toEqual({ _tag: 'Pong' })
    })

    test('a new store has one empty page that says NoMore', async () => {
      const client = await fresh()
      const pages = await client.pages()
      expect(pages).toHaveLength(1)
      expect(pages[0]).toMatchObject({ batch: [], pageInfo: { _tag: 'NoMore' } })
      expect((await client.live().next()).backendId).toBe(pages[0]?.backendId)
    })

    test('what was pushed is pulled, with and without a cursor', async () => {
      const client = await fresh()
      expect(await client.push([wireEvent(1)])).toEqual({ _tag: 'Success', value: {} })
      expect(await client.pullAll()).toEqual([wireEvent(1)])
      const backendId = (await client.pages())[0]?.backendId as string
      for (const eventSequenceNumber of [1, 99]) {
        const after = await client.pages({ backendId, eventSequenceNumber })
        expect(after).toEqual([{ batch: [], pageInfo: { _tag: 'NoMore' }, backendId }])
      }
      expect(await client.push([wireEvent(2)], { backendId: some(backendId) })).toMatchObject({
        _tag: 'Success',
      })
      expect(numbersOf(await client.pages({ backendId, eventSequenceNumber: 1 }))).toEqual([2])
    })

    test('an empty push is taken, and absent arguments are null', async () => {
      const client = await fresh()
      expect(await client.push([])).toEqual({ _tag: 'Success', value: {} })
      const { args, ...without } = wireEvent(1)
      expect(args).toBeDefined()
      await client.push([without, wireEvent(2, { args: null }), wireEvent(3, { args: 'x' })])
      expect((await client.pullAll()).map((event) => event.args)).toEqual([null, null, 'x'])
    })

    test('a log is read in pages of 100 events and 900,000 bytes, counting down', async () => {
      const client = await fresh()
      for (let first = 1; first <= 250; first += 50) await client.push(wireEvents(first, 50))
      const pages = await client.pages()
      expect(pages.map(({ batch }) => batch.length)).toEqual([100, 100, 50])
      expect(pages.map(({ pageInfo }) => pageInfo)).toEqual([
        { _tag: 'MoreKnown', remaining: 150 },
        { _tag: 'MoreKnown', remaining: 50 },
        { _tag: 'NoMore' },
      ])
      expect(numbersOf(pages)).toEqual(range(1, 250))
      await client.push(wireEvents(251, 6, { args: 'x'.repeat(120_000) }))
      await client.push(wireEvents(257, 6, { args: 'x'.repeat(120_000) }))
      const { backendId } = pages[0] as Page
      const large = await client.pages({ backendId, eventSequenceNumber: 250 })
      expect(numbersOf(large)).toEqual(range(251, 262))
      for (const page of large) expect(JSON.stringify(page).length).toBeLessThan(901_000)
    })

    test('the first event of a log may have any number', async () => {
      const client = await fresh()
      const first = wireEvent(20_000, { parentSeqNum: 0 })
      expect(await client.push([first, ...wireEvents(20_001, 99)])).toMatchObject({
        _tag: 'Success',
      })
      const pages = await client.pages()
      expect(numbersOf(pages)).toEqual(range(20_000, 20_099))
      const { backendId } = pages[0] as Page
      const later = await client.pages({ backendId, eventSequenceNumber: 20_050 })
      expect(numbersOf(later)).toEqual(range(20_051, 20_099))
    })

    test('live pulls get every push, the pusher before its push is answered', async () => {
      const a = await fresh()
      const b = await open()
      const liveA = a.live()
      const liveB = b.live()
      await liveA.next()
      await liveB.next()
      const push = a.request('Push', { batch: wireEvents(1, 3), backendId: none })
      const first = await a.next(({ _tag }) => _tag === 'Chunk' || _tag === 'Exit')
      expect(first).toMatchObject({ _tag: 'Chunk', requestId: liveA.id })
      a.ack(liveA.id)
      expect(await a.next()).toMatchObject({ _tag: 'Exit', requestId: push })
      expect(numbersOf([await liveB.next()])).toEqual([1, 2, 3])
      await b.push(wireEvents(4, 1))
      expect(numbersOf([await liveA.next()])).toEqual([4])
      expect(numbersOf([await liveB.next()])).toEqual([4])
      a.send({ _tag: 'Interrupt', requestId: liveA.id })
      expect(await a.next()).toMatchObject({ _tag: 'Exit', exit: { _tag: 'Failure' } })
      await b.push(wireEvents(5, 1))
      expect(numbersOf([await liveB.next()])).toEqual([5])
      expect(a.frames).toEqual([])
    })

    test('pushes amid a backlog never overtake it', async () => {
      const a = await fresh()
      for (let first = 1; first <= 2000; first += 100) await a.push(wireEvents(first, 100))
      const b = await open()
      const live = b.live()
      const seen: number[] = []
      for (let next = 2001; seen.length < 2300; ) {
        if (next <= 2300) {
          await a.push(wireEvents(next, 50))
          next += 50
        }
        seen.push(...numbersOf([await live.next()]))
      }
      expect(seen).toEqual(range(1, 2300))
    })

    test('a pull without acknowledgements stops, and goes on with them', async () => {
      const a = await fresh()
      for (let first = 1; first <= 2000; first += 100) await a.push(wireEvents(first, 100))
      const b = await open()
      const id = b.request('Pull', { cursor: none, live: false })
      const pages = [...((await b.next(({ requestId }) => requestId === id)).values ?? [])]
      // Two round trips later, everything that comes without an acknowledgement is there.
      await a.push(wireEvents(2001, 1))
      b.send('{"_tag":"Ping"}')
      await b.next(({ _tag }) => _tag === 'Pong')
      expect(b.frames.length).toBeLessThan(19)
      b.ack(id)
      for (;;) {
        const frame = await b.next(({ requestId }) => requestId === id)
        if (frame._tag === 'Exit') break
        pages.push(...(frame.values ?? []))
        b.ack(id)
        // One too many does no harm.
        b.ack(id)
      }
      expect(numbersOf(pages).slice(0, 2000)).toEqual(range(1, 2000))
    })

    test('a push that does not continue the head is told where that is', async () => {
      const client = await fresh()
      await client.push(wireEvents(1, 2))
      expect(failure(await client.push([wireEvent(2, { clientId: 'other' })]))).toEqual({
        _tag: 'ServerAheadError',
        minimumExpectedNum: 2,
        providedNum: 1,
      })
      expect(failure(await client.push([wireEvent(9)]))).toEqual({
        _tag: 'ServerAheadError',
        minimumExpectedNum: 2,
        providedNum: 8,
      })
      // A push whose answer was lost is sent again: it is there once.
      await client.push(wireEvents(1, 2))
      expect(numbersOf(await client.pages())).toEqual([1, 2])
    })

    test('of racing writers one is taken per number, and nobody misses an event', async () => {
      await fresh()
      const racers = await Promise.all(
        range(1, 4).map(async (racer) => {
          const client = await open()
          const live = client.live()
          let head = numbersOf([await live.next()]).at(-1) ?? 0
          const mine: string[] = []
          for (let count = 0; count < 25; ) {
            const id = `${racer}.${count}`
            const exit = await client.push([
              wireEvent(head + 1, { args: id, clientId: String(racer) }),
            ])
            if (exit?._tag === 'Success') {
              mine.push(id)
              count += 1
            } else expect(failure(exit)._tag).toBe('ServerAheadError')
            // Whether it was taken or not, the live pull brings what the head now is.
            const seen = head
            while (head === seen) head = numbersOf([await live.next()]).at(-1) ?? head
          }
          return mine
        }),
      )
      const log = await (await open()).pullAll()
      expect(log.map(({ seqNum }) => seqNum)).toEqual(range(1, 100))
      racers.forEach((mine, index) => {
        const own = log.filter(({ clientId }) => clientId === String(index + 1))
        expect(own.map(({ args }) => args)).toEqual(mine)
      })
    })

    test('pushes that do not wait for each other are taken in their order', async () => {
      const client = await fresh()
      const ids = range(0, 19).map((index) =>
        client.request('Push', { batch: wireEvents(index * 5 + 1, 5), backendId: none }),
      )
      for (const id of ids) {
        const { exit } = await client.next(({ requestId }) => requestId === id)
        expect(exit).toEqual({ _tag: 'Success', value: {} })
      }
      expect(numbersOf(await client.pages())).toEqual(range(1, 100))
    })

    test('another history is told apart', async () => {
      const client = await fresh()
      const backendId = (await client.pages())[0]?.backendId as string
      expect(failure(await client.push([wireEvent(1)], { backendId: some('other') }))).toEqual({
        _tag: 'BackendIdMismatchError',
        expected: backendId,
        received: 'other',
      })
      const id = client.request('Pull', {
        cursor: some({ backendId: 'other', eventSequenceNumber: 0 }),
        live: true,
      })
      const { exit } = await client.next(({ requestId }) => requestId === id)
      expect(failure(exit)._tag).toBe('BackendIdMismatchError')
    })

    test.each([
      ['a gap', [wireEvent(1), wireEvent(3)]],
      ['numbers that fall', [wireEvent(1), wireEvent(2), wireEvent(1)]],
      ['a number twice', [wireEvent(1), wireEvent(1)]],
      ['a foreign parent', [wireEvent(1), wireEvent(2, { parentSeqNum: 0 })]],
    ])('a batch with %s is refused as a whole', async (_, batch) => {
      const client = await fresh()
      expect(failure(await client.push(batch))).toMatchObject({
        _tag: 'UnknownError',
        cause: { name: 'InvalidBatchError' },
      })
      expect(await client.pullAll()).toEqual([])
    })

    test('a gap after the head is refused', async () => {
      const client = await fresh()
      await client.push([wireEvent(1)])
      expect(failure(await client.push([wireEvent(3, { parentSeqNum: 1 })]))).toMatchObject({
        cause: { name: 'InvalidBatchError' },
      })
    })

    test('an event too large for a page is refused by its index and never stored', async () => {
      const client = await fresh()
      const args = 'ü'.repeat(455_000)
      expect(failure(await client.push([wireEvent(1), wireEvent(2, { args })]))).toMatchObject({
        _tag: 'UnknownError',
        cause: { name: 'EventRefusedError' },
        payload: { index: 1 },
      })
      expect(await client.pullAll()).toEqual([])
      const fits = wireEvent(1, { args: 'x'.repeat(890_000) })
      expect(await client.push([fits])).toMatchObject({ _tag: 'Success' })
      expect(await client.pullAll()).toEqual([fits])
    })

    test('a hook refuses batches and single events, with its reason', async () => {
      const client = await fresh()
      const refused = failure(await client.push([wireEvent(1, { name: 'forbidden' })]))
      expect(refused).toMatchObject({
        _tag: 'UnknownError',
        cause: { name: 'Error', message: 'no such thing' },
      })
      const half = wireEvents(1, 2, { name: 'half-forbidden' })
      expect(failure(await client.push(half))).toMatchObject({
        cause: { name: 'EventRefusedError', message: 'not this one' },
        payload: { index: 1 },
      })
      expect(await client.pullAll()).toEqual([])
    })

    test('a payload that is not valid is refused, at the door and in a message', async () => {
      const client = await fresh()
      await expect(open(storeId, { token: 'wrong' })).rejects.toThrow()
      const payload = { token: 'wrong' }
      expect(failure(await client.push([wireEvent(1)], { payload }))).toMatchObject({
        cause: { name: 'UnauthorizedError' },
      })
      expect(await (await open()).pullAll()).toEqual([])
    })

    test('a message for another store is refused', async () => {
      const client = await fresh()
      expect(failure(await client.push([wireEvent(1)], { storeId: 'another' }))).toMatchObject({
        cause: { name: 'WrongStoreError' },
      })
      expect(await client.pullAll()).toEqual([])
    })

    test('what cannot be read is answered, and the connection goes on', async () => {
      const client = await fresh()
      const frames = [
        'this is not json',
        '[{"_tag":"Ping"}]',
        '{"_tag":"Whatever"}',
        '{"_tag":"Request","id":"abc","tag":"SyncWsRpc.Pull","payload":{}}',
        '{"_tag":"Request","id":"1","tag":"SyncWsRpc.Nope","payload":{}}',
        '{"_tag":"Request","id":"1","tag":"SyncHttpRpc.Pull","payload":{}}',
        `${'['.repeat(50_000)}`,
      ]
      for (const frame of frames) {
        client.send(frame)
        expect((await client.next())._tag).toBe('Defect')
      }
      const odd: [string, object][] = [
        ['Push', {}],
        ['Push', { batch: {}, backendId: none }],
        ['Push', { batch: [1], backendId: none }],
        ['Push', { batch: [{ ...wireEvent(1), seqNum: 1.5 }], backendId: none }],
        ['Push', { batch: [{ ...wireEvent(1), clientId: 'a\0' }], backendId: none }],
        ['Push', { batch: [{ ...wireEvent(1), name: '\ud800' }], backendId: none }],
        ['Push', { batch: wireEvents(1, 1001), backendId: none }],
        ['Pull', { cursor: null, live: true }],
        ['Pull', { cursor: some({ backendId: 1 }), live: true }],
        ['Pull', { cursor: none, live: 'yes' }],
      ]
      for (const [method, payload] of odd) {
        const id = client.request(method, payload)
        const { exit } = await client.next(({ requestId }) => requestId === id)
        expect(exit).toMatchObject({ _tag: 'Failure', cause: { _tag: 'Die' } })
      }
      expect(await client.pullAll()).toEqual([])
    })

    test('a client that sends nothing readable is disconnected, others are not', async () => {
      const other = await fresh()
      const client = await open()
      for (let i = 0; i < 50; i++) client.send(`nonsense ${i}`)
      expect((await client.closed).code).toBe(4002)
      expect(await other.push([wireEvent(1)])).toMatchObject({ _tag: 'Success' })
    })

    test('arguments nested too deeply are refused or kept, and hurt nobody', async () => {
      const client = await fresh()
      const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
      const event = JSON.stringify(wireEvent(1, { args: 'DEEP' })).replace('"DEEP"', deep)
      client.send(
        `{"_tag":"Request","id":"7","tag":"SyncWsRpc.Push","payload":{"storeId":"${storeId}",` +
          `"batch":[${event}],"backendId":{"_tag":"None"}}}`,
      )
      expect(['Exit', 'Defect']).toContain((await client.next())._tag)
      client.send('{"_tag":"Ping"}')
      expect(await client.next()).toEqual({ _tag: 'Pong' })
    })

    test('ids that are numbers are answered as numbers, with a flat cause', async () => {
      const client = await fresh()
      client.request('Push', { batch: [wireEvent(5)], backendId: none }, 7)
      expect(await client.next()).toEqual({
        _tag: 'Exit',
        requestId: 7,
        exit: {
          _tag: 'Failure',
          cause: [
            {
              _tag: 'Fail',
              error: { _tag: 'ServerAheadError', minimumExpectedNum: 0, providedNum: 4 },
            },
          ],
        },
      })
    })

    test('calls over HTTP: ping, push, pull, refusals', async () => {
      await fresh()
      const call = (method: string, payload: object) =>
        httpCall(server.url, storeId, method, payload)
      expect(await call('Ping', {})).toEqual([
        {
          _tag: 'Exit',
          requestId: '0',
          exit: { _tag: 'Success', value: { _tag: 'SyncMessage.Pong' } },
        },
      ])
      const [empty, end] = await call('Pull', { cursor: none })
      expect(empty).toMatchObject({ _tag: 'Chunk', values: [{ batch: [] }] })
      expect(end).toEqual({ _tag: 'Exit', requestId: '0', exit: { _tag: 'Success' } })
      for (let first = 1; first <= 2100; first += 100) {
        const batch = wireEvents(first, 100)
        const [exit] = await call('Push', { batch, backendId: none })
        expect(exit?.exit).toEqual({ _tag: 'Success', value: {} })
      }
      const answer = await call('Pull', { cursor: none })
      expect(answer.at(-1)?._tag).toBe('Exit')
      expect(numbersOf(answer.flatMap(({ values }) => values ?? []))).toEqual(range(1, 2100))
      const [ahead] = await call('Push', { batch: [wireEvent(1)], backendId: none })
      expect(failure(ahead?.exit)._tag).toBe('ServerAheadError')
      expect((await call('Nope', {}))[0]?._tag).toBe('Defect')
      const [died] = await call('Push', {})
      expect(died?.exit?.cause?._tag).toBe('Die')
    })

    test('addresses that are none are refused', async () => {
      const status = async (address: string, method = 'GET') =>
        (await fetch(address, { method })).status
      expect(await status(`${server.url}/`)).toBe(200)
      expect(await status(`${server.url}/x?storeId=a`)).toBe(400)
      expect(await status(addressOf(server.url, 'a', { transport: 'http' }), 'OPTIONS')).toBe(204)
      expect(await status(`${server.url}/?storeId=a&transport=ws`)).toBe(426)
      const hostile = ['', 'x'.repeat(300), 'a\0b', 'a\nb', '\u2028']
      for (const id of hostile) await expect(open(id)).rejects.toThrow('400')
    })
  })
}
