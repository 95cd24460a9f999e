/** An app that moves over from LiveStore keeps its users' data: what 0.4.0 itself has written. */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { Opfs } from './fixtures/opfs.js'
import { expect, test } from './fixtures/test.js'

const folder = fileURLToPath(new URL('livestore-0.4/files/', import.meta.url))
const directory = 'livestore-e2e@6'
const clientId = readFileSync(`${folder}client-id.txt`, 'latin1').trim()
const texts = ['milk', 'butter \u2764', ...Array.from({ length: 20 }, (_, i) => `todo ${i}`)]

const recorded: Readonly<Record<string, string>> = Object.fromEntries(
  readdirSync(folder)
    .filter((name) => name.endsWith('.gz'))
    .map((name) => [
      name.replace(/\.gz$/, ''),
      gunzipSync(readFileSync(`${folder}${name}`)).toString('latin1'),
    ]),
)
const eventlog = Object.keys(recorded).find((name) =>
  recorded[name]?.startsWith('/eventlog.db'),
) as string

const leaveBehind = async (files: Opfs, contents = recorded): Promise<void> => {
  await files.writeAll(directory, contents)
  await files.setItem('livestore:clientId:e2e', clientId)
}

test('its events are taken over at the first boot, and its files left as they are', async ({
  tabs,
}) => {
  const files = await tabs.openFiles()
  await leaveBehind(files)
  const tab = await tabs.open({ path: 'csp' })
  expect(await tab.texts()).toEqual(texts)
  expect((await tab.status()).pendingCount, 'all of it is on disk').toBe(0)

  const other = await tabs.open({ path: 'csp' })
  expect(await other.texts()).toEqual(texts)
  await other.add('new')
  await other.saved()
  await tab.shows(...texts, 'new')
  await tab.close()
  await other.reload()
  expect(await other.texts()).toEqual([...texts, 'new'])
  expect(await files.readAll(directory)).toEqual(recorded)
})

test('events that wait for a sync backend are pushed to it, in their order', async ({
  tabs,
  syncServer,
}) => {
  await leaveBehind(await tabs.openFiles())
  const tab = await tabs.open({ worker: 'synced' })
  const [milk, ...others] = texts
  await expect
    .poll(() => syncServer.texts())
    .toEqual([milk, 'bread', '', others[0], '', ...others.slice(1)])
  await tab.add('new')
  await expect.poll(() => syncServer.texts().at(-1)).toBe('new')
  expect(await tab.texts()).toEqual([...texts, 'new'])
})

test('what cannot be read fails the boot and stays; the app may go on without it', async ({
  tabs,
}) => {
  tabs.expectProblem(/ImportFailed|could not be taken over/)
  const files = await tabs.openFiles()
  const damaged = { ...recorded, [eventlog]: recorded[eventlog]?.slice(0, 20_000) ?? '' }
  await leaveBehind(files, damaged)
  const tab = await tabs.load()
  expect(await tab.booted()).toMatchObject({ state: 'failed', code: 'ImportFailed' })
  await tab.close()

  const bold = await tabs.open({ liveStoreData: 'import-if-readable' })
  expect(await bold.texts()).toEqual([])
  const warnings = await bold.page.evaluate(() =>
    window.app.bootStatuses.filter((status) => status.stage === 'warning'),
  )
  expect(warnings).toMatchObject([{ reason: 'import-failed' }])
  expect(await files.readAll(directory)).toEqual(damaged)
  await bold.close()

  // Nothing was committed: mended, it is taken over after all.
  await leaveBehind(files)
  expect(await (await tabs.open()).texts()).toEqual(texts)
})
