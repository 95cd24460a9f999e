/** Browsers whose workers have no synchronous file access keep the store in IndexedDB. */

import { expect, test } from './fixtures/test.js'

const worker = 'no-sync-access' as const

test('what is committed is persisted, in every tab and after a restart', async ({
  tabs,
  chromium,
}) => {
  const a = await tabs.open({ worker, path: 'csp' })
  const b = await tabs.open({ worker, path: 'csp' })
  expect((await a.status()).storageMode).toBe('persisted')
  await a.add('milk')
  await b.shows('milk')
  await b.add('bread')
  await Promise.all([a.saved(), b.saved()])
  await a.close()
  await b.becomesLeader()
  await b.add('butter')
  await b.saved()
  await b.reload()
  await b.shows('milk', 'bread', 'butter')

  await b.page.evaluate(() => window.app.addAndFlush(['last']))
  await chromium.killAndRestart()
  const c = await tabs.open({ worker, path: 'csp' })
  await c.shows('milk', 'bread', 'butter', 'last')
})

test('a tab that closes while another commits loses nothing', async ({ tabs }) => {
  const a = await tabs.open({ worker })
  const b = await tabs.open({ worker })
  await b.startAdding('t')
  await expect.poll(() => b.addedCount()).toBeGreaterThan(20)
  await a.close()
  await b.becomesLeader()
  const added = await b.stopAdding()
  await b.saved()
  await b.reload()
  expect(await b.texts()).toEqual(added)
})

test('many megabytes come back whole', async ({ tabs }) => {
  const text = 'x'.repeat(1_000_000)
  const tab = await tabs.open({ worker })
  for (let i = 0; i < 20; i++) await tab.add(`${i} ${text}`)
  await tab.saved()
  await tab.reload()
  expect((await tab.texts()).map((each) => each.length)).toEqual(
    Array.from({ length: 20 }, (_, i) => `${i} ${text}`.length),
  )
})

test('a full disk is reported, loses nothing, and is got over', async ({ tabs }) => {
  tabs.expectProblem(/StorageFull/)
  const megabyte = 'x'.repeat(1_000_000)
  // Before IndexedDB is first used: Chromium asks for the quota only now and then.
  const another = await tabs.open({ storeId: 'another', worker: 'refused', refuseStorage: true })
  await another.limitStorage(5_000_000)
  const tab = await tabs.open({ worker })
  await tab.add('before')
  await tab.saved()
  const reported = tab.page.waitForEvent('console', (message) =>
    message.text().includes('StorageFull'),
  )
  for (let i = 0; i < 8; i++) await tab.add(`${i} ${megabyte}`)
  await reported
  expect((await tab.status()).pendingCount).toBeGreaterThan(0)

  await another.limitStorage(undefined)
  await tab.saved()
  await tab.reload()
  expect((await tab.texts()).map((text) => text.slice(0, 6))).toEqual([
    'before',
    ...Array.from({ length: 8 }, (_, i) => `${i} xxxx`),
  ])
})
