/**
 * `flush` and `shutdown` against real leaders: over files that are full, through a change of
 * leader, and where there is no disk.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LiveStoreError } from '../src/errors.js'
import { SHUTDOWN_DRAIN_MS_MAX } from '../src/store/store.js'
import { EngineOrigin } from './engine-origin.js'
import { coded } from './open-store.js'

let origin: EngineOrigin

beforeEach(() => {
  origin = new EngineOrigin()
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(async () => {
  await origin.close()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('what was flushed is there after every tab has died', async () => {
  const [a, b] = [await origin.openTab(), await origin.openTab()]
  a.add('a')
  b.add('b')
  await Promise.all([a.store.flush(), b.store.flush()])
  b.context.kill()
  a.context.kill()
  const again = await origin.openTab()
  expect([...again.ids()].sort()).toEqual(['a', 'b'])
})

test('a full disk rejects a flush in every tab, and another one succeeds later', async () => {
  const [a, b] = [await origin.openTab(), await origin.openTab()]
  origin.opfs.full = true
  a.add('a')
  await expect(a.store.flush()).rejects.toThrow(coded('StorageFull'))
  const c = origin.openTab()
  b.add('b')
  await expect(b.store.flush()).rejects.toThrow(coded('StorageFull'))
  origin.opfs.full = false
  await origin.pass(10_000)
  await Promise.all([a.store.flush(), b.store.flush(), (await c).store.flush()])
  expect((await c).ids()).toEqual(['a', 'b'])
})

test('a flush waits through a change of leader', async () => {
  const [a, b] = [await origin.openTab(), await origin.openTab()]
  a.context.kill()
  b.add('b')
  await b.store.flush()
  expect(b.store.syncStatus().pendingCount).toBe(0)
})

test('a store in memory has nothing to flush', async () => {
  origin.opfs.refusal = new DOMException('private window', 'SecurityError')
  const a = await origin.openTab()
  a.add('a')
  await a.store.flush()
  expect(a.store.syncStatus().pendingCount, 'it did not wait').toBe(1)
})

test('a shutdown tells what it leaves, how much and why, and rejects the receipts', async () => {
  const a = await origin.openTab()
  origin.opfs.full = true
  const { persisted } = a.store.commit(...['a', 'b'].map(a.event))
  await expect(a.store.flush()).rejects.toThrow(coded('StorageFull'))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const ended = a.store.shutdown()
  await vi.advanceTimersByTimeAsync(SHUTDOWN_DRAIN_MS_MAX)
  vi.useRealTimers()
  await origin.pass(5_000)
  await ended
  await expect(persisted).rejects.toThrow(coded('Closed'))
  expect(a.errors).toEqual([coded('StorageFull', /'store'.* 2 event\(s\) not on disk/)])
  expect(a.errors[0]).toBeInstanceOf(LiveStoreError)
})
