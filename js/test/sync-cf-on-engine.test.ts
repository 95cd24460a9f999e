/**
 * Stores with the real engine that sync by the real client over real sockets, with a server that
 * answers as LiveStore's does. Time of the stores is the test's, that of the sockets is real.
 */

import { setTimeout as realSleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { makeWsSync } from '../src/sync-cf/client/index.js'
import { EngineOrigin, type EngineTab } from './engine-origin.js'
import { SyncCfServer } from './sync-cf-server.js'

let server: SyncCfServer
let devices: EngineOrigin[]

beforeEach(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  devices = []
  server = new SyncCfServer()
  await server.start()
})
afterEach(async () => {
  for (const device of devices) await device.close()
  await expect.poll(() => server.connections, { timeout: 10_000 }).toBe(0)
  await server.stop()
  vi.restoreAllMocks()
})

const device = (): EngineOrigin => {
  const origin = new EngineOrigin({
    backend: makeWsSync({
      url: server.url,
      webSocketFactory: (url) => new WebSocket(url) as never,
    }),
  })
  devices.push(origin)
  return origin
}

const log = (): unknown[] =>
  server.room('store').events.map(({ args }) => (args as { id: string }).id)

/** Lets time pass everywhere until `holds`. */
const until = async (holds: () => boolean, what: string): Promise<void> => {
  for (let turn = 0; turn < 500; turn++) {
    if (holds()) return
    await Promise.all(devices.map((origin) => origin.pass(200)))
    await realSleep(5)
  }
  throw new Error(`not within 100 s of the stores: ${what}`)
}
const converged = (count: number, ...tabs: EngineTab[]): Promise<void> =>
  until(() => {
    const expected = JSON.stringify(log())
    return log().length === count && tabs.every((tab) => JSON.stringify(tab.ids()) === expected)
  }, `${count} events everywhere`)

test('two clients see what the other commits, in every tab', async () => {
  const [one, two] = [device(), device()]
  const [a, b, c] = [await one.openTab(), await one.openTab(), await two.openTab()]
  a.add('from a')
  await converged(1, a, b, c)
  c.add('from c')
  b.add('from b')
  await converged(3, a, b, c)
  expect(server.payloads).toContainEqual({ token: 'secret' })
})

describe('two clients that commit at the same time agree, and nothing is lost', () => {
  // Six in every run; SYNC_SEEDS=500 takes five minutes.
  const seeds = Array.from({ length: Number(process.env.SYNC_SEEDS ?? 6) }, (_, i) => i + 1)
  test.each(seeds)('seed %i', async (seed) => {
    const [a, b] = [await device().openTab(), await device().openTab()]
    for (let i = 0; i < 10; i++) {
      a.add(`a${i}`)
      b.add(`b${i}`)
      for (const [n, origin] of devices.entries())
        await origin.pass((seed * (i + 3) * (n + 2)) % 90)
      await realSleep((seed * i) % 7)
    }
    await converged(20, a, b)
    expect(new Set(log()).size).toBe(20)
  })
})

test('a receipt is synced when the server has ordered the event', async () => {
  const a = await device().openTab()
  const receipt = a.store.commit(a.event('a1'))
  let isSynced = false
  void receipt.synced.then(() => {
    isSynced = true
  })
  await until(() => isSynced, 'the receipt')
  expect(log()).toEqual(['a1'])
})

test('a refused event rejects its receipt with the reason, and goes from every tab', async () => {
  server.refuses = ({ args }) =>
    (args as { id: string }).id === 'bad' ? 'that is not allowed' : undefined
  const [one, two] = [device(), device()]
  const [a, b, c] = [await one.openTab(), await one.openTab(), await two.openTab()]
  a.add('good')
  const receipt = a.store.commit(a.event('bad'))
  const after = a.store.commit(a.event('after'))
  const reasons: unknown[] = []
  receipt.synced.catch((thrown: unknown) => reasons.push(thrown))
  await until(() => reasons.length > 0, 'the refusal')
  expect(reasons).toEqual([
    expect.objectContaining({
      code: 'BackendRefused',
      message: expect.stringContaining('that is not allowed'),
    }),
  ])
  await converged(2, a, b, c)
  expect(a.ids()).toEqual(['good', 'after'])
  await after.synced
})

test('a connection cut before an answer, and a server that restarts, lose nothing', async () => {
  const [a, b] = [await device().openTab(), await device().openTab()]
  server.cutsBeforeExit = 2
  for (let i = 0; i < 5; i++) a.add(`a${i}`)
  b.add('b0')
  await converged(6, a, b)
  await server.stop()
  a.add('offline a')
  b.add('offline b')
  for (const origin of devices) await origin.pass(3_000)
  await server.start()
  await converged(8, a, b)
})

test('a server that sends everything twice changes nothing', async () => {
  server.copies = 2
  const [a, b] = [await device().openTab(), await device().openTab()]
  for (let i = 0; i < 250; i++) a.add(`a${i}`)
  await converged(250, a, b)
})
