/**
 * Any order of calls, network events, time and frames, sensible ones and nonsense: what the client
 * must keep whatever comes.
 */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { settle } from '../../../test/doubles.js'
import { FakeWorld } from '../../../test/fake-socket.js'
import type { SyncedEvent } from '../../sync/backend.js'
import { makeWsSyncIn } from './ws-sync.js'

const id = fc.constantFrom('0', '0', '0', '1', '2', 1, 99)
const number = fc.integer({ min: -1, max: 12 })
const page = fc.record(
  {
    batch: fc.array(
      fc.record({
        eventEncoded: fc.oneof(
          number.map((seqNum) => ({ seqNum, parentSeqNum: seqNum - 1, name: 'e' })),
          fc.record({ seqNum: number, parentSeqNum: number, name: fc.string() }),
        ),
        metadata: fc.constantFrom({ _tag: 'None' }, { _tag: 'Some', value: 1 }, null, 5),
      }),
      { maxLength: 4 },
    ),
    pageInfo: fc.constantFrom(
      { _tag: 'NoMore' },
      { _tag: 'MoreUnknown' },
      { _tag: 'MoreKnown', remaining: -1 },
      {},
    ),
    backendId: fc.constantFrom('id', 5, undefined),
  },
  { requiredKeys: ['batch', 'pageInfo'] },
)
const frame = fc.oneof(
  fc.record({
    _tag: fc.constant('Chunk'),
    requestId: id,
    values: fc.array(page, { maxLength: 3 }),
  }),
  fc.record({
    _tag: fc.constant('Exit'),
    requestId: id,
    exit: fc.constantFrom(
      { _tag: 'Success' },
      { _tag: 'Failure', cause: [] },
      { _tag: 'Failure', cause: { _tag: 'Fail', error: { _tag: 'ServerAheadError' } } },
      {},
    ),
  }),
  fc.constantFrom({ _tag: 'Defect', defect: null }, { _tag: 'Pong' }, { _tag: 'Later' }, 'x', 7),
)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('say' as const), frame, late: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('pull', 'push', 'abort', 'open', 'end', 'online', 'offline', 'connect'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.integer({ min: 1, max: 40_000 }),
    }),
  },
)

const event: SyncedEvent = {
  name: 'e',
  args: {},
  seqNum: 1,
  parentSeqNum: 0,
  clientId: 'c',
  sessionId: 's',
}

test('one socket at a time, no event twice or backwards, and every call ends', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new FakeWorld()
      const backend = await makeWsSyncIn(world, {
        url: 'ws://localhost',
        webSocketFactory: world.openSocket,
      })({ storeId: 's', clientId: 'c', payload: undefined })
      let running = 0
      const again: number[] = []
      let controller = new AbortController()
      const track = (work: Promise<unknown>): void => {
        running += 1
        const done = () => {
          running -= 1
        }
        work.then(done, (thrown) => {
          expect(thrown).toBeInstanceOf(Error)
          done()
        })
      }
      const read = async (): Promise<void> => {
        const { signal } = controller
        let head = 0
        const pages = backend.pull(undefined, { live: true, backendId: undefined, signal })
        for await (const { batch } of pages) {
          for (const { eventEncoded } of batch) {
            if (eventEncoded.seqNum <= head) again.push(eventEncoded.seqNum)
          }
          head = batch.at(-1)?.eventEncoded.seqNum ?? head
        }
      }
      const begin = (['connect', 'open', 'pull'] as const).map((what) => ({ do: what }))
      for (const what of [...begin, ...steps]) {
        const { signal } = controller
        const { socket } = world
        if (what.do === 'pull') track(read())
        if (what.do === 'push') {
          track(Promise.resolve(backend.push([event], { backendId: undefined, signal })))
        }
        if (what.do === 'connect') track(Promise.resolve(backend.connect?.()))
        if (what.do === 'abort') {
          controller.abort()
          controller = new AbortController()
        }
        if (what.do === 'open' && socket?.isClosed === false) socket.open()
        if (what.do === 'end') socket?.end()
        if ('late' in what) {
          // One that was given up may still have something to say.
          const from = what.late === 0 ? world.sockets[0] : socket
          from?.say(what.frame)
        }
        if (what.do === 'online' || what.do === 'offline') world.network(what.do === 'online')
        await settle()
        if ('ms' in what) await world.clock.advance(what.ms)
        expect(world.sockets.filter(({ isClosed }) => !isClosed).length).toBeLessThanOrEqual(1)
      }
      await backend.close?.()
      await settle()
      expect(again, 'events that were handed on before').toEqual([])
      expect(running, 'calls that have not ended').toBe(0)
      expect(world.sockets.every(({ isClosed }) => isClosed)).toBe(true)
      expect(world.networkListeners).toBe(0)
      const count = world.sockets.length
      await world.clock.advance(100_000)
      expect(world.sockets, 'nothing is opened after the end').toHaveLength(count)
    }),
    { numRuns: 300, seed: 1 },
  )
})
