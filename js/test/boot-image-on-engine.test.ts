/**
 * A tab that starts from what a leader left behind, on the real engine: what it shows before there
 * is a leader, and that it follows the log from there.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { bootImageRestMs } from '../../worker/src/boot-image-keeper.js'
import {
  type BootImage,
  bootImageName,
  decodeBootImage,
  encodeBootImage,
  stampOfLog,
} from '../src/protocol/boot-image.js'
import { settle, TestContext } from './doubles.js'
import { EngineOrigin, type EngineTab } from './engine-origin.js'
import { coded } from './open-store.js'

let origin: EngineOrigin
const imageFile = `d@1/${bootImageName}`

beforeEach(() => {
  origin = new EngineOrigin()
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(async () => {
  origin.opfs.handleRefusal = undefined
  await origin.pass(1_000)
  await origin.close()
  vi.restoreAllMocks()
})

/** Lets the leader write its image: it does so at rest. */
const rest = async (): Promise<void> => {
  await origin.pass(bootImageRestMs)
  await expect
    .poll(() => origin.opfs.files.get(imageFile)?.bytes.length ?? 0, { timeout: 2_000 })
    .toBeGreaterThan(0)
  await settle()
}
/** A log with these events and an image of it, and no tab. */
const leave = async (...ids: string[]): Promise<void> => {
  const tab = await origin.openTab()
  for (const id of ids) tab.add(id)
  await tab.store.flush()
  await rest()
  tab.context.kill()
  await settle()
}
const storeDirectory = async () =>
  (await origin.opfs.getDirectory(new TestContext())).getDirectoryHandle('d@1', { create: false })
const imageNow = async (): Promise<BootImage> => {
  const directory = await storeDirectory()
  const file = await (await directory.getFileHandle(bootImageName, { create: false })).getFile?.()
  const stamp = await stampOfLog(directory)
  const image = file && stamp && (await decodeBootImage(await file.arrayBuffer(), stamp))
  return image ?? expect.unreachable('there is no image')
}
/** Makes `image` one of the log as it is now: a file system would have to lie. */
const forge = async (image: BootImage): Promise<void> => {
  const stamp = await stampOfLog(await storeDirectory())
  origin.opfs.files.get(imageFile)!.bytes = await encodeBootImage(image, stamp!)
}
/** No leader can open its files, so whatever a tab shows is from the image. */
const holdFiles = (): void => {
  origin.opfs.handleRefusal = new DOMException('still open', 'NoModificationAllowedError')
}
const releaseFiles = async (): Promise<void> => {
  origin.opfs.handleRefusal = undefined
  await origin.pass(1_000)
}
const pendingOf = (tab: EngineTab): number => tab.store.syncStatus().pendingCount

test('law 1: a tab shows and takes commits before it has a leader', async () => {
  await leave('one', 'two')
  holdFiles()
  const tab = await origin.openTab()
  expect(tab.ids()).toEqual(['one', 'two'])
  tab.add('three')
  expect(tab.ids()).toEqual(['one', 'two', 'three'])
  await origin.pass(500)
  expect(pendingOf(tab)).toBe(1)
  await releaseFiles()
  await tab.store.flush()
  expect(tab.ids()).toEqual(['one', 'two', 'three'])
  tab.context.kill()
  expect((await origin.openTab()).ids()).toEqual(['one', 'two', 'three'])
})

test('an image of a log that has gone on since is not used', async () => {
  await leave('one')
  const writer = await origin.openTab()
  writer.add('two')
  await writer.store.flush()
  writer.context.kill()
  await settle()
  let isOpen = false
  holdFiles()
  const opening = origin.openTab().then((tab) => {
    isOpen = true
    return tab
  })
  await origin.pass(500)
  expect(isOpen).toBe(false)
  await releaseFiles()
  expect((await opening).ids()).toEqual(['one', 'two'])
})

test('law 3: one that seems current, and is not, is followed from where it stands', async () => {
  await leave('one', 'two')
  const image = await imageNow()
  const writer = await origin.openTab()
  writer.add('three')
  await writer.store.flush()
  writer.context.kill()
  await settle()
  await forge(image)
  holdFiles()
  const tab = await origin.openTab()
  expect(tab.ids()).toEqual(['one', 'two'])
  tab.add('four')
  await releaseFiles()
  await tab.store.flush()
  expect(tab.ids()).toEqual(['one', 'two', 'three', 'four'])
})

test('a damaged image is none', async () => {
  await leave('one')
  const { bytes } = origin.opfs.files.get(imageFile)!
  bytes[bytes.length - 1] = 0xff ^ (bytes.at(-1) ?? 0)
  const tab = await origin.openTab()
  expect(tab.ids()).toEqual(['one'])
})

test('what a page left in its journal is in the first state of the next', async () => {
  const tab = await origin.openTab()
  tab.add('one')
  await tab.store.flush()
  await rest()
  tab.add('two')
  tab.end()
  await settle()
  expect((await origin.openTab()).ids()).toEqual(['one', 'two'])
})

test('a store whose leader turns out to be unable ends, and says why', async () => {
  await leave('one')
  const image = await imageNow()
  for (const name of ['d@1/eventlog.db', 'd@1/eventlog.db-wal']) {
    origin.opfs.files.get(name)!.bytes.fill(0xaa)
  }
  await forge(image)
  const tab = await origin.openTab()
  expect(tab.ids()).toEqual(['one'])
  await expect
    .poll(() => {
      try {
        tab.ids()
        return ''
      } catch (thrown) {
        return thrown
      }
    })
    .toEqual(coded('CorruptEventlog'))
  expect(tab.errors).toEqual([coded('CorruptEventlog')])
})
