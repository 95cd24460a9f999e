/** A tab starts from what a leader left behind, while its own leader still boots. */

import { expect, test } from './fixtures/test.js'

const leaderLock = 'livestore-wasm-leader-e2e'

test('law 1: a store shows what is stored, and takes commits, before it has a leader', async ({
  tabs,
}) => {
  const first = await tabs.open()
  await first.add('one', 'two')
  const files = await tabs.openFiles()
  await expect.poll(() => files.size('e2e', 'boot-image'), { timeout: 10_000 }).toBeGreaterThan(0)
  await first.close()
  // Whoever holds this lock keeps every worker from the files.
  const { page } = await tabs.load({ storeId: 'other' })
  await page.evaluate(
    (name) =>
      new Promise<void>((resolve) => {
        void navigator.locks.request(name, () => {
          resolve()
          return new Promise<void>((release) => addEventListener('release', () => release()))
        })
      }),
    leaderLock,
  )
  const next = await tabs.open()
  expect(await next.texts()).toEqual(['one', 'two'])
  await next.add('three')
  expect(await next.texts()).toEqual(['one', 'two', 'three'])
  await page.evaluate(() => dispatchEvent(new Event('release')))
  await next.shows('one', 'two', 'three')
  await next.saved()
  await next.reload()
  expect(await next.texts()).toEqual(['one', 'two', 'three'])
})

test('a tab of another schema does without the image of this one', async ({ tabs }) => {
  const first = await tabs.open()
  await first.add('one')
  const files = await tabs.openFiles()
  await expect.poll(() => files.size('e2e', 'boot-image'), { timeout: 10_000 }).toBeGreaterThan(0)
  await first.close()
  const next = await tabs.open({ schema: 2 })
  expect(await next.texts()).toEqual(['one'])
})
