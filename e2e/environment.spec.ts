/** Where the package must run: under a strict policy, and where the browser refuses storage. */

import { skipInFirefox } from './fixtures/browser.js'
import { expect, test } from './fixtures/test.js'

test('everything works under a strict content security policy, without isolation', async ({
  tabs,
}) => {
  // The fixture fails the test for any violation: the browser reports each on the console.
  const a = await tabs.open({ path: 'csp' })
  const b = await tabs.open({ path: 'csp' })
  expect(await a.page.evaluate(() => crossOriginIsolated)).toBe(false)

  await a.add('milk')
  await b.shows('milk')
  await b.add('bread')
  await Promise.all([a.saved(), b.saved()])
  await a.close()
  await b.becomesLeader()
  await b.reload()
  await b.shows('milk', 'bread')
})

test('the strict policy is in force: the page may not evaluate text', async ({ tabs }) => {
  tabs.expectProblem(/unsafe-eval/)
  const tab = await tabs.open({ path: 'csp' })
  // In a task of the page's own: the policy does not bind what a test evaluates directly.
  const outcome = await tab.page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        setTimeout(() => {
          try {
            resolve(String(new Function('return 1')()))
          } catch (thrown) {
            resolve((thrown as Error).name)
          }
        })
      }),
  )
  expect(outcome).toBe('EvalError')
})

test('without storage the store runs in memory, says so, and works', async ({ tabs }) => {
  const refused = { worker: 'refused', refuseStorage: true } as const
  const a = await tabs.open(refused)

  expect((await a.status()).storageMode).toBe('in-memory')
  const warnings = await a.page.evaluate(() =>
    window.app.bootStatuses.filter((status) => status.stage === 'warning'),
  )
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toMatchObject({ reason: 'private-browsing' })

  await a.add('milk')
  await a.saved()
  const b = await tabs.open(refused)
  expect((await b.status()).storageMode, 'also in a tab that does not lead').toBe('in-memory')
  await b.add('bread')
  await a.shows('milk', 'bread')

  await a.close()
  await b.becomesLeader()
  await b.add('butter')
  await b.saved()
})

test('three tabs that boot at the same instant agree on one leader', async ({ tabs }) => {
  const all = await Promise.all([tabs.open(), tabs.open(), tabs.open()])
  await Promise.all(all.map((tab, i) => tab.add(`todo-${i}`)))
  await Promise.all(all.map((tab) => tab.shows('todo-0', 'todo-1', 'todo-2')))
  const leaders = await Promise.all(all.map((tab) => tab.leads()))
  expect(leaders.filter((leads) => leads)).toHaveLength(1)
})

test('a full disk is reported, loses nothing, and is got over', async ({ tabs }) => {
  tabs.expectProblem(/StorageFull/)
  const megabyte = 'x'.repeat(1_000_000)
  const tab = await tabs.open()
  await tab.add('before')
  await tab.saved()

  await tab.limitStorage(3_000_000)
  const reported = tab.page.waitForEvent('console', (message) =>
    message.text().includes('StorageFull'),
  )
  for (let i = 0; i < 8; i++) await tab.add(`${i} ${megabyte}`)
  await tab.add('last')
  await reported
  expect((await tab.status()).pendingCount).toBeGreaterThan(0)
  expect(await tab.texts(), 'this tab goes on').toHaveLength(10)

  await tab.limitStorage(undefined)
  await tab.saved()
  await tab.reload()
  expect((await tab.texts()).map((text) => text.slice(0, 6))).toEqual([
    'before',
    ...Array.from({ length: 8 }, (_, i) => `${i} xxxx`),
    'last',
  ])
})

test('a browser that will not promise to keep the storage is told of once', async ({ tabs }) => {
  skipInFirefox('Firefox asks the user whether to keep the storage, and here nobody answers')
  const refusals: string[] = []
  // A page that does not ask comes first: nothing of the one that does is missed.
  const tab = await tabs.open()
  tab.page.on('console', (message) => refusals.push(message.text()))
  await tab.page.goto(`${tab.page.url()}&requestPersistentStorage`)
  await tab.ready()
  await tab.page.evaluate(() => window.app.attemptStore('another'))
  await expect
    .poll(() => refusals.filter((text) => text.includes('refuses persistent storage')))
    .toHaveLength(1)
})

test('two stores in one page are independent', async ({ tabs }) => {
  const tab = await tabs.open({ storeId: 'one' })
  await tab.add('milk')
  expect(await tab.page.evaluate(() => window.app.attemptStore('two'))).toEqual({
    outcome: 'returned',
  })
  await tab.add('bread')
  await tab.saved()
  const two = await tabs.open({ storeId: 'two' })
  expect(await two.texts()).toEqual([])
})
