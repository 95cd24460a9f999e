/**
 * The files of a store in IndexedDB, for browsers whose workers have no synchronous file access:
 * the leader worker has them in memory, and sends what changed.
 *
 *     sizes   name          -> bytes of the file
 *     blocks  [name, index] -> `blockBytes` of it; the last one may hold more than the file
 *
 * A write is one transaction, answered when it is complete, strictly durable where the browser
 * knows the word. So what is here is always as the leader had it after some answered write.
 *
 * Has one owner, the page whose worker leads: it ends this before it lets go of the tab lock.
 */

import type { PortLike } from '../env.js'
import { messageOf } from '../errors.js'
import {
  type BlocksAnswer,
  type BlocksRequest,
  blockBytes,
  type ChangedFile,
} from '../protocol/messages.js'
import { TypedPort } from '../protocol/port.js'
import { checkBlocksRequest } from '../protocol/validate.js'

/** Blocks read at once: browsers limit what one request may answer. */
const blocksPerRead = 256

/** Returns what ends it: no write begins after that. */
export const serveBlocks = (port: PortLike, factory: IDBFactory): (() => void) => {
  const typed = new TypedPort<BlocksAnswer, BlocksRequest>(port, checkBlocksRequest)
  let database: IDBDatabase | undefined
  let isOver = false

  const open = async (request: BlocksRequest & { type: 'open' }): Promise<void> => {
    const opened = await openDatabase(factory, request.directory)
    database = opened
    if (isOver) return opened.close()
    if (request.reset) await transact(opened, clear)
    const files = await readFiles(opened)
    typed.post(
      { type: 'opened', files },
      files.map(({ bytes }) => bytes),
    )
  }

  const write = async ({ files }: BlocksRequest & { type: 'write' }): Promise<void> => {
    if (database === undefined) throw new Error('it is not open')
    await transact(database, (transaction) => {
      for (const file of files) putFile(transaction, file)
    })
    typed.post({ type: 'written' })
  }

  typed.listen({
    onMessage: (request) => {
      const done = request.type === 'open' ? open(request) : write(request)
      done.catch((thrown: unknown) => {
        const isFull = thrown instanceof Error && thrown.name === 'QuotaExceededError'
        const failed = request.type === 'open' ? 'StorageUnavailable' : 'StorageIo'
        const code = isFull ? 'StorageFull' : failed
        typed.post({ type: 'error', code, message: `IndexedDB: ${messageOf(thrown)}` })
      })
    },
    onMalformed: (problem) =>
      typed.post({ type: 'error', code: 'Internal', message: `the page received ${problem}` }),
  })
  return () => {
    isOver = true
    typed.close()
    database?.close()
  }
}

const openDatabase = (factory: IDBFactory, name: string): Promise<IDBDatabase> => {
  const request = factory.open(name, 1)
  request.onupgradeneeded = () => {
    request.result.createObjectStore('sizes')
    request.result.createObjectStore('blocks')
  }
  return answerOf(request)
}

const answerOf = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

/** Resolves when everything that `change` asked for is stored; else nothing of it is. */
const transact = (
  database: IDBDatabase,
  change: (transaction: IDBTransaction) => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const transaction = database.transaction(['sizes', 'blocks'], 'readwrite', {
      durability: 'strict',
    })
    transaction.oncomplete = () => resolve()
    transaction.onabort = () =>
      reject(transaction.error ?? new Error('the transaction was aborted'))
    change(transaction)
  })

const clear = (transaction: IDBTransaction): void => {
  transaction.objectStore('sizes').clear()
  transaction.objectStore('blocks').clear()
}

const putFile = (transaction: IDBTransaction, { name, size, blocks }: ChangedFile): void => {
  transaction.objectStore('sizes').put(size, name)
  const store = transaction.objectStore('blocks')
  const end = Math.ceil(size / blockBytes)
  store.delete(blocksOf(name, end, Number.MAX_SAFE_INTEGER))
  for (const { index, bytes } of blocks) store.put(bytes, [name, index])
}

const blocksOf = (name: string, first: number, last: number): IDBKeyRange =>
  IDBKeyRange.bound([name, first], [name, last])

const readFiles = async (
  database: IDBDatabase,
): Promise<{ readonly name: string; readonly bytes: ArrayBuffer }[]> => {
  const transaction = database.transaction(['sizes', 'blocks'], 'readonly')
  const sizes = transaction.objectStore('sizes')
  const [names, bytes] = await Promise.all([
    answerOf(sizes.getAllKeys()),
    answerOf<number[]>(sizes.getAll()),
  ])
  const store = transaction.objectStore('blocks')
  const files = names.map(async (key, which) => {
    const name = String(key)
    const file = new Uint8Array(bytes[which] ?? 0)
    const count = Math.ceil(file.length / blockBytes)
    for (let first = 0; first < count; first += blocksPerRead) {
      const last = Math.min(first + blocksPerRead, count) - 1
      const blocks = await answerOf<ArrayBuffer[]>(store.getAll(blocksOf(name, first, last)))
      if (blocks.length !== last - first + 1) throw new Error(`blocks of ${name} are missing`)
      for (const [i, block] of blocks.entries()) {
        const at = (first + i) * blockBytes
        file.set(new Uint8Array(block).subarray(0, file.length - at), at)
      }
    }
    return { name, bytes: file.buffer }
  })
  return Promise.all(files)
}
