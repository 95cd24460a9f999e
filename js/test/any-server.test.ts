/**
 * Our client and our stores against any server of the protocol that already runs:
 *
 *     SYNC_URL=http://localhost:8787 npx vitest run js/test/any-server
 *
 * Not part of the tests without an address. Stores are new ones each time.
 */

import { setTimeout as realSleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { MakeSyncBackend } from '../src/sync/backend.js'
import { makeHttpSync, makeWsSync } from '../src/sync-cf/client/index.js'
import { syncBackendCases } from '../src/testing/conformance.js'
import { EngineOrigin, type EngineTab } from './engine-origin.js'

const url = process.env.SYNC_URL
const ws = (storeId?: string): MakeSyncBackend => {
  const make = makeWsSync({
    url: url ?? 'http://localhost',
    webSocketFactory: (address) => new WebSocket(address) as never,
  })
  // The tests' stores all have one name; here each test needs one of its own.
  return (args) => make(storeId === undefined ? args : { ...args, storeId })
}
const http: MakeSyncBackend = (args) =>
  makeHttpSync({ url: url ?? 'http://localhost', livePull: { pollInterval: 100 } })(args)

describe.skipIf(url === undefined).each([
  ['over a WebSocket', ws()],
  ['over HTTP', http],
])('%s', (_, make) => {
  for (const { name, run } of syncBackendCases(make, { timeoutMs: 120_000 })) {
    test(name, { timeout: 130_000 }, async () => {
      await expect(run()).resolves.toBeUndefined()
    })
  }
})

describe.skipIf(url === undefined)('two stores that commit at the same time agree', () => {
  test.each([1, 2, 3, 4, 5])('seed %i', { timeout: 120_000 }, async (seed) => {
    const storeId = `two-stores-${crypto.randomUUID()}`
    const devices = [1, 2].map(() => new EngineOrigin({ backend: ws(storeId) }))
    const tabs: EngineTab[] = []
    for (const device of devices) tabs.push(await device.openTab())
    for (let i = 0; i < 10; i++) {
      for (const [n, tab] of tabs.entries()) tab.add(`${n}-${i}`)
      for (const device of devices) await device.pass(20)
      await realSleep((seed * (i + 1)) % 17)
    }
    const ids = () => tabs.map((tab) => tab.ids().join(' '))
    const isDone = () =>
      new Set(ids()).size === 1 &&
      tabs.every((tab) => tab.ids().length === 20 && tab.store.syncStatus().pendingCount === 0)
    for (let turn = 0; turn < 1_000 && !isDone(); turn++) {
      for (const device of devices) await device.pass(100)
      await realSleep(5)
    }
    expect(new Set(ids()).size).toBe(1)
    expect(new Set(tabs[0]?.ids()).size).toBe(20)
    expect(tabs.map((tab) => tab.store.syncStatus().pendingCount)).toEqual([0, 0])
    for (const device of devices) await device.close()
  })
})
