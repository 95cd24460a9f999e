/** Where the browser has no shared workers tabs meet in broadcast channels, and nothing differs. */

import { expect, test } from './fixtures/test.js'

const withoutSharedWorker = { withoutSharedWorker: true } as const

test('tabs commit at the same time and end with equal rows', async ({ tabs }) => {
  const a = await tabs.open(withoutSharedWorker)
  const b = await tabs.open(withoutSharedWorker)
  expect(await a.page.evaluate(() => 'SharedWorker' in window)).toBe(false)
  expect(await a.sharedWorkers()).toEqual([])

  await Promise.all([a.addMany('a', 100), b.addMany('b', 100)])
  await Promise.all([a.saved(), b.saved()])
  await Promise.all([a.showsCount(200), b.showsCount(200)])
  const rows = await a.rows()
  expect(await b.rows()).toEqual(rows)
  await b.reload()
  expect(await b.rows(), 'the same after a reload').toEqual(rows)
})

test('a burst of 5,000 events is complete and in order in every other tab', async ({ tabs }) => {
  const all = [
    await tabs.open(withoutSharedWorker),
    await tabs.open(withoutSharedWorker),
    await tabs.open(withoutSharedWorker),
  ] as const
  const texts = Array.from({ length: 5_000 }, (_, i) => `todo-${i}`)
  await all[1].page.evaluate((all) => {
    for (const text of all) window.app.add([text])
  }, texts)
  await all[1].saved()
  for (const tab of all) {
    await tab.showsCount(5_000)
    expect(await tab.texts()).toEqual(texts)
  }
})

for (const how of ['close', 'crash', 'reload', 'killWorker'] as const) {
  test(`the leader goes by ${how} amid commits, and nothing is lost`, async ({ tabs }) => {
    const [a, b, c] = [
      await tabs.open(withoutSharedWorker),
      await tabs.open(withoutSharedWorker),
      await tabs.open(withoutSharedWorker),
    ]
    await Promise.all([b.startAdding('b'), c.startAdding('c')])
    await expect.poll(() => c.addedCount()).toBeGreaterThan(10)

    await a[how]()
    if (how !== 'killWorker') await b.becomesLeader()
    const atHandOver = await c.addedCount()
    await expect.poll(() => c.addedCount()).toBeGreaterThan(atHandOver + 20)
    const texts = [...(await b.stopAdding()), ...(await c.stopAdding())]
    await Promise.all([b.saved(), c.saved()])

    await Promise.all([b.shows(...texts), c.shows(...texts)])
    expect(await c.rows()).toEqual(await b.rows())
    await c.reload()
    await c.shows(...texts)
  })
}

test('tabs that open at the same instant agree on one leader', async ({ tabs }) => {
  const opening = [0, 1, 2, 3].map(() => tabs.open(withoutSharedWorker))
  const all = await Promise.all(opening)
  await Promise.all(all.map((tab, i) => tab.add(`${i}`)))
  await Promise.all(all.map((tab) => tab.shows('0', '1', '2', '3')))
  const leads = await Promise.all(all.map((tab) => tab.leads()))
  expect(leads.filter((isLeader) => isLeader)).toHaveLength(1)
})

test('three tabs in line take over one after the other', async ({ tabs }) => {
  const [a, b, c] = [
    await tabs.open(withoutSharedWorker),
    await tabs.open(withoutSharedWorker),
    await tabs.open(withoutSharedWorker),
  ]
  await a.add('a')
  await a.saved()
  await a.close()
  await b.becomesLeader()
  await c.add('c')
  await b.shows('a', 'c')
  await c.saved()
  await b.close()
  await c.becomesLeader()
  await c.add('last')
  await c.saved()
  const d = await tabs.open(withoutSharedWorker)
  expect(await d.texts()).toEqual(['a', 'c', 'last'])
})
