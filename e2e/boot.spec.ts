/** Tabs that boot together: each is told how far it is, and none waits for one that is gone. */

import type { Page } from '@playwright/test'
import type { Tab } from './fixtures/tab.js'
import { expect, test } from './fixtures/test.js'

/** Who holds this lock keeps every worker from the files. Returns what lets go of it. */
const holdLeaderLock = async (page: Page): Promise<() => Promise<void>> => {
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        void navigator.locks.request('livestore-wasm-leader-e2e', () => {
          resolve()
          return new Promise<void>((release) => addEventListener('release', () => release()))
        })
      }),
  )
  return () => page.evaluate(() => void dispatchEvent(new Event('release')))
}

/** Those that an app is told, each once, and when. */
const statusesOf = ({ page }: Tab) =>
  page.evaluate(() =>
    window.app.bootStatuses.map((status, i) => ({
      stage: status.stage,
      progress: 'progress' in status ? status.progress : undefined,
      at: window.app.bootStatusTimes[i] as number,
    })),
  )

test('every tab hears of each stage in order, while it happens', async ({ tabs }) => {
  const before = await tabs.open({ schema: 1 })
  const events = 20_000
  await before.page.evaluate((count) => {
    for (let at = 0; at < count; at += 500) {
      window.app.add(Array.from({ length: 500 }, (_, i) => `todo-${at + i}`))
    }
  }, events)
  await before.saved()
  const { page } = await tabs.load({ storeId: 'other' })
  await before.close()
  const release = await holdLeaderLock(page)
  const [leader, follower] = [await tabs.load({ schema: 2 }), await tabs.load({ schema: 2 })]
  await expect.poll(() => follower.sharedWorkers()).not.toEqual([])
  await release()
  await Promise.all([leader.ready(), follower.ready()])

  const heardByLeader = await statusesOf(leader)
  for (const tab of [leader, follower]) {
    const heard = await statusesOf(tab)
    const stages = heard.map(({ stage }) => stage)
    const order = ['loading', 'migrating', 'rehydrating', 'done']
    const inOrder = stages.map((stage) => order.indexOf(stage))
    expect(inOrder, stages.join(' ')).toEqual(inOrder.toSorted((a, b) => a - b))
    expect(stages).toContain('rehydrating')
    expect(stages.filter((stage) => stage === 'done')).toHaveLength(1)
    const counts = heard.flatMap(({ progress }) => (progress === undefined ? [] : [progress.done]))
    expect(new Set(counts).size, 'steps of the progress').toBeGreaterThan(3)
    const first = heard.find(({ stage }) => stage === 'rehydrating')
    expect(first?.at, 'before it is over').toBeLessThan(heardByLeader.at(-1)?.at as number)
  }
})

for (const who of ['leader', 'follower'] as const) {
  test(`a ${who} that is closed amid the boot blocks nobody`, async ({ tabs }) => {
    const other = await tabs.load({ storeId: 'other' })
    for (const pauseMs of [0, 60, 250]) {
      const release = await holdLeaderLock(other.page)
      const [a, b, c] = [await tabs.load(), await tabs.load(), await tabs.load()]
      const gone = who === 'leader' ? a : b
      const staying = who === 'leader' ? [b, c] : [a, c]
      const closing = gone.page.waitForTimeout(pauseMs).then(() => gone.close())
      await release()
      await closing
      for (const tab of staying) await tab.ready()
      await staying[0]?.add(`${pauseMs}`)
      await Promise.all(staying.map((tab) => tab.saved()))
      await expect.poll(() => staying[1]?.texts()).toContain(`${pauseMs}`)
      for (const tab of staying) await tab.close()
    }
  })
}
