/**
 * What the promises of receipts and of `flush` settle with, and that they cost nothing unread.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Connection, MockSyncServer } from '../../test/mock-sync-server.js'
import { coded, created, endTest, openStore, startTest } from '../../test/open-store.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { LiveStoreError } from '../errors.js'
import type { Rejection } from '../wasm/client-session.js'
import { REJECTIONS_REMEMBERED_MAX, ReceiptBook } from './receipts.js'

beforeEach(startTest)
afterEach(endTest)

const closed = new LiveStoreError('Closed', 'the end')
const full = new LiveStoreError('StorageFull', 'no space is left')

const rejection = (counter: number, accepted = false): Rejection =>
  ({
    counter,
    accepted,
    event: { name: 'e' },
    code: accepted ? 'BackendRefused' : 'Constraint',
    message: 'why',
  }) as Rejection

/** A book over an engine that the test plays. */
const setUp = (hasBackend = true) => {
  const engine = { committed: 0, persisted: 0, synced: 0, hasBackend }
  const ask = vi.fn(() => ({ ...engine }))
  const book = new ReceiptBook(ask)
  const reached = (parts: Partial<typeof engine>) => {
    Object.assign(engine, parts)
    book.progressed()
  }
  return { book, ask, reached }
}

/** `open`, `resolved`, or the code of the rejection. */
const stateOf = async (promise: Promise<void>): Promise<string> => {
  const settled = promise.then(
    () => 'resolved',
    (error: LiveStoreError) => error.code,
  )
  await Promise.resolve()
  return Promise.race([settled, Promise.resolve().then(() => 'open')])
}
const statesOf = (...promises: Promise<void>[]) => Promise.all(promises.map(stateOf))

describe('the book', () => {
  test('asks the engine nothing while no promise has been read', () => {
    const { book, ask, reached } = setUp()
    for (let i = 0; i < 100; i++) book.committed(2)
    book.rejected([rejection(7)])
    reached({ persisted: 200 })
    expect(ask).not.toHaveBeenCalled()
    expect(Object.keys(book.committed(1))).toEqual([])
  })

  test('a receipt is a function that does nothing, and no promise', async () => {
    const { book, ask } = setUp()
    const receipt = book.committed(1)
    expect(receipt).toBeTypeOf('function')
    expect(receipt()).toBeUndefined()
    expect(await receipt).toBe(receipt)
    expect(() => Object.assign(receipt, { own: 1 }), 'what all receipts share').toThrow(TypeError)
    expect(ask).not.toHaveBeenCalled()
  })

  test('resolves what all events of a commit have reached, and not before', async () => {
    const { book, reached } = setUp()
    const [one, two] = [book.committed(2), book.committed(1)]
    const all = [one.persisted, one.synced, two.persisted, two.synced]
    expect(one.persisted, 'the same at every reading').toBe(all[0])
    reached({ persisted: 1 })
    expect(await statesOf(...all)).toEqual(['open', 'open', 'open', 'open'])
    reached({ persisted: 2 })
    expect(await statesOf(...all)).toEqual(['resolved', 'open', 'open', 'open'])
    reached({ persisted: 3, synced: 2 })
    expect(await statesOf(...all)).toEqual(['resolved', 'resolved', 'resolved', 'open'])
    expect(await statesOf(book.until('synced', 1, 2), book.until('synced', 3, 3))).toEqual([
      'resolved',
      'open',
    ])
  })

  test('a rejected event rejects its commit, early and late readers alike', async () => {
    const { book, reached } = setUp()
    const [one, two, three] = [book.committed(2), book.committed(1), book.committed(1)]
    const early = two.persisted
    book.rejected([rejection(3)])
    reached({ persisted: 4, synced: 4 })
    expect(await statesOf(early, two.synced, one.persisted, three.synced)).toEqual([
      'Constraint',
      'Constraint',
      'resolved',
      'resolved',
    ])
    await expect(early).rejects.toThrow("the event 'e' was rejected: why")
  })

  test('what the backend refused was on disk', async () => {
    const { book, reached } = setUp()
    const receipt = book.committed(1)
    reached({ persisted: 1 })
    book.rejected([rejection(1, true)])
    expect(await statesOf(receipt.persisted, receipt.synced)).toEqual([
      'resolved',
      'BackendRefused',
    ])
  })

  test('rejections are remembered up to a limit', async () => {
    const { book, reached } = setUp()
    const [first, second] = [book.committed(1), book.committed(1)]
    book.committed(REJECTIONS_REMEMBERED_MAX)
    const count = REJECTIONS_REMEMBERED_MAX + 1
    book.rejected(Array.from({ length: count }, (_, i) => rejection(i + 1)))
    reached({ persisted: count + 1 })
    expect(await statesOf(first.persisted, second.persisted)).toEqual(['resolved', 'Constraint'])
  })

  test('without a backend nothing can be synced, and that is said at once', async () => {
    const { book } = setUp(false)
    await expect(book.committed(1).synced).rejects.toThrow(coded('Unsupported', /no backend/))
  })

  test('trouble rejects flushes only, until the leader has taken something in', async () => {
    const { book, reached } = setUp()
    const receipt = book.committed(1)
    const waiting = book.flushed()
    book.troubled(full)
    expect(await statesOf(waiting, book.flushed(), receipt.persisted)).toEqual([
      'StorageFull',
      'StorageFull',
      'open',
    ])
    reached({ persisted: 1 })
    const again = book.flushed()
    book.committed(1)
    expect(await statesOf(again, book.flushed(), receipt.persisted)).toEqual([
      'resolved',
      'open',
      'resolved',
    ])
  })

  test('the end rejects what is open, and the engine is not asked after it', async () => {
    const { book, ask, reached } = setUp()
    const [one, two] = [book.committed(1), book.committed(1)]
    const waiting = two.persisted
    reached({ persisted: 1 })
    book.end(closed)
    ask.mockClear()
    expect(await statesOf(waiting, one.persisted, one.synced, two.synced)).toEqual([
      'Closed',
      'resolved',
      'Closed',
      'Closed',
    ])
    expect(ask).not.toHaveBeenCalled()
  })
})

describe('a store', () => {
  test('has the receipts of every form of commit', async () => {
    const store = await openStore()
    const one = store.commit(created('a'), created('b'))
    const two = store.commit((commit) => commit(created('c')))
    await Promise.all([one.persisted, two.persisted, store.commit().persisted])
    expect(store.syncStatus().isSynced).toBe(true)
    expect(await store.flush()).toBeUndefined()
    await expect(one.synced).rejects.toThrow(coded('Unsupported'))
  })

  test('a rejection that nobody looks at is no unhandled one', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const store = await openStore()
    const receipt = store.commit(created('a'))
    void receipt.synced
    const last = store.commit(created('b')).persisted
    await store.shutdown()
    await last
    await expect(store.flush()).rejects.toThrow(coded('Closed'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('with a backend: ordered, refused with the reason, and open at the end', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const server = new MockSyncServer()
    const connection = new Connection(server)
    server.refuses = ({ args }) => ((args as { id: string }).id === 'bad' ? 'too bad' : undefined)
    const adapter = makeInMemoryAdapter({ sync: { backend: connection.make } })
    const store = await openStore({ adapter, onRejected: () => undefined })
    await store.commit(created('good')).synced
    expect(server.log).toEqual(['good'])

    const bad = store.commit(created('bad'), created('with it'))
    await bad.persisted
    await expect(bad.synced).rejects.toThrow(coded('BackendRefused', /v1.TodoCreated.*too bad/))

    connection.setOnline(false)
    const offline = store.commit(created('offline'))
    const { synced } = offline
    await offline.persisted
    await store.shutdown()
    await expect(synced).rejects.toThrow(coded('Closed', /'test'/))
  })
})
