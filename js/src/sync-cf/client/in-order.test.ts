/** Pages of a server that delivers live events amid older ones, twice, or not at all. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PageInfo, PullPage } from '../../sync/backend.js'
import { earlyEventsMax, InOrder } from './in-order.js'

const page = (from: number, to: number, tag: 'NoMore' | 'MoreUnknown'): PullPage => ({
  batch: Array.from({ length: Math.max(to - from, 0) }, (_, i) => ({
    eventEncoded: {
      name: 'e',
      args: {},
      seqNum: from + i + 1,
      parentSeqNum: from + i,
      clientId: 'c',
      sessionId: 's',
    },
  })),
  pageInfo: { _tag: tag } as PageInfo,
})
const numbers = (pages: readonly PullPage[]): number[] =>
  pages.flatMap(({ batch }) => batch.map(({ eventEncoded }) => eventEncoded.seqNum))

test('a live page in the middle of the backlog waits for its turn', () => {
  const inOrder = new InOrder(0)
  expect(numbers(inOrder.take(page(0, 3, 'MoreUnknown')))).toEqual([1, 2, 3])
  expect(inOrder.take(page(6, 7, 'NoMore'))).toEqual([])
  expect(numbers(inOrder.take(page(3, 6, 'MoreUnknown')))).toEqual([4, 5, 6, 7])
  expect(numbers(inOrder.take(page(6, 7, 'NoMore')))).toEqual([])
  expect(numbers(inOrder.take(page(7, 8, 'NoMore')))).toEqual([8])
})

test('every event is handed on once and in order, however live pages fall among the others', () => {
  const script = fc.record({
    head: fc.nat(5),
    stored: fc.nat(40),
    live: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 }),
    pageSize: fc.integer({ min: 1, max: 9 }),
    seed: fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }),
    seesLive: fc.boolean(),
  })
  fc.assert(
    fc.property(script, ({ head, stored, live, pageSize, seed, seesLive }) => {
      const total = stored + live.reduce((sum, count) => sum + count, 0)
      const backlogEnd = seesLive ? total : stored
      const backlog: PullPage[] = []
      for (let at = head; at < backlogEnd; at += pageSize) {
        const to = Math.min(at + pageSize, backlogEnd)
        backlog.push(page(at, to, to === backlogEnd ? 'NoMore' : 'MoreUnknown'))
      }
      if (backlog.length === 0) backlog.push(page(head, head, 'NoMore'))
      const livePages: PullPage[] = []
      let at = stored
      for (const count of live) {
        livePages.push(page(at, at + count, 'NoMore'))
        at += count
      }
      const inOrder = new InOrder(head)
      const seen: number[] = []
      for (let turn = 0; backlog.length + livePages.length > 0; turn++) {
        const luck = seed[turn % seed.length] as number
        const from = luck === 0 && livePages.length > 0 ? livePages : backlog
        const next = (from.length > 0 ? from : livePages).shift() as PullPage
        seen.push(...numbers(inOrder.take(next)))
        if (luck === 3) seen.push(...numbers(inOrder.take(next)))
      }
      expect(seen).toEqual(
        Array.from({ length: Math.max(total - head, 0) }, (_, i) => head + i + 1),
      )
    }),
    { numRuns: 2_000, seed: 1 },
  )
})

test('a gap that a server leaves when it is through is the engine’s to report', () => {
  const inOrder = new InOrder(0)
  expect(inOrder.take(page(5, 7, 'NoMore'))).toEqual([])
  expect(numbers(inOrder.take(page(0, 3, 'NoMore')))).toEqual([1, 2, 3, 6, 7])
})

test('what is there already and comes again is left out, also in part', () => {
  const inOrder = new InOrder(4)
  expect(numbers(inOrder.take(page(2, 6, 'NoMore')))).toEqual([5, 6])
  const [again] = inOrder.take(page(2, 6, 'NoMore'))
  expect(again?.batch).toEqual([])
})

test('early events are bounded', () => {
  const inOrder = new InOrder(0)
  expect(() => inOrder.take(page(1, 2 + earlyEventsMax, 'NoMore'))).toThrow(
    expect.objectContaining({ code: 'LimitExceeded' }),
  )
})
