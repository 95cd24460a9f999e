import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventAt, eventsFrom, storageConformance } from '../test/storage-conformance.js'
import { flushes, openDatabaseFiles } from './node-files.js'
import { SqliteStorage } from './sqlite-storage.js'

const wasm = readFileSync(
  new URL('../../../../build/wasm-release/wasm/sync_server_db.wasm', import.meta.url),
)
const all = { events: 1000, bytes: 10_000_000 }
let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'livestore-sqlite-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

storageConformance('SQLite', async () => {
  let storage = await SqliteStorage.open(directory, wasm)
  return {
    storage,
    async reopen() {
      await storage.close()
      storage = await SqliteStorage.open(directory, wasm)
      return storage
    },
    end: () => storage.close(),
  }
})

describe('the data directory', () => {
  test('is refused to a second server while the first has it', async () => {
    const storage = await SqliteStorage.open(directory, wasm)
    await expect(SqliteStorage.open(directory, wasm)).rejects.toThrow('another server')
    await storage.close()
    await (await SqliteStorage.open(directory, wasm)).close()
  })

  test('is taken over from a server that died', async () => {
    // No process has a number beyond this.
    writeFileSync(join(directory, 'lock'), '4194305\n')
    await (await SqliteStorage.open(directory, wasm)).close()
  })

  test('with a file that is no database is refused, and the file left alone', async () => {
    const file = join(directory, 'sync.db')
    writeFileSync(file, 'not a database, whatever its name says '.repeat(500))
    const before = readFileSync(file)
    await expect(SqliteStorage.open(directory, wasm)).rejects.toThrow(/database|corrupt|malformed/i)
    expect(readFileSync(file)).toEqual(before)
  })
})

test('a number beyond the last that a log can have is refused, and nothing beside it', async () => {
  const storage = await SqliteStorage.open(directory, wasm)
  const [beyond, beside] = await Promise.allSettled([
    storage.append('a', 0, [eventAt(2 ** 40, { parentSeqNum: 0 })]),
    storage.append('b', 0, [eventAt(2 ** 40 - 1, { parentSeqNum: 0 })]),
  ])
  expect([beyond.status, beside.status]).toEqual(['rejected', 'fulfilled'])
  expect((await storage.read('b', 0, all)).map(({ seqNum }) => seqNum)).toEqual([2 ** 40 - 1])
  expect(await storage.read('a', 0, all)).toEqual([])
  await storage.close()
})

describe('group commit', () => {
  test('appends of one turn share a flush, of however many stores', async () => {
    const storage = await SqliteStorage.open(directory, wasm)
    await storage.append('a', 0, eventsFrom(1, 1))
    const before = flushes.count
    const names = Array.from({ length: 50 }, (_, index) => `store ${index}`)
    await Promise.all(names.map((name) => storage.append(name, 0, eventsFrom(1, 20))))
    expect(flushes.count - before).toBeLessThan(5)
    for (const name of names) expect((await storage.head(name)).head).toBe(20)
    await storage.close()
  })

  test('an append that does not fit leaves those beside it alone', async () => {
    const storage = await SqliteStorage.open(directory, wasm)
    const outcomes = await Promise.all([
      storage.append('a', 0, eventsFrom(1, 2)),
      storage.append('a', 2, eventsFrom(3, 2)),
      storage.append('a', 2, eventsFrom(3, 9)),
      storage.append('b', 5, eventsFrom(6, 1)),
      storage.append('b', 0, [eventAt(1)]),
    ])
    expect(outcomes.map(({ taken }) => taken)).toEqual([true, true, false, false, true])
    expect(outcomes[2]).toEqual({ taken: false, head: 4 })
    expect(await storage.read('a', 0, all)).toEqual(eventsFrom(1, 4))
    await storage.close()
  })
})

describe('a disk that fails', () => {
  /** Every write, or every flush, fails while `failing` says so. */
  const failing = { calls: '' as '' | 'write' | 'flush', name: '' }
  const openFailing: typeof openDatabaseFiles = (path, name) => {
    const { files, close } = openDatabaseFiles(path, name)
    const fail = (call: string): void => {
      if (failing.calls === call) throw Object.assign(new Error('no'), { name: failing.name })
    }
    const wrapped = files.map(({ name, handle }) => ({
      name,
      handle: {
        ...handle,
        write: (bytes: Uint8Array, options: { at: number }) => {
          fail('write')
          return handle.write(bytes, options)
        },
        flush: () => {
          fail('flush')
          handle.flush()
        },
      },
    }))
    return { files: wrapped, close }
  }

  test.each([
    ['write', 'QuotaExceededError'],
    ['write', 'Error'],
    ['flush', 'Error'],
  ] as const)(
    'at a %s (%s) refuses the append, keeps the log, and goes on',
    async (calls, name) => {
      const storage = await SqliteStorage.open(directory, wasm, openFailing)
      await storage.append('s', 0, eventsFrom(1, 50))
      Object.assign(failing, { calls, name })
      await expect(storage.append('s', 50, eventsFrom(51, 50))).rejects.toThrow()
      failing.calls = ''
      // Nobody knows whether what could not be flushed is there; it is there as a whole or not.
      const { head } = await storage.head('s')
      expect([50, 100]).toContain(head)
      expect(await storage.append('s', head, eventsFrom(head + 1, 5))).toEqual({ taken: true })
      expect(await storage.read('s', 0, all)).toEqual(eventsFrom(1, head + 5))
      await storage.close()
      const again = await SqliteStorage.open(directory, wasm)
      expect(await again.read('s', 0, all)).toEqual(eventsFrom(1, head + 5))
      await again.close()
    },
  )
})
