/** A new version of the app with other tables: they are rebuilt from the events. */

import { expect, test } from './fixtures/test.js'

const EVENTS = 1_000

test('a changed schema rebuilds the tables from a log of 1,000 events', async ({ tabs }) => {
  const before = await tabs.open({ schema: 1 })
  await before.add(...Array.from({ length: EVENTS }, (_, i) => `todo-${i}`))
  await before.page.evaluate(() => window.app.remove('todo-7'))
  await before.saved()
  const rowsBefore = await before.rows()
  await before.close()

  const after = await tabs.open({ schema: 2 })

  const rows = await after.rows()
  expect(rows).toHaveLength(EVENTS - 1)
  expect(rows.every((row) => row.priority === 3)).toBe(true)
  expect(rows.map(({ id, text }) => ({ id, text }))).toEqual(
    rowsBefore.map(({ id, text }) => ({ id, text })),
  )

  const statuses = await after.page.evaluate(() => window.app.bootStatuses)
  const stages = statuses.map((status) => status.stage)
  expect(stages.filter((stage, i) => stage !== stages[i - 1])).toEqual([
    'loading',
    'migrating',
    'rehydrating',
    'done',
  ])
  const progress = statuses.flatMap((status) =>
    status.stage === 'rehydrating' ? [status.progress] : [],
  )
  expect(progress.map(({ done }) => done)).toEqual(
    progress.map(({ done }) => done).sort((a, b) => a - b),
  )
  expect(progress.at(-1)).toEqual({ done: EVENTS + 1, total: EVENTS + 1 })

  await after.add('after the change')
  await after.saved()
  await after.reload()
  expect(await after.texts()).toContain('after the change')
  const stagesAgain = await after.page.evaluate(() =>
    window.app.bootStatuses.map((status) => status.stage),
  )
  expect(stagesAgain, 'what is rebuilt once is not rebuilt again').not.toContain('rehydrating')
})

test('the old version of the app opens the same store again', async ({ tabs }) => {
  const first = await tabs.open({ schema: 1 })
  await first.add('one')
  await first.saved()
  await first.close()
  const second = await tabs.open({ schema: 2 })
  await second.add('two')
  await second.saved()
  await second.close()

  const third = await tabs.open({ schema: 1 })
  expect(await third.texts()).toEqual(['one', 'two'])
})

test('a tab of another version beside a running one is told so', async ({ tabs }) => {
  tabs.expectProblem(/SchemaMismatch|schema/)
  const a = await tabs.open({ schema: 1 })
  const b = await tabs.load({ schema: 2 })

  expect(await b.booted()).toMatchObject({ state: 'failed', code: 'SchemaMismatch' })
  await a.add('milk')
  await a.saved()
  expect(await a.texts()).toEqual(['milk'])
})
