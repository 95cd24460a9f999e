/**
 * What LiveStore 0.4.0 itself has left (e2e/livestore-0.4), taken over by the real engine in tabs
 * of an origin in memory; and the same tabs where their workers have no files.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { serveBlocks } from '../src/adapter-web/block-store.js'
import { type ReadableDirectory, readLiveStoreData } from '../src/adapter-web/livestore-data.js'
import type { LiveStoreLog } from '../src/protocol/messages.js'
import { materializeWith, schemaDescriptor } from '../src/schema/index.js'
import { Leader } from '../src/wasm/leader.js'
import { loadEngine } from '../src/wasm/load.js'
import { TestContext, TestLocks } from './doubles.js'
import { EngineOrigin } from './engine-origin.js'
import { TestIndexedDb, TestKeyRange } from './indexed-db.js'
import { schema } from './todo-schema.js'

const folder = fileURLToPath(new URL('../../e2e/livestore-0.4/files/', import.meta.url))

const recorded: ReadableDirectory = {
  name: 'livestore-e2e@6',
  async *values() {
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.gz'))) {
      const bytes = gunzipSync(readFileSync(`${folder}${name}`)) as Uint8Array<ArrayBuffer>
      yield { kind: 'file' as const, getFile: async () => new Blob([bytes]) }
    }
  },
}

const readRecorded = (): Promise<readonly LiveStoreLog[]> =>
  readLiveStoreData(new TestLocks().for(new TestContext()), 'e2e', [recorded])

test('every event that LiveStore recorded is taken over, in order and still pending', async () => {
  const engine = await loadEngine()
  const leader = Leader.open(engine, {
    schemaDescriptor: schemaDescriptor(schema),
    storage: 'in-memory',
    materialize: materializeWith(schema),
    backend: { livePull: true, jitterSeed: 1 },
  })
  const [log] = await readRecorded()
  expect(leader.importLiveStore(log)).toBe(27)
  expect(leader.importLiveStore(log), 'once').toBe(0)
  while (leader.bootStep().stage !== 'done');
  expect(leader.localHead()).toEqual({ global: 25, client: 0, generation: 0 })
  expect(leader.syncStatus()).toMatchObject({ upstreamHead: 0, pendingCount: 27 })
  leader.close()
})

describe('on an origin', () => {
  let origin: EngineOrigin

  beforeEach(() => {
    origin = new EngineOrigin()
    vi.stubGlobal('IDBKeyRange', TestKeyRange)
  })
  afterEach(async () => {
    await origin.close()
    vi.unstubAllGlobals()
  })

  test('its todos are there at the first boot, in every tab, and taken over once', async () => {
    origin.liveStoreData = readRecorded
    const first = await origin.openTab()
    // The schema here does not know of what removed b.
    const ids = ['a', 'b', 'c', ...Array.from({ length: 20 }, (_, i) => `t${i}`)]
    expect(first.ids()).toEqual(ids)
    const second = await origin.openTab()
    expect(second.ids()).toEqual(ids)
    second.add('new')
    await origin.pass(0)
    await origin.close()
    expect((await origin.openTab()).ids()).toEqual([...ids, 'new'])
  })

  describe('without sync access handles', () => {
    let db: TestIndexedDb

    beforeEach(() => {
      db = new TestIndexedDb()
      origin.opfs.syncAccess = false
      origin.serveBlocks = (port) => serveBlocks(port, db.factory)
    })

    test('what is committed is persisted, and there after a restart', async () => {
      const a = await origin.openTab()
      const b = await origin.openTab()
      expect([a.store.storageMode, b.store.storageMode]).toEqual(['persisted', 'persisted'])
      a.add('1')
      const { persisted } = b.store.commit(b.event('2'))
      await persisted
      expect([...a.ids()].sort()).toEqual(['1', '2'])
      a.end()
      b.end()
      const next = await origin.openTab()
      expect([...next.ids()].sort()).toEqual(['1', '2'])
    })

    test('nothing is called persisted before the transaction is complete', async () => {
      const tab = await origin.openTab()
      let release = (): void => undefined
      db.gate = new Promise((resolve) => {
        release = resolve
      })
      let isPersisted = false
      const done = tab.store.commit(tab.event('1')).persisted.then(() => {
        isPersisted = true
      })
      await origin.pass(1_000)
      expect([tab.ids(), isPersisted]).toEqual([['1'], false])
      release()
      await done
    })

    test('a full disk is told, loses nothing, and is got over', async () => {
      const tab = await origin.openTab()
      tab.add('before')
      await tab.store.flush()
      db.failure = new DOMException('no space', 'QuotaExceededError')
      const told = vi.spyOn(console, 'error').mockImplementation(() => undefined)
      tab.add('1')
      await expect(tab.store.flush()).rejects.toMatchObject({ code: 'StorageFull' })
      expect(told).toHaveBeenCalledTimes(1)
      told.mockRestore()
      tab.add('2')
      expect(tab.store.syncStatus().pendingCount).toBeGreaterThan(0)
      db.failure = undefined
      await origin.pass(20_000)
      await tab.store.flush()
      tab.end()
      expect((await origin.openTab()).ids()).toEqual(['before', '1', '2'])
    })

    test('a tab that dies in a flush loses nothing that was called persisted', async () => {
      const a = await origin.openTab()
      const b = await origin.openTab()
      a.add('1')
      await a.store.flush()
      db.gate = new Promise(() => undefined)
      b.add('2')
      await origin.pass(100)
      db.gate = Promise.resolve()
      a.end()
      await origin.pass(5_000)
      await b.store.flush()
      b.end()
      expect((await origin.openTab()).ids()).toEqual(['1', '2'])
    })
  })
})
