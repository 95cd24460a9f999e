/** Two clients, each a browser with a profile of its own, and one sync server between them. */

import { expect, test } from './fixtures/test.js'

const worker = 'synced'

test('a todo of one client appears in the other, and in its other tab', async ({
  tabs,
  otherClient,
  syncServer,
}) => {
  const a = await tabs.open({ worker })
  const b = await otherClient.open({ worker })
  const c = await otherClient.open({ worker })

  await a.add('milk')
  await b.shows('milk')
  await c.shows('milk')

  await c.add('bread')
  await a.shows('milk', 'bread')
  await b.shows('milk', 'bread')
  expect(syncServer.texts()).toEqual(['milk', 'bread'])
  expect(await a.rows()).toEqual(await b.rows())
})

test('what both did offline is the same list for both, in the order of the server', async ({
  tabs,
  otherClient,
  syncServer,
}) => {
  for (const client of [tabs, otherClient]) client.expectProblem(/ERR_INTERNET_DISCONNECTED/)
  const a = await tabs.open({ worker })
  const b = await otherClient.open({ worker })
  await a.add('before')
  await b.shows('before')

  await tabs.setOffline(true)
  await otherClient.setOffline(true)
  await a.add('a1', 'a2')
  await b.add('b1', 'b2')
  await a.saved()
  await b.saved()
  expect(await a.texts()).toEqual(['before', 'a1', 'a2'])
  expect(await b.texts()).toEqual(['before', 'b1', 'b2'])
  expect(syncServer.texts()).toEqual(['before'])

  await otherClient.setOffline(false)
  await expect.poll(() => syncServer.texts()).toEqual(['before', 'b1', 'b2'])
  await tabs.setOffline(false)
  const all = ['before', 'b1', 'b2', 'a1', 'a2']
  await expect.poll(() => syncServer.texts()).toEqual(all)
  for (const tab of [a, b]) await expect.poll(() => tab.texts()).toEqual(all)
  expect(await a.rows()).toEqual(await b.rows())

  await a.reload()
  expect(await a.rows()).toEqual(await b.rows())
})

test('what was done offline survives a restart of the browser, and is synced after it', async ({
  tabs,
  otherClient,
  chromium,
  syncServer,
}) => {
  tabs.expectProblem(/ERR_INTERNET_DISCONNECTED|ERR_CONNECTION|ERR_FAILED/)
  const before = await tabs.open({ worker })
  await tabs.setOffline(true)
  await before.add('offline')
  await before.saved()
  expect(syncServer.texts()).toEqual([])
  await chromium.killAndRestart()

  const b = await otherClient.open({ worker })
  await b.add('meanwhile')
  await expect.poll(() => syncServer.texts()).toContain('meanwhile')
  const after = await tabs.open({ worker })
  await after.shows('meanwhile', 'offline')
  await b.shows('meanwhile', 'offline')
  expect(await after.texts()).toEqual(syncServer.texts())
  expect(await b.texts()).toEqual(syncServer.texts())
})

test('many todos of both at once end in one order, in every tab', async ({
  tabs,
  otherClient,
  syncServer,
}) => {
  const a = await tabs.open({ worker })
  const b = await otherClient.open({ worker, path: 'csp' })
  const c = await otherClient.open({ worker, path: 'csp' })
  await Promise.all([a.addMany('a', 40), b.addMany('b', 40), c.addMany('c', 40)])
  for (const tab of [a, b, c]) await tab.showsCount(120)
  await expect.poll(() => syncServer.texts().length).toBe(120)
  for (const tab of [a, b, c]) {
    await expect.poll(() => tab.texts()).toEqual(syncServer.texts())
  }
  expect(new Set(syncServer.texts()).size).toBe(120)
})
