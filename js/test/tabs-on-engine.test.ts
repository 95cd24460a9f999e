/**
 * Tabs of one origin with the real engine in them: stores, sessions, leaders and files are the real
 * ones, over locks, ports, workers and a file system in memory.
 */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { storeFileNames } from '../../worker/src/leader-worker.js'
import { leaderFileNames } from '../src/wasm/leader.js'
import { loadEngine } from '../src/wasm/load.js'
import { EngineOrigin, type EngineTab } from './engine-origin.js'

let origin: EngineOrigin
const openTab = () => origin.openTab()

beforeEach(() => {
  origin = new EngineOrigin()
})
afterEach(() => origin.close())

const confirmed = (...all: EngineTab[]): Promise<void> =>
  expect
    .poll(() => all.map(({ store }) => store.syncStatus().pendingCount), { timeout: 5_000 })
    .toEqual(all.map(() => 0))

test('the worker opens the files the engine asks for', async () => {
  expect([...storeFileNames].toSorted()).toEqual(
    [...leaderFileNames(await loadEngine())].toSorted(),
  )
})

test('what one tab commits is in all, and after the last has closed it is in storage', async () => {
  const [a, b] = [await openTab(), await openTab()]
  expect(a.store.storageMode).toBe('persisted')
  a.add('from a')
  b.add('from b')
  await confirmed(a, b)
  await expect.poll(() => [a.ids(), b.ids()]).toEqual(Array(2).fill(['from a', 'from b']))
  await a.store.shutdown()
  await b.store.shutdown()
  const again = await openTab()
  expect(again.ids()).toEqual(['from a', 'from b'])
  await again.store.shutdown()
})

test('a leader that is killed amid commits costs no event and doubles none', async () => {
  const [a, b, c] = [await openTab(), await openTab(), await openTab()]
  for (let i = 0; i < 30; i++) {
    b.add(`b${String(i).padStart(2, '0')}`)
    c.add(`c${String(i).padStart(2, '0')}`)
    await new Promise((resolve) => setImmediate(resolve))
    if (i === 15) a.context.kill()
  }
  await confirmed(b, c)
  await expect.poll(() => b.ids()).toHaveLength(60)
  await expect.poll(() => c.ids()).toEqual(b.ids())
  await b.store.shutdown()
  await c.store.shutdown()
  const again = await openTab()
  expect(again.ids()).toHaveLength(60)
  await again.store.shutdown()
})

test('without storage the tabs share one store in memory, and say so', async () => {
  origin.opfs.refusal = new DOMException('private window', 'SecurityError')
  const [a, b] = [await openTab(), await openTab()]
  expect([a.store.storageMode, b.store.storageMode]).toEqual(['in-memory', 'in-memory'])
  b.add('from b')
  await confirmed(b)
  await expect.poll(() => a.ids()).toEqual(['from b'])
  await a.store.shutdown()
  await b.store.shutdown()
})
