/**
 * What LiveStore 0.3 or 0.4 has left in the origin private file system: finds its eventlog, and
 * reads it without changing anything.
 *
 * Its directory holds files with random names, each with a header of 4,096 bytes that says which
 * SQLite file it is:
 *
 *     0..511    path, UTF-8, ends at the first NUL; none: the file is free
 *     512..515  SQLite's open flags, big endian
 *     516..523  digest of the 516 bytes before, two uint32, little endian
 *
 * Loaded only where there is such a directory and our own log has never held anything.
 */

import type { LocksLike } from '../env.js'
import { LiveStoreError, messageOf } from '../errors.js'
import type { LiveStoreLog } from '../protocol/messages.js'

const headerBytes = 4_096
const pathBytes = 512
const digestedBytes = 516
const eventlogPath = '/eventlog.db'
/** Pages of SQLite in LiveStore. A database of one page has no tables: it was never used. */
const pageBytes = 8_192

/** How long a tab that still runs LiveStore may take to end. A closed one takes far less. */
export const liveStoreTabWaitMsMax = 3_000

/** The slices of OPFS that this reads. */
export interface ReadableFile {
  readonly kind: 'file'
  getFile(): Promise<Blob>
}
export interface ReadableDirectory {
  readonly name: string
  values(): AsyncIterable<ReadableFile | { readonly kind: 'directory' }>
}

/**
 * The files of the eventlog in each of these directories that has one.
 *
 * @throws LiveStoreError `StorageBusy` while a tab runs LiveStore on this store; `ImportFailed` for
 *   a directory that cannot be read, or whose eventlog has a damaged header
 */
export const readLiveStoreData = (
  locks: LocksLike,
  storeId: string,
  directories: readonly ReadableDirectory[],
): Promise<readonly LiveStoreLog[]> => {
  const read = async (): Promise<readonly LiveStoreLog[]> => {
    const found = await Promise.all(directories.map(readEventlog))
    return found.filter((files) => files !== undefined)
  }
  const signal = AbortSignal.timeout(liveStoreTabWaitMsMax)
  // The lock by which its tabs elect their leader: nothing is written while we have it.
  return locks.request(`livestore-tab-lock-${storeId}`, { signal }, read).catch((thrown) => {
    if (thrown instanceof LiveStoreError) throw thrown
    if (signal.aborted) {
      throw new LiveStoreError(
        'StorageBusy',
        `store ${storeId} is still open in a tab that runs LiveStore, from which its data is to ` +
          'be taken over. Close that tab, then reload this one.',
      )
    }
    throw new LiveStoreError(
      'ImportFailed',
      `the files of LiveStore could not be read: ${messageOf(thrown)}`,
      { cause: thrown },
    )
  })
}

const readEventlog = async (directory: ReadableDirectory): Promise<LiveStoreLog | undefined> => {
  const contents: Record<string, Blob> = {}
  for await (const entry of directory.values()) {
    if (entry.kind !== 'file') continue
    const file = await entry.getFile()
    const path = pathOf(new Uint8Array(await file.slice(0, headerBytes).arrayBuffer()))
    if (path !== undefined) contents[path] = file.slice(headerBytes)
  }
  const database = contents[eventlogPath]
  if (database === undefined || database.size <= pageBytes) return undefined
  const journal = contents[`${eventlogPath}-journal`] ?? new Blob()
  return {
    database: await database.arrayBuffer(),
    journal: await journal.arrayBuffer(),
    generations: !directory.name.endsWith('@4'),
  }
}

/** The path in a header; undefined for a free file, and one that LiveStore would take for one. */
const pathOf = (header: Uint8Array): string | undefined => {
  if (header.length < headerBytes || header[0] === 0) return undefined
  const end = header.subarray(0, pathBytes).indexOf(0)
  if (end < 0) return undefined
  const path = new TextDecoder().decode(header.subarray(0, end))
  const view = new DataView(header.buffer, header.byteOffset)
  const [first, second] = digest(header.subarray(0, digestedBytes))
  if (view.getUint32(516, true) === first && view.getUint32(520, true) === second) return path
  if (path !== eventlogPath) return undefined
  throw new LiveStoreError('ImportFailed', 'the file that holds the eventlog has a damaged header')
}

/** @internal cyrb53, its two halves apart. */
export const digest = (bytes: Uint8Array): readonly [number, number] => {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 2_654_435_761)
    b = Math.imul(b ^ byte, 1_597_334_677)
  }
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909)
  b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909)
  return [a >>> 0, b >>> 0]
}
