/** Files in memory, and the page that keeps them in IndexedDB: what is stored, and when. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { serveBlocks } from '../../js/src/adapter-web/block-store.js'
import { blockBytes } from '../../js/src/protocol/messages.js'
import { TestPort } from '../../js/test/doubles.js'
import { TestIndexedDb, TestKeyRange } from '../../js/test/indexed-db.js'
import { memoryFileBytesMax, openBlockPool } from './block-pool.js'
import type { PersistedPool } from './opfs-pool.js'

let db: TestIndexedDb
let ends: (() => void)[]

beforeEach(() => {
  db = new TestIndexedDb()
  ends = []
  vi.stubGlobal('IDBKeyRange', TestKeyRange)
})
afterEach(() => vi.unstubAllGlobals())

const open = (reset = false): Promise<PersistedPool> => {
  const { port1, port2 } = TestPort.channel()
  ends.push(serveBlocks(port2, db.factory))
  return openBlockPool(port1, { directory: 'store@1', fileNames: ['a', 'b'], reset })
}
/** As after the tab was closed: another worker, another page. */
const reopen = (): Promise<PersistedPool> => {
  for (const end of ends.splice(0)) end()
  return open()
}

const file = (pool: PersistedPool, name: string) => {
  const found = pool.files.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no file ${name}`)
  return found.handle
}
const contents = (pool: PersistedPool, name: string): string => {
  const bytes = new Uint8Array(file(pool, name).getSize())
  expect(file(pool, name).read(bytes, { at: 0 })).toBe(bytes.length)
  return new TextDecoder().decode(bytes)
}
const write = (pool: PersistedPool, name: string, text: string, at = 0): void => {
  file(pool, name).write(new TextEncoder().encode(text).slice(), { at })
}
const storedBlocks = () =>
  [...(db.databases.get('store@1')?.get('blocks')?.values() ?? [])].map(({ key }) => key)

describe('as a file', () => {
  test('what was written is read, and zeros where nothing was', async () => {
    const pool = await open()
    write(pool, 'a', 'end', 6)
    expect(contents(pool, 'a')).toBe('\0\0\0\0\0\0end')
    const bytes = new Uint8Array(10).fill(7)
    expect(file(pool, 'a').read(bytes, { at: 8 })).toBe(1)
    expect([...bytes.subarray(0, 3)]).toEqual([100, 7, 7])
    expect(file(pool, 'a').read(bytes, { at: 9 })).toBe(0)
    expect(file(pool, 'a').read(bytes, { at: 90 })).toBe(0)
  })

  test('what was cut off does not come back when it grows', async () => {
    const pool = await open()
    write(pool, 'a', 'secret')
    file(pool, 'a').truncate(2)
    file(pool, 'a').truncate(6)
    expect(contents(pool, 'a')).toBe('se\0\0\0\0')
  })

  test('it does not outgrow the memory', async () => {
    const pool = await open()
    const beyond = { at: memoryFileBytesMax }
    expect(() => file(pool, 'a').write(new Uint8Array(1), beyond)).toThrow(
      expect.objectContaining({ name: 'QuotaExceededError' }),
    )
    expect(file(pool, 'a').getSize()).toBe(0)
  })
})

describe('a flush', () => {
  test('stores what changed, and the next one finds it', async () => {
    const pool = await open()
    const long = 'x'.repeat(3 * blockBytes + 5)
    write(pool, 'a', long)
    write(pool, 'b', 'short')
    expect(storedBlocks()).toEqual([])
    await pool.flush?.()
    const next = await reopen()
    expect(contents(next, 'a')).toBe(long)
    expect(contents(next, 'b')).toBe('short')
  })

  test('has nothing to wait for if nothing changed', async () => {
    const pool = await open()
    expect(pool.flush?.()).toBeUndefined()
    write(pool, 'a', 'x')
    await pool.flush?.()
    expect(pool.flush?.()).toBeUndefined()
    expect(db.writes).toBe(1)
  })

  test('is one transaction for all files', async () => {
    const pool = await open()
    write(pool, 'a', 'x'.repeat(5 * blockBytes))
    write(pool, 'b', 'y')
    await pool.flush?.()
    expect(db.writes).toBe(1)
  })

  test('takes blocks away that a file has no longer', async () => {
    const pool = await open()
    write(pool, 'a', 'x'.repeat(4 * blockBytes))
    write(pool, 'b', 'y'.repeat(2 * blockBytes))
    await pool.flush?.()
    file(pool, 'a').truncate(blockBytes + 1)
    file(pool, 'b').truncate(0)
    await pool.flush?.()
    expect(storedBlocks()).toEqual([
      ['a', 0],
      ['a', 1],
    ])
    const next = await reopen()
    expect(contents(next, 'a')).toBe('x'.repeat(blockBytes + 1))
    expect(file(next, 'b').getSize()).toBe(0)
  })

  test.each([
    ['QuotaExceededError', 'StorageFull'],
    ['UnknownError', 'StorageIo'],
  ])('that fails with %s is %s, stores nothing, and is made up for', async (name, code) => {
    const pool = await open()
    write(pool, 'a', 'before')
    await pool.flush?.()
    db.failure = new DOMException('no', name)
    write(pool, 'a', 'after!')
    write(pool, 'b', 'new')
    await expect(pool.flush?.()).rejects.toMatchObject({ code })
    expect(contents(await open(), 'a')).toBe('before')
    await expect(pool.flush?.()).rejects.toMatchObject({ code })
    db.failure = undefined
    await pool.flush?.()
    const next = await reopen()
    expect([contents(next, 'a'), contents(next, 'b')]).toEqual(['after!', 'new'])
  })

  test('a change while another flush is under way is stored by the next', async () => {
    const pool = await open()
    let release = (): void => undefined
    db.gate = new Promise((resolve) => {
      release = resolve
    })
    write(pool, 'a', '1')
    const first = pool.flush?.()
    write(pool, 'a', '2')
    release()
    await first
    expect(contents(await open(), 'a')).toBe('1')
    await pool.flush?.()
    expect(contents(await reopen(), 'a')).toBe('2')
  })
})

test('a reset removes what is stored', async () => {
  const pool = await open()
  write(pool, 'a', 'old')
  await pool.flush?.()
  for (const end of ends.splice(0)) end()
  expect(file(await open(true), 'a').getSize()).toBe(0)
  expect(storedBlocks()).toEqual([])
})

test('without IndexedDB there is no such storage', async () => {
  db.refusal = new DOMException('blocked', 'SecurityError')
  await expect(open()).rejects.toMatchObject({ code: 'StorageUnavailable' })
})

test('blocks that are missing are noticed, not read as zeros', async () => {
  const pool = await open()
  write(pool, 'a', 'x'.repeat(2 * blockBytes))
  await pool.flush?.()
  db.databases.get('store@1')?.get('blocks')?.delete('["a",0]')
  await expect(reopen()).rejects.toMatchObject({ code: 'StorageUnavailable' })
})

test('the page closes the database when it ends, also while it is still opening', async () => {
  await open()
  expect(db.openConnections).toBe(1)
  void open()
  for (const end of ends.splice(0)) end()
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  expect(db.openConnections).toBe(0)
})
