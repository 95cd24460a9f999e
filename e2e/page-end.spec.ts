/** Nothing is lost at the page's end: what was committed last is journaled, and taken in once. */

import { expect, test } from './fixtures/test.js'

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

test('a commit and a reload in the same task, twenty times', async ({ tabs }) => {
  const tab = await tabs.open()
  const texts: string[] = []
  for (let round = 0; round < 20; round++) {
    texts.push(`todo-${round}`)
    await tab.addAndReload([`todo-${round}`], { inHaste: round % 2 === 1 })
    await tab.ready()
    expect(await tab.texts(), 'from the first state on').toEqual(texts)
  }
  await tab.journalsTaken()
  await tab.reload()
  expect(await tab.texts()).toEqual(texts)
})

test('a commit, the page closes, and another one opens', async ({ tabs }) => {
  const tab = await tabs.open()
  await tab.addAndClose(['one', 'two'])
  const next = await tabs.open()
  expect(await next.texts()).toEqual(['one', 'two'])
  await next.journalsTaken()
})

test('5,000 events are journaled, and come back in order', async ({ tabs }) => {
  const tab = await tabs.open()
  const texts = numbered('todo', 5_000)
  await tab.addAndReload(texts)
  await tab.ready()
  expect(await tab.texts()).toEqual(texts)
  await tab.journalsTaken()
  await tab.reload()
  expect(await tab.texts()).toEqual(texts)
})

test('two tabs that close at once leave what both committed', async ({ tabs }) => {
  const [a, b] = [await tabs.open(), await tabs.open()]
  await Promise.all([a.addAndClose(['a1', 'a2']), b.addAndClose(['b1', 'b2'])])
  const next = await tabs.open()
  await next.shows('a1', 'a2', 'b1', 'b2')
  await next.journalsTaken()
  await next.reload()
  await next.shows('a1', 'a2', 'b1', 'b2')
})

test('the leader tab commits and reloads while another tab lives', async ({ tabs }) => {
  const [a, b] = [await tabs.open(), await tabs.open()]
  const texts: string[] = []
  for (let round = 0; round < 5; round++) {
    const [leader, other] = (await a.leads()) ? [a, b] : [b, a]
    texts.push(`leader-${round}`)
    await leader.addAndReload([`leader-${round}`])
    await other.becomesLeader()
    await leader.ready()
    await Promise.all([a.shows(...texts), b.shows(...texts)])
  }
  await a.journalsTaken()
  expect(await a.rows()).toEqual(await b.rows())
})

test('a tab that does not lead commits and closes, and the others see it', async ({ tabs }) => {
  const [a, b] = [await tabs.open(), await tabs.open()]
  await b.addAndClose(['last words'])
  await a.shows('last words')
  await a.journalsTaken()
  await a.reload()
  await a.shows('last words')
})

test('an app that changed its tables meanwhile takes the events in', async ({ tabs }) => {
  const before = await tabs.open({ schema: 1 })
  await before.addAndClose(['milk'])
  const after = await tabs.open({ schema: 2 })
  expect(await after.rows()).toMatchObject([{ text: 'milk', priority: 3 }])
  await after.journalsTaken()
})

test('what the app commits while its page ends is kept too', async ({ tabs }) => {
  const tab = await tabs.open()
  await tab.page.evaluate(() => addEventListener('pagehide', () => window.app.add(['draft'])))
  await tab.addAndReload(['before'])
  await tab.ready()
  expect(await tab.texts()).toEqual(['before', 'draft'])
})

for (const [how, code] of [
  ['full', 'StorageFull'],
  ['refused', 'StorageUnavailable'],
] as const) {
  test(`localStorage that is ${how} is reported, and nothing else fails`, async ({ tabs }) => {
    tabs.expectProblem(/cannot be journaled/)
    const tab = await tabs.open()
    await tab.page.evaluate((how) => {
      if (how === 'full') {
        for (let size = 1 << 22; size > 0; size >>= 1) {
          try {
            localStorage.setItem(`filler-${size}`, 'x'.repeat(size))
          } catch {
            // No more of this size.
          }
        }
      } else {
        Object.defineProperty(window, 'localStorage', {
          get: () => {
            throw new DOMException('Storage is refused', 'SecurityError')
          },
        })
      }
    }, how)
    await tab.addAndReload(['one', 'two'])
    await tab.ready()
    expect(await tab.page.evaluate(() => window.app.errors())).toMatchObject([
      { code, message: expect.stringMatching(/^2 event\(s\) .*cannot be journaled/) },
    ])
    await tab.add('after')
    await tab.saved()
  })
}

test('a damaged journal is kept aside and reported, and the store opens', async ({ tabs }) => {
  tabs.expectProblem(/unusable-journal/)
  const tab = await tabs.open()
  await tab.page.evaluate(() => localStorage.setItem('livestore:journal:e2e:s-1', '1:0:AQID'))
  await tab.reload()
  expect(await tab.journals()).toEqual(['livestore:unusable-journal:e2e:s-1'])
  await tab.add('milk')
  await tab.saved()
})

test('a journal that is written while another tab leads is taken by it', async ({ tabs }) => {
  const [a, b] = [await tabs.open(), await tabs.open()]
  const journal = await b.page.evaluate(() => {
    window.app.add(['milk'])
    dispatchEvent(new Event('pagehide'))
    return Object.entries(localStorage).find(([key]) => key.includes('journal')) as [string, string]
  })
  await b.saved()
  await b.journalsTaken()
  await b.page.evaluate(([key, text]) => localStorage.setItem(`${key}-of-before`, text), journal)
  await a.journalsTaken()
  await a.shows('milk')
})

test('a page that goes on after a freeze has its events once', async ({ tabs }) => {
  const [a, b] = [await tabs.open(), await tabs.open()]
  await b.page.evaluate(() => {
    window.app.add(['one'])
    document.dispatchEvent(new Event('freeze', { bubbles: true }))
  })
  const c = await tabs.open()
  await Promise.all([a.shows('one'), b.shows('one'), c.shows('one')])
  await b.page.evaluate(() => document.dispatchEvent(new Event('resume', { bubbles: true })))
  await b.add('two')
  await Promise.all([a.shows('one', 'two'), c.shows('one', 'two')])
  await a.journalsTaken()
  expect(await b.page.evaluate(() => window.app.rejections)).toEqual([])
})

test('what was flushed is there after the browser has crashed', async ({ tabs, chromium }) => {
  const tab = await tabs.open()
  await tab.page.evaluate(() => window.app.addAndFlush(['milk']))
  await chromium.killAndRestart()
  const next = await tabs.open()
  expect(await next.texts()).toEqual(['milk'])
})
