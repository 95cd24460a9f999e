/** The mock backend: what it does by command, and the cases that every backend passes. */

import { describe, expect, test } from 'vitest'
import type { SyncBackend, SyncedEvent } from '../sync/backend.js'
import { syncBackendCases } from './conformance.js'
import { makeMockSyncBackend } from './mock-backend.js'

const event = (seqNum: number): SyncedEvent => ({
  name: 'v1.Made',
  args: { seqNum },
  seqNum,
  parentSeqNum: seqNum - 1,
  clientId: 'c',
  sessionId: 's',
})
const signal = new AbortController().signal
const args = { storeId: 'store', clientId: 'c', payload: undefined }
const push = async (backend: SyncBackend, ...events: SyncedEvent[]) =>
  backend.push(events, { backendId: undefined, signal })

describe('passes what every backend must', () => {
  const stores = new Map<string, ReturnType<typeof makeMockSyncBackend>>()
  const make = (args: { storeId: string; clientId: string; payload: unknown }) => {
    const mock = stores.get(args.storeId) ?? makeMockSyncBackend()
    stores.set(args.storeId, mock)
    return mock.makeSyncBackend(args)
  }
  for (const { name, run } of syncBackendCases(make)) {
    test(name, async () => {
      await expect(run()).resolves.toBeUndefined()
    })
  }
})

test('a backend that loses an event, or repeats one, does not pass', async () => {
  const verdicts = async (spoil: (events: readonly SyncedEvent[]) => readonly SyncedEvent[]) => {
    const stores = new Map<string, ReturnType<typeof makeMockSyncBackend>>()
    const cases = syncBackendCases(
      async (args) => {
        const mock = stores.get(args.storeId) ?? makeMockSyncBackend()
        stores.set(args.storeId, mock)
        const backend = await mock.makeSyncBackend(args)
        return {
          ...backend,
          async *pull(cursor, options) {
            for await (const page of backend.pull(cursor, options)) {
              const events = spoil(page.batch.map(({ eventEncoded }) => eventEncoded))
              yield { ...page, batch: events.map((eventEncoded) => ({ eventEncoded })) }
            }
          },
        }
      },
      { timeoutMs: 300 },
    )
    const results = await Promise.allSettled(cases.map(({ run }) => run()))
    return results.filter(({ status }) => status === 'rejected').length
  }
  expect(await verdicts((events) => events)).toBe(0)
  expect(await verdicts((events) => events.slice(1))).toBeGreaterThan(4)
  expect(await verdicts((events) => events.flatMap((one) => [one, one]))).toBeGreaterThan(4)
})

test('without a connection everything is IsOfflineError, and a pull that runs ends', async () => {
  const mock = makeMockSyncBackend({ startConnected: false })
  const backend = await mock.makeSyncBackend(args)
  const seen: boolean[] = []
  backend.isConnected?.subscribe((isConnected) => seen.push(isConnected))
  await expect(push(backend, event(1))).rejects.toMatchObject({ name: 'IsOfflineError' })
  mock.connect()
  await push(backend, event(1))
  const pages = backend
    .pull(undefined, { live: true, backendId: undefined, signal })
    [Symbol.asyncIterator]()
  await pages.next()
  const next = pages.next()
  mock.disconnect()
  await expect(next).rejects.toMatchObject({ name: 'IsOfflineError' })
  expect(seen).toEqual([true, false])
})

test('pushes fail as often as told, and an event that is refused says why', async () => {
  const mock = makeMockSyncBackend()
  const backend = await mock.makeSyncBackend(args)
  mock.failNextPushes(2)
  for (let i = 0; i < 2; i++) await expect(push(backend, event(1))).rejects.toThrow(/told to/)
  mock.refuse(({ seqNum }) => (seqNum === 2 ? 'not this one' : undefined))
  await expect(push(backend, event(1), event(2))).rejects.toMatchObject({
    name: 'EventRefusedError',
    index: 1,
    reason: 'not this one',
  })
  expect(mock.events).toEqual([])
  await push(backend, event(1))
  expect(mock.events).toEqual([event(1)])
})

test('what was pushed is a stream, and what came from elsewhere is not in it', async () => {
  const mock = makeMockSyncBackend()
  const backend = await mock.makeSyncBackend(args)
  mock.advance(event(1))
  await push(backend, event(2))
  const pushed = mock.pushedEvents[Symbol.asyncIterator]()
  expect((await pushed.next()).value).toEqual(event(2))
  const next = pushed.next()
  await push(backend, event(3))
  expect((await next).value).toEqual(event(3))
  expect(() => mock.advance(event(9))).toThrow(expect.objectContaining({ minimumExpectedNum: 4 }))
})
