/**
 * Two clients, each a browser with a profile of its own, that sync by `makeWsSync` through
 * `npx livestore-wasm serve`, a process that may die.
 */

import { SyncProcess } from './fixtures/sync-process.js'
import { test as base, expect } from './fixtures/test.js'

/** Hooks may stand anywhere, so the error is known by its tag. */
const hooks = `
export const onPush = ({ batch }) => {
  const index = batch.findIndex(({ args }) => args.text === 'forbidden')
  if (index < 0) return
  const reason = 'that word is not allowed'
  throw Object.assign(new Error(reason), { _tag: 'EventRefusedError', index, reason })
}
`

const test = base.extend<{ readonly sync: SyncProcess }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names from the pattern
  sync: async ({}, use) => {
    const server = await SyncProcess.create(hooks)
    await use(server)
    await server.close()
  },
})

const served = (sync: SyncProcess) => ({ worker: 'served', syncUrl: sync.url }) as const

test('a todo of one client appears in the other, and in its other tab', async ({
  tabs,
  otherClient,
  sync,
}) => {
  const a = await tabs.open(served(sync))
  const b = await otherClient.open(served(sync))
  const c = await otherClient.open(served(sync))
  await a.add('milk')
  await b.shows('milk')
  await c.shows('milk')
  await c.add('bread')
  await a.shows('milk', 'bread')
  await b.shows('milk', 'bread')
  expect(await a.rows()).toEqual(await b.rows())
})

test('what all do at once ends in one order, and a new client has it all', async ({
  tabs,
  otherClient,
  sync,
}) => {
  const a = await tabs.open(served(sync))
  const b = await otherClient.open(served(sync))
  const c = await otherClient.open(served(sync))
  await Promise.all([a.addMany('a', 40), b.addMany('b', 40), c.addMany('c', 40)])
  for (const tab of [a, b, c]) await tab.showsCount(120)
  const expected = await a.texts()
  expect(new Set(expected).size).toBe(120)
  for (const tab of [b, c]) await expect.poll(() => tab.texts()).toEqual(expected)
})

test('a server that is killed amid commits and comes back loses nothing', async ({
  tabs,
  otherClient,
  sync,
}) => {
  for (const client of [tabs, otherClient]) client.expectProblem(/ERR_CONNECTION|WebSocket/)
  const a = await tabs.open(served(sync))
  const b = await otherClient.open(served(sync))
  await a.add('before')
  await b.shows('before')
  const adding = Promise.all([a.addMany('a', 60), b.addMany('b', 60)])
  await sync.kill()
  await adding
  await a.add('while it was gone')
  await sync.start()
  for (const tab of [a, b]) await tab.showsCount(122)
  await expect.poll(async () => (await b.texts()).join()).toBe((await a.texts()).join())
})

test('what was done offline comes after what others did, for both', async ({
  tabs,
  otherClient,
  sync,
}) => {
  for (const client of [tabs, otherClient]) {
    client.expectProblem(/ERR_INTERNET_DISCONNECTED|WebSocket/)
  }
  const a = await tabs.open(served(sync))
  const b = await otherClient.open(served(sync))
  await a.add('before')
  await b.shows('before')
  await tabs.setOffline(true)
  await a.add('a1', 'a2')
  await b.add('b1')
  await a.saved()
  expect(await b.texts()).toEqual(['before', 'b1'])
  await tabs.setOffline(false)
  for (const tab of [a, b]) await tab.shows('before', 'b1', 'a1', 'a2')
  await expect.poll(() => a.texts()).toEqual(['before', 'b1', 'a1', 'a2'])
})

test('an event that a hook of the server refuses goes from every tab, with the reason', async ({
  tabs,
  otherClient,
  sync,
}) => {
  const a = await tabs.open(served(sync))
  const b = await tabs.open(served(sync))
  const c = await otherClient.open(served(sync))
  await a.add('good', 'forbidden', 'also good')
  for (const tab of [a, b, c]) {
    await expect.poll(() => tab.texts()).toEqual(['good', 'also good'])
  }
  await expect
    .poll(() => a.rejections())
    .toEqual([
      expect.objectContaining({
        code: 'BackendRefused',
        message: expect.stringContaining('that word is not allowed'),
      }),
    ])
})
