import { beforeEach, describe, expect, test } from 'vitest'
import { settle, TestClock, TestContext, TestOpfs } from '../../js/test/doubles.js'
import { type OpfsPool, openOpfsPool, storageBusyWaitMsMax } from './opfs-pool.js'

let clock: TestClock
let opfs: TestOpfs

const open = (
  context = new TestContext(),
  reset = false,
  mayOpen: Promise<void> = Promise.resolve(),
): Promise<OpfsPool> =>
  openOpfsPool(
    { clock, getDirectory: () => opfs.getDirectory(context) },
    {
      directory: 'store@1',
      fileNames: ['eventlog.db', 'state.db'],
      reset,
      mayOpen,
    },
  )

const persisted = async (pool: OpfsPool | Promise<OpfsPool>) => {
  const opened = await pool
  if (opened.mode !== 'persisted') throw new Error(`opened ${opened.mode}`)
  return opened
}

const openFiles = (): string[] => [...opfs.files].filter(([, { open }]) => open).map(([n]) => n)

beforeEach(() => {
  clock = new TestClock()
  opfs = new TestOpfs()
})

test('opens one handle per file, in the directory, and closes them all', async () => {
  const pool = await persisted(open())
  expect(pool.files.map(({ name }) => name)).toEqual(['eventlog.db', 'state.db'])
  expect(openFiles()).toEqual(['store@1/eventlog.db', 'store@1/state.db'])
  pool.close()
  expect(openFiles()).toEqual([])
})

test('what was written is there for the next one', async () => {
  const first = await persisted(open())
  first.files[0]?.handle.write(new Uint8Array([1, 2, 3]), { at: 2 })
  first.close()
  const second = await persisted(open())
  const bytes = new Uint8Array(5)
  expect(second.files[0]?.handle.read(bytes, { at: 0 })).toBe(5)
  expect([...bytes]).toEqual([0, 0, 1, 2, 3])
})

describe('files that another worker holds', () => {
  test('are waited for', async () => {
    const dying = new TestContext()
    await persisted(open(dying))
    const waiting = open()
    await clock.advance(1_500)
    dying.kill()
    await clock.advance(500)
    expect((await persisted(waiting)).files).toHaveLength(2)
  })

  test('that it removes after they were found are made anew', async () => {
    const before = await persisted(open())
    let mayOpen: () => void = () => undefined
    const waiting = open(
      new TestContext(),
      false,
      new Promise<void>((resolve) => (mayOpen = resolve)),
    )
    await settle()
    before.close()
    ;(await persisted(open(new TestContext(), true))).close()
    mayOpen()
    expect((await persisted(waiting)).files).toHaveLength(2)
    expect(openFiles()).toEqual(['store@1/eventlog.db', 'store@1/state.db'])
  })

  test('end in StorageBusy after the limit, and none of the others stays open', async () => {
    const holder = await persisted(open())
    holder.files[0]?.handle.close()
    const waiting = open()
    const failure = expect(waiting).rejects.toMatchObject({ code: 'StorageBusy' })
    await clock.advance(storageBusyWaitMsMax + 1_000)
    await failure
    expect(openFiles()).toEqual(['store@1/state.db'])
  })
})

describe('storage that is refused', () => {
  test.each([
    ['SecurityError', 'private-browsing'],
    ['NotAllowedError', 'private-browsing'],
    ['UnknownError', 'storage-unavailable'],
  ])('getDirectory throws %s: in memory, %s', async (name, reason) => {
    opfs.refusal = new DOMException('no', name)
    expect(await open()).toMatchObject({ mode: 'in-memory', reason })
  })

  test('a handle is refused with NotAllowedError: in memory, private-browsing', async () => {
    opfs.handleRefusal = new DOMException('no', 'NotAllowedError')
    expect(await open()).toMatchObject({ mode: 'in-memory', reason: 'private-browsing' })
  })

  test('no sync access handles, or no file system at all: others may keep the files', async () => {
    opfs.syncAccess = false
    expect(await open()).toMatchObject({ mode: 'no-sync-access' })
    opfs.syncAccess = true
    opfs.handleRefusal = new DOMException('no', 'NotSupportedError')
    expect(await open()).toMatchObject({ mode: 'no-sync-access' })
    const none = { clock, getDirectory: undefined }
    expect(
      await openOpfsPool(none, {
        directory: 'd',
        fileNames: ['f'],
        reset: false,
        mayOpen: Promise.resolve(),
      }),
    ).toMatchObject({ mode: 'no-sync-access' })
  })
})

test('a full disk is StorageFull, anything else StorageIo', async () => {
  opfs.handleRefusal = new DOMException('quota', 'QuotaExceededError')
  await expect(open()).rejects.toMatchObject({ code: 'StorageFull' })
  opfs.handleRefusal = new DOMException('disk', 'InvalidStateError')
  await expect(open()).rejects.toMatchObject({ code: 'StorageIo' })
})

describe('reset', () => {
  test('removes what was there, and needs nothing to be there', async () => {
    const first = await persisted(open(new TestContext(), true))
    first.files[0]?.handle.write(new Uint8Array([1]), { at: 0 })
    first.close()
    const second = await persisted(open(new TestContext(), true))
    expect(second.files[0]?.handle.getSize()).toBe(0)
  })

  test('waits for files that a dying worker still holds', async () => {
    const dying = new TestContext()
    await persisted(open(dying))
    let done = false
    const waiting = open(new TestContext(), true).then((pool) => {
      done = true
      return pool
    })
    await clock.advance(300)
    expect(done).toBe(false)
    dying.kill()
    await clock.advance(500)
    await settle()
    expect((await persisted(waiting)).files).toHaveLength(2)
  })
})
