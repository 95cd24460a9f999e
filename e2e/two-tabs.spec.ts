/** Todos in several tabs, and through reload and restart. */

import { expect, test } from './fixtures/test.js'

test('a commit in one tab appears in the other, both ways', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()

  await a.add('milk')
  expect(await a.texts(), 'visible when commit returns').toEqual(['milk'])
  await b.shows('milk')

  await b.add('bread')
  await a.shows('milk', 'bread')
  expect(await a.rows()).toEqual(await b.rows())
})

test('a tab that opens late has everything that was committed before', async ({ tabs }) => {
  const a = await tabs.open()
  await a.add('milk', 'bread')
  await a.saved()

  const b = await tabs.open()
  expect(await b.texts()).toEqual(['milk', 'bread'])
  expect((await b.status()).storageMode).toBe('persisted')
})

test('todos survive a reload', async ({ tabs }) => {
  const tab = await tabs.open()
  await tab.add('milk')
  await tab.saved()
  await tab.reload()
  expect(await tab.texts()).toEqual(['milk'])

  await tab.add('bread')
  await tab.saved()
  await tab.reload()
  expect(await tab.texts()).toEqual(['milk', 'bread'])
})

test('confirmed todos survive a restart of the browser', async ({ tabs, chromium }) => {
  const tab = await tabs.open()
  await tab.add('milk', 'bread')
  await tab.saved()

  await chromium.restart()

  expect(await (await tabs.open()).texts()).toEqual(['milk', 'bread'])
})

test('confirmed todos survive a crash of the browser', async ({ tabs, chromium }) => {
  const tab = await tabs.open()
  await tab.addMany('todo', 50)
  await tab.saved()

  await chromium.killAndRestart()

  const after = await tabs.open()
  expect(await after.texts()).toEqual(Array.from({ length: 50 }, (_, i) => `todo-${i}`))
})

test('two tabs that commit at the same time end with equal rows', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()

  await Promise.all([a.addMany('a', 200), b.addMany('b', 200)])
  await Promise.all([a.saved(), b.saved()])
  await Promise.all([a.showsCount(400), b.showsCount(400)])

  const rows = await a.rows()
  expect(await b.rows(), 'the same rows in the same order').toEqual(rows)
  const authors = rows.map((row) => row.text.charAt(0))
  const changes = authors.filter((author, i) => i > 0 && author !== authors[i - 1]).length
  expect(changes, 'the two tabs really took turns').toBeGreaterThan(2)
  for (const author of ['a', 'b']) {
    const own = rows.map((row) => row.text).filter((text) => text.startsWith(author))
    expect(own, 'each tab keeps the order of its commits').toEqual(
      Array.from({ length: 200 }, (_, i) => `${author}-${i}`),
    )
  }

  await a.reload()
  await b.reload()
  expect(await a.rows(), 'the same after a reload').toEqual(rows)
  expect(await b.rows()).toEqual(rows)
})

test('a burst of 10,000 events is in all five tabs, complete and in order', async ({ tabs }) => {
  const all = [await tabs.open()]
  while (all.length < 5) all.push(await tabs.open())
  const author = all[3]
  const texts = Array.from({ length: 10_000 }, (_, i) => `todo-${i}`)
  await author?.page.evaluate((texts) => {
    for (const text of texts) window.app.add([text])
  }, texts)

  for (const tab of all) {
    await tab.showsCount(10_000)
    expect(await tab.texts()).toEqual(texts)
    await tab.saved()
  }
  expect(await all[0]?.rows(), 'the same rows').toEqual(await author?.rows())
})

test('stores with different ids share nothing', async ({ tabs }) => {
  const a = await tabs.open({ storeId: 'one' })
  const b = await tabs.open({ storeId: 'two' })
  await a.add('milk')
  await a.saved()
  await b.add('bread')
  await b.saved()
  expect(await a.texts()).toEqual(['milk'])
  expect(await b.texts()).toEqual(['bread'])
})

test('one commit of many events reaches the other tab as one change', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  const before = await b.page.evaluate(() => window.app.notifications())

  const texts = Array.from({ length: 300 }, (_, i) => `todo-${i}`)
  await a.add(...texts)
  await b.showsCount(300)

  expect(await b.page.evaluate(() => window.app.notifications())).toBe(before + 1)
})
