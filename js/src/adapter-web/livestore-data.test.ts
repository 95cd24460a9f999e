/** Files of LiveStore's pool, made by hand as spec and a real one have them. */

import { beforeEach, describe, expect, test } from 'vitest'
import { settle, TestContext, TestLocks } from '../../test/doubles.js'
import {
  digest,
  liveStoreTabWaitMsMax,
  type ReadableDirectory,
  readLiveStoreData,
} from './livestore-data.js'

const mainDatabase = 0x106

/** The header of a pool file. Free without a path. */
const header = (path: string, flags = path === '' ? 0 : mainDatabase): Uint8Array => {
  const bytes = new Uint8Array(4_096)
  new TextEncoder().encodeInto(path, bytes)
  const view = new DataView(bytes.buffer)
  view.setUint32(512, flags)
  const [first, second] = digest(bytes.subarray(0, 516))
  view.setUint32(516, first, true)
  view.setUint32(520, second, true)
  return bytes
}

const database = new Uint8Array(3 * 8_192).fill(7)
const text = (buffer: ArrayBuffer | undefined): string => new TextDecoder().decode(buffer)

const poolFile = (path: string, contents: BlobPart = ''): Blob =>
  new Blob([header(path) as BlobPart, contents])

const directory = (files: readonly Blob[], name = 'livestore-s@6'): ReadableDirectory => ({
  name,
  async *values() {
    yield { kind: 'directory' as const }
    for (const file of files) yield { kind: 'file' as const, getFile: async () => file }
  },
})

let locks: TestLocks
const read = (...directories: ReadableDirectory[]) =>
  readLiveStoreData(locks.for(new TestContext()), 's', directories)

beforeEach(() => {
  locks = new TestLocks()
})

/** What the published package wrote, seen byte for byte. */
test.each([
  ['/eventlog.db', [243, 228, 238, 77, 76, 254, 136, 41]],
  ['/state5969158307.db', [70, 88, 143, 156, 62, 241, 8, 81]],
  ['', [128, 95, 204, 254, 55, 192, 206, 172]],
])('the digest of %j is that of LiveStore', (path, expected) => {
  expect([...header(path).subarray(516, 524)]).toEqual(expected)
})

describe('a directory', () => {
  test('gives the eventlog out of all its files, and which version it is of', async () => {
    const files = [
      poolFile(''),
      poolFile('/state12.db', 'rows'),
      poolFile('/eventlog.db', database),
      poolFile(''),
    ]
    const [found, older, ...more] = await read(directory(files), directory(files, 'livestore-s@4'))
    expect(more).toEqual([])
    expect(new Uint8Array(found?.database ?? new ArrayBuffer())).toEqual(database)
    expect(found?.journal.byteLength).toBe(0)
    expect([found?.generations, older?.generations]).toEqual([true, false])
  })

  test('gives the journal of a transaction that was cut short', async () => {
    const journal = poolFile('/eventlog.db-journal', 'undo')
    const [found] = await read(directory([journal, poolFile('/eventlog.db', database)]))
    expect(text(found?.journal)).toBe('undo')
  })

  test('without an eventlog, or with one that was never used, gives nothing', async () => {
    const onePage = poolFile('/eventlog.db', database.slice(0, 8_192))
    expect(await read(directory([]), directory([poolFile('/state12.db', 'rows')]))).toEqual([])
    expect(await read(directory([onePage]))).toEqual([])
    expect(await read(directory([new Blob(['short'])]))).toEqual([])
  })

  test('with a damaged header of a state file gives its eventlog nevertheless', async () => {
    const damaged = header('/state12.db')
    damaged[520] = 1
    const files = [new Blob([damaged as BlobPart]), poolFile('/eventlog.db', database)]
    expect(await read(directory(files))).toHaveLength(1)
  })

  test('with a damaged header of the eventlog is refused', async () => {
    const damaged = header('/eventlog.db')
    damaged[515] = 0
    const files = [new Blob([damaged as BlobPart, database])]
    await expect(read(directory(files))).rejects.toMatchObject({ code: 'ImportFailed' })
  })

  test('that cannot be read is refused', async () => {
    const broken: ReadableDirectory = {
      name: 'livestore-s@6',
      async *values() {
        yield { kind: 'file' as const, getFile: () => Promise.reject(new Error('disk')) }
      },
    }
    await expect(read(broken)).rejects.toMatchObject({
      code: 'ImportFailed',
      message: expect.stringContaining('disk'),
    })
  })
})

describe('a tab that still runs LiveStore', () => {
  const hold = (context: TestContext): void => {
    void locks
      .for(context)
      .request('livestore-tab-lock-s', {}, () => new Promise<void>(() => undefined))
  }

  test('is waited for, so that nothing is read half written', async () => {
    const other = new TestContext()
    hold(other)
    await settle()
    const reading = read(directory([poolFile('/eventlog.db', database)]))
    await settle()
    other.kill()
    expect(await reading).toHaveLength(1)
  })

  test('that stays is StorageBusy', async () => {
    expect(liveStoreTabWaitMsMax).toBeLessThan(5_000)
    hold(new TestContext())
    await settle()
    await expect(read(directory([]))).rejects.toMatchObject({ code: 'StorageBusy' })
  })
})
