/** What happens to the store when the leader goes: closed, crashed, or only its worker. */

import { expect, test } from './fixtures/test.js'

test('a new tab becomes leader when the leader tab closes', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  expect(await a.leads()).toBe(true)
  expect(await b.leads()).toBe(false)
  await a.add('by the old leader')
  await a.saved()

  await a.close()
  await b.becomesLeader()
  await b.add('by the new leader')
  await b.saved()
  await b.reload()

  expect(await b.texts()).toEqual(['by the old leader', 'by the new leader'])
})

test('nothing confirmed is lost when the leader tab closes right after', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  await a.addMany('a', 50)
  await b.addMany('b', 50)
  await Promise.all([a.saved(), b.saved()])

  await a.close()

  await b.showsCount(100)
  await b.reload()
  await b.showsCount(100)
})

test('a tab that keeps committing through the hand-over loses nothing', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  await b.startAdding('b')
  await expect.poll(() => b.addedCount()).toBeGreaterThan(20)

  await a.close()
  await b.becomesLeader()
  const atHandOver = await b.addedCount()
  await expect.poll(() => b.addedCount()).toBeGreaterThan(atHandOver + 20)
  const texts = await b.stopAdding()
  await b.saved()

  expect(await b.texts()).toEqual(texts)
  await b.reload()
  expect(await b.texts(), 'the same from storage').toEqual(texts)
})

test('three tabs in line take over one after the other', async ({ tabs }) => {
  const [a, b, c] = [await tabs.open(), await tabs.open(), await tabs.open()]
  await a.add('a')
  await Promise.all([b.shows('a'), c.shows('a')])

  await a.close()
  await b.becomesLeader()
  await c.add('c')
  await b.shows('a', 'c')
  await b.add('b')
  await c.shows('a', 'c', 'b')
  await Promise.all([b.saved(), c.saved()])

  await b.close()
  await c.becomesLeader()
  await c.add('last')
  await c.saved()
  const d = await tabs.open()
  expect(await d.texts()).toEqual(['a', 'c', 'b', 'last'])
})

test('the leader tab reloads and the other tab goes on', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  await b.startAdding('b')
  await expect.poll(() => b.addedCount()).toBeGreaterThan(5)

  await a.reload()
  await b.becomesLeader()
  expect(await a.leads()).toBe(false)
  const texts = await b.stopAdding()
  await b.saved()

  await a.shows(...texts)
  await a.add('from the tab that reloaded')
  await b.shows(...texts, 'from the tab that reloaded')
})

test('the leader tab crashes and the other tab goes on', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  await a.addMany('a', 20)
  await a.saved()
  await b.showsCount(20)

  await a.crash()
  await b.becomesLeader()
  await b.add('after the crash')
  await b.saved()
  await b.reload()

  expect(await b.texts()).toEqual([
    ...Array.from({ length: 20 }, (_, i) => `a-${i}`),
    'after the crash',
  ])
})

test('the leader tab crashes, and the shared worker dies in its process', async ({ tabs }) => {
  const [a, b, c] = [await tabs.open(), await tabs.open(), await tabs.open()]
  await Promise.all([b.startAdding('b'), c.startAdding('c')])
  await expect.poll(() => c.addedCount()).toBeGreaterThan(5)
  const before = await c.sharedWorkers()

  await a.crash()
  await b.becomesLeader()
  const atHandOver = await c.addedCount()
  await expect.poll(() => c.addedCount()).toBeGreaterThan(atHandOver + 20)
  const texts = [...(await b.stopAdding()), ...(await c.stopAdding())]
  await Promise.all([b.saved(), c.saved()])

  expect(await c.sharedWorkers(), 'another one').not.toEqual(before)
  await Promise.all([b.shows(...texts), c.shows(...texts)])
  expect(await c.rows()).toEqual(await b.rows())
  await c.reload()
  await c.shows(...texts)
})

test('the shared worker dies over and over, and nobody notices', async ({ tabs }) => {
  const [a, b, c] = [await tabs.open(), await tabs.open(), await tabs.open()]
  const all = [a, b, c] as const
  await Promise.all(all.map((tab, i) => tab.startAdding(`${i}`)))
  for (let round = 0; round < 3; round++) {
    const before = await a.sharedWorkers()
    const count = await c.addedCount()
    await a.killSharedWorkers()
    await expect.poll(() => a.sharedWorkers()).not.toEqual(before)
    await expect.poll(() => a.sharedWorkers()).toHaveLength(1)
    await expect.poll(() => c.addedCount()).toBeGreaterThan(count + 20)
  }
  const texts = (await Promise.all(all.map((tab) => tab.stopAdding()))).flat()
  await Promise.all(all.map((tab) => tab.saved()))
  await Promise.all(all.map((tab) => tab.shows(...texts)))

  await a.killSharedWorkers()
  await a.close()
  await b.becomesLeader()
  await c.add('last')
  await c.saved()
  await b.shows(...texts, 'last')
})

test('a killed leader worker is replaced, with the tab still committing', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  await a.startAdding('a')
  await b.startAdding('b')
  await expect.poll(() => a.addedCount()).toBeGreaterThan(20)

  await a.killWorker()
  const [atKillA, atKillB] = [await a.addedCount(), await b.addedCount()]
  await expect.poll(() => a.addedCount()).toBeGreaterThan(atKillA + 20)
  await expect.poll(() => b.addedCount()).toBeGreaterThan(atKillB + 20)
  const texts = [...(await a.stopAdding()), ...(await b.stopAdding())]
  await Promise.all([a.saved(), b.saved()])

  await Promise.all([a.shows(...texts), b.shows(...texts)])
  expect(await a.rows()).toEqual(await b.rows())
  await Promise.all([a.reload(), b.reload()])
  await Promise.all([a.shows(...texts), b.shows(...texts)])
})

test('a worker that ends before it leads is replaced', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open({ workersThatEnd: 2 })
  await a.add('by the old leader')
  await a.saved()
  await a.close()
  await b.becomesLeader()
  await b.add('by the new leader')
  await b.saved()
  await b.reload()
  expect(await b.texts()).toEqual(['by the old leader', 'by the new leader'])
})

test('a worker whose script cannot be fetched for a moment is made again', async ({
  tabs,
  server,
}) => {
  tabs.expectProblem(/503|Loading Worker/)
  const [a, b] = [await tabs.open(), await tabs.open()]
  server.refuse(/\.worker-/, 2)
  await a.close()
  await b.add('milk')
  await b.saved()
  expect(await b.errors()).toEqual([])
})

test('workers that never lead are reported, and the events are not lost', async ({ tabs }) => {
  tabs.expectProblem(/the leader worker failed 4 times/)
  const a = await tabs.open()
  const b = await tabs.open({ workersThatEnd: Number.MAX_SAFE_INTEGER })
  await a.add('by the leader')
  await a.saved()
  await b.shows('by the leader')
  await a.close()
  await expect
    .poll(() => b.errors())
    .toMatchObject([
      { code: 'Unsupported', message: expect.stringContaining('the leader worker failed 4 times') },
    ])
  await b.add('by nobody')
  await b.close()
  const c = await tabs.open()
  await c.shows('by the leader', 'by nobody')
  await c.saved()
})

test('a store that is shut down lets the next tab lead', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  await a.add('milk')
  await a.shutdown()

  await b.becomesLeader()
  await b.shows('milk')
  await b.add('bread')
  await b.saved()
})

test('the leader tab closes while another one boots', async ({ tabs }) => {
  const a = await tabs.open()
  await a.add('milk')
  await a.saved()

  const b = await tabs.load()
  await a.close()
  await b.ready()
  await b.shows('milk')
  await b.add('bread')
  await b.saved()
})

test('tabs that reload over and over lose nothing that was confirmed', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  const texts: string[] = []
  for (let round = 0; round < 5; round++) {
    for (const [name, tab] of [
      ['a', a],
      ['b', b],
    ] as const) {
      texts.push(`${name}-${round}`)
      await tab.add(`${name}-${round}`)
    }
    await Promise.all([a.saved(), b.saved()])
    await Promise.all([a.reload(), b.reload()])
  }
  await Promise.all([a.shows(...texts), b.shows(...texts)])
})

test('a duplicated tab, with the same session, is a tab of its own', async ({ tabs }) => {
  const a = await tabs.open()
  await a.add('milk')
  const b = await a.duplicate()
  await b.shows('milk')
  const idOf = (tab: typeof a): Promise<string | null> =>
    tab.page.evaluate(() => sessionStorage.getItem('livestore:sessionId:e2e'))
  const ids = [await idOf(a), await idOf(b)]
  expect(ids[0]).not.toBe(ids[1])
  for (let round = 0; round < 3; round++) {
    await Promise.all([a.reload(), b.reload()])
    expect([await idOf(a), await idOf(b)], 'a reload is no duplicate').toEqual(ids)
  }

  await Promise.all([a.addMany('a', 30), b.addMany('b', 30)])
  await Promise.all([a.saved(), b.saved()])
  await Promise.all([a.showsCount(61), b.showsCount(61)])
  expect(await b.rows()).toEqual(await a.rows())

  const [leader, other] = (await a.leads()) ? [a, b] : [b, a]
  await leader.close()
  await other.becomesLeader()
  await other.add('alone')
  await other.saved()
})

test('a page that is left and returned to works again', async ({ tabs }) => {
  const a = await tabs.open()
  await a.add('milk')
  await a.saved()
  await a.page.goto('about:blank')
  await a.page.goBack()
  await a.ready()
  await a.shows('milk')
  await a.add('bread')
  await a.saved()
})
