/**
 * What every storage has to do, as tests: run by memory, SQLite, PostgreSQL and Durable Objects.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StoredEvent, SyncStorage } from '../storage.js'

export interface StorageUnderTest {
  readonly storage: SyncStorage
  /** Closes it and opens the same data again; absent where nothing is kept. */
  readonly reopen?: () => Promise<SyncStorage>
  /** Another process on the same data; absent where there can be none. */
  readonly another?: () => Promise<SyncStorage>
  /** It holds one store only. */
  readonly isOfOneStore?: boolean
  readonly end: () => Promise<void>
}

export const eventAt = (seqNum: number, more: Partial<StoredEvent> = {}): StoredEvent => ({
  seqNum,
  parentSeqNum: seqNum - 1,
  name: 'v1.TodoCreated',
  args: `{"id":"e${seqNum}"}`,
  clientId: 'client',
  sessionId: 'session',
  createdAt: '2026-01-02T03:04:05.678Z',
  ...more,
})

export const eventsFrom = (first: number, count: number): StoredEvent[] =>
  Array.from({ length: count }, (_, index) => eventAt(first + index))

const all = { events: 1000, bytes: 10_000_000 }

export const storageConformance = (name: string, open: () => Promise<StorageUnderTest>): void => {
  describe(`the storage over ${name}`, { timeout: 60_000 }, () => {
    let under: StorageUnderTest
    let storage: SyncStorage
    beforeEach(async () => {
      under = await open()
      storage = under.storage
    })
    afterEach(() => under.end())

    test('has an empty log, with an id that stays, of a store nobody wrote to', async () => {
      const { head, backendId } = await storage.head('new')
      expect(head).toBe(0)
      expect(backendId).toMatch(/^[\w-]{21}$/)
      expect(await storage.head('new')).toEqual({ head: 0, backendId })
      expect(await storage.read('new', 0, all)).toEqual([])
      await storage.append('new', 0, eventsFrom(1, 1))
      expect(await storage.head('new')).toEqual({ head: 1, backendId })
    })

    test('gives back every event as it was given, in order', async () => {
      const events = [
        eventAt(1, { name: 'ä"\\\n', args: '{"a":[1,null,"\\u0000\u{1f600}"],"__proto__":{}}' }),
        eventAt(2, { args: 'null', clientId: '', sessionId: '\u{10ffff}' }),
        eventAt(3, { args: JSON.stringify('x'.repeat(890_000)) }),
      ]
      expect(await storage.append('s', 0, events)).toEqual({ taken: true })
      expect(await storage.read('s', 0, all)).toEqual(events)
      expect(await storage.read('s', 2, all)).toEqual(events.slice(2))
      expect(await storage.read('s', 3, all)).toEqual([])
      expect(await storage.read('s', 99, all)).toEqual([])
    })

    test('appends only where the log ends, and says where that is', async () => {
      await storage.append('s', 0, eventsFrom(1, 3))
      expect(await storage.append('s', 0, eventsFrom(1, 1))).toEqual({ taken: false, head: 3 })
      expect(await storage.append('s', 2, eventsFrom(3, 5))).toEqual({ taken: false, head: 3 })
      expect(await storage.append('s', 7, eventsFrom(8, 1))).toEqual({ taken: false, head: 3 })
      expect(await storage.append('s', 3, eventsFrom(4, 2))).toEqual({ taken: true })
      expect((await storage.read('s', 0, all)).map(({ seqNum }) => seqNum)).toEqual([1, 2, 3, 4, 5])
    })

    test('takes any number for the first event of a log', async () => {
      const first = eventAt(20_000, { parentSeqNum: 0 })
      expect(await storage.append('s', 0, [first, eventAt(20_001)])).toEqual({ taken: true })
      expect((await storage.head('s')).head).toBe(20_001)
      expect(await storage.read('s', 0, all)).toEqual([first, eventAt(20_001)])
    })

    test('takes exactly one of many appends on the same parent', async () => {
      let parent = 0
      for (let round = 0; round < 10; round++) {
        const racers = await Promise.all(
          Array.from({ length: 8 }, (_, racer) =>
            storage.append('s', parent, [
              eventAt(parent + 1, { clientId: `racer ${racer}` }),
              eventAt(parent + 2, { clientId: `racer ${racer}` }),
            ]),
          ),
        )
        expect(racers.filter(({ taken }) => taken)).toHaveLength(1)
        const [one, two] = await storage.read('s', parent, all)
        expect(one?.clientId).toBe(two?.clientId)
        parent += 2
      }
      expect((await storage.read('s', 0, all)).map(({ seqNum }) => seqNum)).toEqual(
        Array.from({ length: 20 }, (_, index) => index + 1),
      )
    })

    test('keeps the logs of stores apart, whatever their names', async ({ skip }) => {
      if (under.isOfOneStore === true) return skip('it holds one store only')
      const names = ['a', 'A', 'a-b', 'a_b', "'; DROP TABLE event; --", '__proto__', '../x', 'ü']
      await Promise.all(
        names.map((name) => storage.append(name, 0, [eventAt(1, { clientId: name })])),
      )
      const ids = new Set<string>()
      for (const name of names) {
        expect((await storage.read(name, 0, all)).map(({ clientId }) => clientId)).toEqual([name])
        ids.add((await storage.head(name)).backendId)
      }
      expect(ids.size).toBe(names.length)
    })

    test('reads at most as many events and bytes as asked, but one at least', async () => {
      const args = JSON.stringify('x'.repeat(10_000))
      await storage.append(
        's',
        0,
        eventsFrom(1, 20).map((event) => ({ ...event, args })),
      )
      expect(await storage.read('s', 0, { events: 3, bytes: 1e9 })).toHaveLength(3)
      expect(await storage.read('s', 5, { events: 100, bytes: 1 })).toHaveLength(1)
      const some = await storage.read('s', 0, { events: 100, bytes: 50_000 })
      expect(some.length).toBeGreaterThan(3)
      expect(some.length).toBeLessThan(8)
      expect(await storage.read('s', 18, { events: 100, bytes: 1e9 })).toHaveLength(2)
    })

    test('has everything that was appended when it is opened again', async ({ skip }) => {
      if (under.reopen === undefined) return skip('it keeps nothing')
      await storage.append('s', 0, eventsFrom(1, 500))
      const before = await storage.head('s')
      const unwritten = await storage.head('nobody wrote here')
      storage = await under.reopen()
      expect(await storage.head('s')).toEqual(before)
      expect(await storage.head('nobody wrote here')).toEqual(unwritten)
      expect(await storage.read('s', 0, all)).toEqual(eventsFrom(1, 500))
      expect(await storage.append('s', 500, eventsFrom(501, 1))).toEqual({ taken: true })
    })

    test('tells of appends of other processes, and refuses by them', async ({ skip }) => {
      if (under.another === undefined) return skip('one process owns its data')
      const other = await under.another()
      try {
        const heads: number[] = []
        const stop = storage.watch('s', (head) => heads.push(head))
        expect((await storage.head('s')).head).toBe(0)
        expect(await other.append('s', 0, eventsFrom(1, 2))).toEqual({ taken: true })
        await expect.poll(() => heads.at(-1), { timeout: 20_000 }).toBe(2)
        expect(await storage.append('s', 0, eventsFrom(1, 1))).toEqual({ taken: false, head: 2 })
        expect(await storage.read('s', 0, all)).toEqual(eventsFrom(1, 2))
        stop()
        await other.append('s', 2, eventsFrom(3, 1))
        expect((await storage.head('s')).head).toBe(3)
        expect(heads.at(-1)).toBe(2)
      } finally {
        await other.close()
      }
    })

    test('fails calls after it was closed', async () => {
      await storage.close()
      await expect(storage.append('s', 0, eventsFrom(1, 1))).rejects.toThrow()
      await expect(storage.head('s')).rejects.toThrow()
    })
  })
}
