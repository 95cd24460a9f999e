/** Pages that the browser freezes while nobody looks at them: nothing in them runs any more. */

import { expect, test } from './fixtures/test.js'

test.use({ hidesTabs: true })

test('a leader that is frozen hands over first, and follows when it is back', async ({ tabs }) => {
  const a = await tabs.open()
  const b = await tabs.open()
  await b.bringToFront()
  expect(await a.leads()).toBe(true)
  await a.add('before')
  await a.saved()

  await a.freeze()
  await b.becomesLeader()
  await b.add('meanwhile')
  await b.saved()
  await a.thaw()

  await a.shows('before', 'meanwhile')
  await a.add('after')
  await a.saved()
  await b.shows('before', 'meanwhile', 'after')
})

test('what a tab has committed just before it is frozen is in the others', async ({ tabs }) => {
  const [a, b, c] = [await tabs.open(), await tabs.open(), await tabs.open()]
  await c.bringToFront()
  for (const tab of [a, b]) {
    await tab.page.evaluate(() => {
      document.addEventListener('freeze', () => window.app.add(['last words']), { once: true })
    })
    await tab.freeze()
  }
  await c.becomesLeader()
  await c.shows('last words', 'last words')
  await c.saved()
  await Promise.all([a.thaw(), b.thaw()])
  await c.add('after')
  await Promise.all([a, b].map((tab) => tab.shows('last words', 'last words', 'after')))
  await Promise.all([a.saved(), b.saved()])
  expect(await b.rows()).toEqual(await c.rows())
  expect(await a.journals()).toEqual([])
})

test('a tab that is frozen in line does not become leader', async ({ tabs }) => {
  const [a, b, c] = [await tabs.open(), await tabs.open(), await tabs.open()]
  await c.bringToFront()
  await b.freeze()
  await a.close()
  await c.becomesLeader()
  await c.add('milk')
  await c.saved()
  await b.thaw()
  await b.shows('milk')
  expect(await b.leads()).toBe(false)
})

test('the only tab, frozen and back, leads again', async ({ tabs }) => {
  const a = await tabs.open()
  const other = await tabs.open({ storeId: 'other' })
  await other.bringToFront()
  await a.add('milk')
  await a.saved()
  for (let round = 0; round < 3; round++) {
    await a.freeze()
    await expect.poll(() => other.locksOf('e2e')).toEqual([])
    await a.thaw()
    await a.add(`${round}`)
    await a.saved()
  }
  await a.reload()
  expect(await a.texts()).toEqual(['milk', '0', '1', '2'])
})

test('a leader whose process is suspended is reported, not robbed, and then goes on', async ({
  tabs,
  chromium,
}) => {
  tabs.expectProblem(/StorageBusy/)
  const [a, b] = [await tabs.open(), await tabs.open()]
  await a.add('before')
  await b.shows('before')
  const goOn = await chromium.suspendLeaders()
  test.skip(goOn === undefined, 'Only Linux tells in which process the leader worker is')
  try {
    const flushed = b.page.evaluate(() =>
      window.app.addAndFlush(['meanwhile']).catch(({ code }) => code),
    )
    expect(await flushed).toBe('StorageBusy')
    await b.add('later')
    expect(await b.leads()).toBe(false)
  } finally {
    goOn?.()
  }
  await b.saved()
  await a.add('after')
  for (const tab of [a, b]) await tab.shows('before', 'meanwhile', 'later', 'after')
  await a.saved()
  expect([await a.leads(), await b.leads()]).toEqual([true, false])
  await b.reload()
  await b.shows('before', 'meanwhile', 'later', 'after')
})

test('a tab that was frozen while the app was updated is told so, and loses nothing', async ({
  tabs,
}) => {
  tabs.expectProblem(/SchemaMismatch/)
  const old = await tabs.open({ schema: 1 })
  await old.add('before')
  await old.saved()
  const other = await tabs.open({ storeId: 'other' })
  await other.bringToFront()
  await old.freeze()
  const updated = await tabs.open({ schema: 2 })
  await updated.shows('before')
  await old.thaw()

  const errors = () => old.page.evaluate(() => window.app.errors().map(({ code }) => code))
  await expect.poll(errors).toEqual(['SchemaMismatch'])
  await old.add('by the old build')
  expect(await old.texts(), 'it goes on by itself').toEqual(['before', 'by the old build'])
  await old.page.goto(updated.page.url())
  await old.ready()
  for (const tab of [old, updated]) {
    await tab.shows('before', 'by the old build')
    expect(await tab.rows()).toMatchObject([{ priority: 3 }, { priority: 3 }])
  }
  await old.journalsTaken()
})
