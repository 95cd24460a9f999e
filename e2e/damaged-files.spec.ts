/** Files that cannot be trusted: the error has a code, and the bytes stay as they are. */

import { expect, test } from './fixtures/test.js'

const storeId = 'damaged'
/** Where SQLite keeps `PRAGMA user_version` in a database file, as 4 bytes, the highest first. */
const USER_VERSION_OFFSET = 60

test('an eventlog of garbage is reported and left untouched', async ({ tabs }) => {
  tabs.expectProblem(/CorruptEventlog|damaged/)
  const files = await tabs.openFiles()
  const garbage = Uint8Array.from({ length: 8192 }, (_, i) => (i * 131 + 7) % 251)
  await files.write(storeId, 'eventlog.db', garbage)

  const tab = await tabs.load({ storeId })

  expect(await tab.booted()).toMatchObject({ state: 'failed', code: 'CorruptEventlog' })
  await tab.close()
  expect(await files.read(storeId, 'eventlog.db')).toEqual(garbage)
})

test('an eventlog with damaged pages is reported and left untouched', async ({ tabs }) => {
  tabs.expectProblem(/CorruptEventlog|damaged/)
  const files = await tabs.openFiles()
  const first = await tabs.open({ storeId })
  await first.addMany('todo', 200)
  await first.shutdown()
  await first.close()
  const damaged = await files.read(storeId, 'eventlog.db')
  damaged.fill(0xa5, 4096)
  await files.write(storeId, 'eventlog.db', damaged)

  const tab = await tabs.load({ storeId })

  expect(await tab.booted()).toMatchObject({ state: 'failed', code: 'CorruptEventlog' })
  await tab.close()
  expect(await files.read(storeId, 'eventlog.db')).toEqual(damaged)
})

test('an eventlog of a newer version is reported and left untouched', async ({ tabs }) => {
  tabs.expectProblem(/NewerFormat|newer/)
  const files = await tabs.openFiles()
  const first = await tabs.open({ storeId })
  await first.add('milk')
  await first.shutdown()
  await first.close()
  const newer = await files.read(storeId, 'eventlog.db')
  new DataView(newer.buffer).setUint32(USER_VERSION_OFFSET, 1_000)
  await files.write(storeId, 'eventlog.db', newer)

  const tab = await tabs.load({ storeId })

  expect(await tab.booted()).toMatchObject({ state: 'failed', code: 'NewerFormat' })
  await tab.close()
  expect(await files.read(storeId, 'eventlog.db')).toEqual(newer)
})

test('damaged tables are rebuilt from the eventlog', async ({ tabs }) => {
  const files = await tabs.openFiles()
  const first = await tabs.open({ storeId })
  await first.add('milk', 'bread')
  await first.shutdown()
  await first.close()
  const state = await files.read(storeId, 'state.db')
  state.fill(0xa5, 100)
  await files.write(storeId, 'state.db', state)

  const tab = await tabs.open({ storeId })

  expect(await tab.texts()).toEqual(['milk', 'bread'])
})

test('a lost state file is rebuilt from the eventlog', async ({ tabs }) => {
  const files = await tabs.openFiles()
  const first = await tabs.open({ storeId })
  await first.add('milk', 'bread')
  await first.shutdown()
  await first.close()
  for (const name of ['state.db', 'state.db-wal']) {
    await files.write(storeId, name, new Uint8Array())
  }

  const tab = await tabs.open({ storeId })

  expect(await tab.texts()).toEqual(['milk', 'bread'])
})
