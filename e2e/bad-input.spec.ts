/** Mistakes of an app: each is an error at the call, and the store goes on as if nothing was. */

import type { BadCall } from './app/src/remote-control.js'
import { expect, test } from './fixtures/test.js'

const cases: readonly { call: BadCall; code: string; names: string }[] = [
  { call: 'wrong-event-args', code: 'InvalidEventArgs', names: 'v1.TodoCreated' },
  { call: 'unknown-event', code: 'UnknownEvent', names: 'v1.Nonsense' },
  { call: 'constraint-violation', code: 'Constraint', names: 'todos.id' },
  { call: 'unknown-column', code: 'InvalidQuery', names: 'nonsense' },
  { call: 'sql-error', code: 'Sql', names: 'SELEKT' },
  { call: 'write-by-query', code: 'ReadOnlyQuery', names: 'DELETE FROM todos' },
]

for (const { call, code, names } of cases) {
  test(`${call} throws ${code} at the call and changes nothing`, async ({ tabs }) => {
    const tab = await tabs.open()
    await tab.add('milk')
    await tab.saved()
    const before = await tab.status()

    const outcome = await tab.page.evaluate((call) => window.app.attempt(call), call)

    expect(outcome).toMatchObject({ outcome: 'threw', code })
    expect(outcome.outcome === 'threw' && outcome.message).toContain(names)
    expect(await tab.status()).toEqual(before)
    expect(await tab.texts()).toEqual(['milk'])
    await tab.add('bread')
    await tab.saved()
    await tab.reload()
    expect(await tab.texts()).toEqual(['milk', 'bread'])
  })
}

test('a store id that could be a path is refused', async ({ tabs }) => {
  const tab = await tabs.open()
  for (const storeId of ['../other', 'a/b', '', 'ä', 'a b', `nul\0`]) {
    const outcome = await tab.page.evaluate((id) => window.app.attemptStore(id), storeId)
    expect(outcome, JSON.stringify(storeId)).toMatchObject({ outcome: 'threw' })
    expect(outcome).toMatchObject({ code: 'InvalidStoreId' })
  }
})

test('an event that only the leader cannot materialize is reported, and the rest goes on', async ({
  tabs,
}) => {
  const tab = await tabs.open({ worker: 'throwing' })
  await tab.add('before')
  await tab.add('poison')
  await tab.add('after')
  await tab.saved()

  await tab.shows('before', 'after')
  const rejections = await tab.page.evaluate(() => window.app.rejections)
  expect(rejections).toHaveLength(1)
  expect(rejections[0]).toMatchObject({ eventName: 'v1.TodoCreated', code: 'MaterializerThrew' })
  expect(rejections[0]?.argsJson).toContain('poison')
  expect(rejections[0]?.message).toContain('cannot materialize poison')

  await tab.reload()
  expect(await tab.texts()).toEqual(['before', 'after'])
})

test('every call after shutdown says that the store is closed', async ({ tabs }) => {
  const tab = await tabs.open()
  await tab.add('milk')
  await tab.shutdown()

  const outcomes = await tab.page.evaluate(() =>
    (['add', 'rows', 'status'] as const).map((name) => {
      try {
        if (name === 'add') window.app.add(['bread'])
        else window.app[name]()
        return 'returned'
      } catch (thrown) {
        return (thrown as { code?: string }).code
      }
    }),
  )
  expect(outcomes).toEqual(['Closed', 'Closed', 'Closed'])

  await tab.reload()
  expect(await tab.texts(), 'what was pending at the shutdown was taken in').toEqual(['milk'])
})
