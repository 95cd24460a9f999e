/**
 * What pages had pending when they ended is taken in by the next leader, once: real engines, tabs,
 * workers and files, and a `localStorage` in memory.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { settle } from './doubles.js'
import { EngineOrigin, type EngineTab } from './engine-origin.js'
import { coded } from './open-store.js'

let origin: EngineOrigin
const openTab = () => origin.openTab()

beforeEach(() => {
  origin = new EngineOrigin()
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(async () => {
  await origin.close()
  vi.restoreAllMocks()
})

const journals = (): string[] => [...origin.localStorage.texts.keys()]
/** Nothing is pending, no journal is left, and nobody was told of a rejection or an error. */
const expectQuiet = (...tabs: EngineTab[]): void => {
  expect(journals()).toEqual([])
  for (const { rejected, errors, store } of tabs) {
    expect({ rejected, errors, pending: store.syncStatus().pendingCount }).toEqual({
      rejected: [],
      errors: [],
      pending: 0,
    })
  }
}

test('what a lone tab committed last is in the first state of the next', async () => {
  const a = await openTab()
  a.add('confirmed')
  await a.store.flush()
  a.add('last')
  a.end()
  expect(journals()).toHaveLength(1)
  const b = await openTab()
  expect(b.ids()).toEqual(['confirmed', 'last'])
  await settle()
  expectQuiet(b)
  b.end()
  const c = await openTab()
  expect(c.ids()).toEqual(['confirmed', 'last'])
})

test('tabs that stay see what one that ended had pending, whether it led or not', async () => {
  const [a, b, c] = [await openTab(), await openTab(), await openTab()]
  b.add('of a follower')
  b.end()
  await expect.poll(() => a.ids()).toEqual(['of a follower'])
  a.add('of the leader')
  a.end()
  await expect.poll(() => c.ids()).toEqual(['of a follower', 'of the leader'])
  await expect.poll(journals).toEqual([])
  c.add('c')
  await c.store.flush()
  expectQuiet(c)
})

test('all tabs that end at the same moment leave theirs', async () => {
  const [a, b, c] = [await openTab(), await openTab(), await openTab()]
  for (const [tab, name] of [
    [a, 'a'],
    [b, 'b'],
    [c, 'c'],
  ] as const) {
    tab.add(name)
  }
  for (const tab of [b, a, c]) tab.end()
  const next = await openTab()
  await expect.poll(() => [...next.ids()].sort()).toEqual(['a', 'b', 'c'])
  await expect.poll(journals).toEqual([])
  expectQuiet(next)
})

test('a page that comes back removes its journal, and nothing is there twice', async () => {
  const [a, b] = [await openTab(), await openTab()]
  b.add('one')
  b.page.dispatchEvent(new Event('freeze'))
  expect(journals()).toHaveLength(1)
  const c = await openTab()
  await expect.poll(() => [a.ids(), b.ids(), c.ids()]).toEqual(Array(3).fill(['one']))
  await expect.poll(journals).toEqual([])
  b.add('two')
  await b.store.flush()
  await expect.poll(() => [a.ids(), c.ids()]).toEqual(Array(2).fill(['one', 'two']))
  expectQuiet(a, b, c)
})

test('a page that comes back does not repeat what a later leader took', async () => {
  const [a, b] = [await openTab(), await openTab()]
  origin.opfs.full = true
  b.add('one')
  await settle()
  b.hide()
  origin.opfs.full = false
  a.context.kill()
  const c = await openTab()
  await expect.poll(() => [b.ids(), c.ids()]).toEqual(Array(2).fill(['one']))
  await expect.poll(journals).toEqual([])
  expectQuiet(b, c)
})

test('5,000 pending events fit, and come back in order', async () => {
  const a = await openTab()
  const ids = Array.from({ length: 5_000 }, (_, i) => `id-${i}`)
  for (const id of ids) a.add(id)
  a.end()
  const b = await openTab()
  expect(b.ids()).toEqual(ids)
})

test('what another page listener commits while the page ends is journaled too', async () => {
  const a = await openTab()
  a.page.addEventListener('pagehide', () => a.add('draft'))
  a.add('before')
  a.end()
  const b = await openTab()
  expect(b.ids()).toEqual(['before', 'draft'])
})

test('events that cannot be journaled are reported, by count and code, and not cut', async () => {
  const a = await openTab()
  a.store.commit(a.event('a'), a.event('b'))
  origin.localStorage.limit = 50
  a.hide()
  origin.localStorage.refusal = new DOMException('cookies are off', 'SecurityError')
  a.hide()
  expect(a.errors).toEqual([
    coded('StorageFull', /2 event\(s\) .*cannot be journaled/),
    coded('StorageUnavailable', /2 event\(s\) .*cookies are off/),
  ])
  expect(console.error).toHaveBeenCalledWith(expect.stringContaining('(StorageFull)'))
  expect(origin.localStorage.texts.size).toBe(0)
  await a.store.flush()
})

test('a damaged journal is kept aside and reported, and the store opens', async () => {
  const a = await openTab()
  a.add('a')
  a.end()
  const [key] = journals() as [string]
  const damaged = `${origin.localStorage.texts.get(key)}x`
  origin.localStorage.texts.set(key, damaged)
  const b = await openTab()
  expect(b.ids()).toEqual([])
  expect(b.errors).toEqual([coded('MalformedBytes', /unusable-journal/)])
  expect([...origin.localStorage.texts.values()]).toEqual([damaged])
})

test('what a shutdown could not put on disk is there at the next start', async () => {
  const a = await openTab()
  origin.opfs.full = true
  a.add('a')
  await expect(a.store.flush()).rejects.toThrow(coded('StorageFull'))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const ended = a.store.shutdown()
  await vi.advanceTimersByTimeAsync(60_000)
  vi.useRealTimers()
  await origin.pass(5_000)
  await ended
  expect(journals()).toHaveLength(1)
  origin.opfs.full = false
  const b = await openTab()
  expect(b.ids()).toEqual(['a'])
})

test('a store in memory, one that is idle, and one that has ended write no journal', async () => {
  const a = await openTab()
  a.hide()
  a.add('a')
  await a.store.shutdown()
  a.hide()
  expect(journals()).toEqual([])
  origin.opfs.refusal = new DOMException('private window', 'SecurityError')
  const b = await openTab()
  b.add('b')
  b.hide()
  expect(journals()).toEqual([])
})

test('a leader in memory leaves journals for one with storage', async () => {
  const a = await openTab()
  a.add('a')
  a.end()
  origin.opfs.refusal = new DOMException('private window', 'SecurityError')
  const b = await openTab()
  expect(b.ids()).toEqual([])
  b.end()
  origin.opfs.refusal = undefined
  const c = await openTab()
  expect(c.ids()).toEqual(['a'])
})
