/** When a boot image is written, and when not. */

import { beforeEach, expect, test } from 'vitest'
import type { DirectoryLike } from '../../js/src/env.js'
import {
  type BootImage,
  bootImageName,
  decodeBootImage,
  stampOfLog,
} from '../../js/src/protocol/boot-image.js'
import { settle, TestClock, TestContext, TestOpfs } from '../../js/test/doubles.js'
import {
  BootImageKeeper,
  bootImageBytesPerSecondMax,
  bootImageRestMs,
} from './boot-image-keeper.js'

let clock: TestClock
let opfs: TestOpfs
let directory: DirectoryLike
let keeper: BootImageKeeper
let taken: number
let takeImage: () => BootImage | undefined

const imageOf = (...bytes: number[]): BootImage => ({
  image: new Uint8Array(bytes),
  history: new Uint8Array([9]),
  clientId: 'c',
})

/** A transaction of the log, as its file has it. */
const appendToLog = async (): Promise<void> => {
  const file = await directory.getFileHandle('eventlog.db-wal', { create: true })
  const handle = await file.createSyncAccessHandle?.()
  handle?.write(new Uint8Array([1]), { at: handle.getSize() })
  handle?.close()
}
const change = async (): Promise<void> => {
  await appendToLog()
  keeper.changed()
}
const pass = async (ms: number): Promise<void> => {
  await clock.advance(ms)
  // Digests are made on other threads, in turn: when these are there, so are those before them.
  for (let round = 0; round < 10; round++) {
    const digests = Array.from({ length: 8 }, () =>
      crypto.subtle.digest('SHA-256', new Uint8Array(1)),
    )
    await Promise.all(digests)
    await settle()
  }
}
const kept = async (): Promise<number[] | undefined> => {
  const find = async () =>
    (await directory.getFileHandle(bootImageName, { create: false })).getFile?.()
  const [image, log] = await Promise.all([find(), stampOfLog(directory)]).catch(() => [])
  if (image === undefined || log === undefined) return undefined
  const decoded = await decodeBootImage(await image.arrayBuffer(), log)
  return decoded && [...decoded.image]
}

beforeEach(async () => {
  clock = new TestClock()
  opfs = new TestOpfs()
  const root = await opfs.getDirectory(new TestContext())
  directory = await root.getDirectoryHandle('store', { create: true })
  await directory.getFileHandle('eventlog.db', { create: true })
  taken = 0
  takeImage = () => imageOf(1)
  keeper = new BootImageKeeper({
    clock,
    directory,
    takeImage: () => {
      taken += 1
      return takeImage()
    },
  })
})

test('is written once the log has been at rest for a while', async () => {
  await change()
  await pass(bootImageRestMs / 2)
  await change()
  await pass(bootImageRestMs / 2)
  expect(taken).toBe(0)
  await pass(bootImageRestMs / 2)
  expect(await kept()).toEqual([1])
})

test('is not written again while the log is the same, not even by the next leader', async () => {
  await change()
  await pass(bootImageRestMs)
  for (let i = 0; i < 3; i++) {
    keeper.changed()
    await pass(bootImageRestMs * 2)
  }
  expect(taken).toBe(1)
  expect(await kept()).toEqual([1])
})

test('of a log that has gone on is none, until it is written anew', async () => {
  await change()
  await pass(bootImageRestMs)
  takeImage = () => imageOf(1, 2)
  await change()
  expect(await kept()).toBeUndefined()
  await pass(bootImageRestMs * 2)
  expect(await kept()).toEqual([1, 2])
})

test('a large one makes the next wait', async () => {
  const large = { ...imageOf(), image: new Uint8Array(4 * bootImageBytesPerSecondMax) }
  takeImage = () => large
  await change()
  await pass(bootImageRestMs)
  expect(taken).toBe(1)
  await change()
  await pass(3_000)
  expect(taken).toBe(1)
  await pass(2_000)
  expect(taken).toBe(2)
})

test('a log that changes while the image is made leaves the old one', async () => {
  await change()
  takeImage = () => {
    void change()
    return imageOf(7)
  }
  await pass(bootImageRestMs)
  expect(await kept()).toBeUndefined()
  takeImage = () => imageOf(8)
  await pass(bootImageRestMs)
  expect(await kept()).toEqual([8])
})

test.each([
  ['there is no image to be had', () => (takeImage = () => undefined)],
  ['no file can be opened', () => (opfs.handleRefusal = new DOMException('no', 'UnknownError'))],
  ['storage is full', () => (opfs.full = true)],
])('where %s there is none, and nobody is the worse for it', async (_, spoil) => {
  await change()
  spoil()
  await pass(bootImageRestMs)
  expect(await kept()).toBeUndefined()
})

test('a keeper that is stopped writes nothing more', async () => {
  await change()
  keeper.stop()
  await pass(bootImageRestMs * 2)
  expect(taken).toBe(0)
})
