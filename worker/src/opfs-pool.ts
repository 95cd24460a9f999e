/**
 * The leader's files: a directory in the origin private file system with one synchronous, exclusive
 * access handle per file, all opened at boot and held until the leader ends.
 *
 * Where the browser refuses (private windows) the answer says so and why, and the leader then
 * works in memory; where it has no sync access handles, others keep its files (block-pool.ts).
 * Knows file names, never what is in them.
 *
 * A worker that is dying still holds its handles for a while: in Chromium up to 2 s when it was
 * killed while busy. So opening and removing are tried again until a limit.
 */

import {
  type Clock,
  type DirectoryLike,
  type FileHandle,
  type FileLike,
  sleep,
} from '../../js/src/env.js'
import { LiveStoreError, messageOf } from '../../js/src/errors.js'

/** Measured: 1 ms after a clean close, 1.5 to 2.0 s after a busy worker was killed. Then some. */
export const storageBusyWaitMsMax = 15_000
export const storageRetryFirstMs = 5
export const storageRetryMaxMs = 200

export interface PoolEnv {
  readonly clock: Clock
  /** `navigator.storage.getDirectory`, or undefined where there is none. */
  readonly getDirectory: (() => Promise<DirectoryLike>) | undefined
}

export interface PoolOptions {
  readonly directory: string
  readonly fileNames: readonly string[]
  /** Removes the directory with all that is in it first. */
  readonly reset: boolean
  /** Files are looked for at once, but removed and opened only when this has resolved. */
  readonly mayOpen: Promise<void>
}

export interface PoolFile {
  readonly name: string
  readonly handle: FileHandle
}

export interface PersistedPool {
  readonly mode: 'persisted'
  readonly files: readonly PoolFile[]
  /** In which they are, if they are files. */
  readonly directory?: DirectoryLike
  /**
   * Where what the engine calls flushed is not on disk yet: resolves when it is; undefined if it is
   * already. Rejects with `StorageFull`, `StorageIo`; the next call then tries all of it again. Not
   * to be called before the one before has ended.
   */
  readonly flush?: () => Promise<void> | undefined
  close(): void
}

export type OpfsPool =
  | PersistedPool
  /** There is no synchronous file access, by nobody's will. */
  | { readonly mode: 'no-sync-access'; readonly message: string }
  | {
      readonly mode: 'in-memory'
      readonly reason: 'private-browsing' | 'storage-unavailable'
      readonly message: string
    }

/**
 * Opens, and creates where missing, every file. Refused storage is an answer, not an error.
 *
 * @throws what `mayOpen` rejects with; LiveStoreError `StorageBusy` when another worker holds a
 * file for too long, `StorageFull`, `StorageIo`.
 */
export const openOpfsPool = async (env: PoolEnv, options: PoolOptions): Promise<OpfsPool> => {
  // Finding takes as long as opening, and may go on while the lock is waited for.
  const finding = options.reset ? undefined : findFiles(env, options)
  finding?.catch(() => undefined)
  await options.mayOpen
  try {
    try {
      return await openFound(env.clock, await (finding ?? findFiles(env, options)), options)
    } catch (thrown) {
      // Found too early: the leader before, which was about to go, has removed them since.
      if (nameOf(thrown) !== 'NotFoundError') throw thrown
      return await openFound(env.clock, await findFiles(env, options), options)
    }
  } catch (thrown) {
    if (isRefusal(thrown)) {
      return refused('private-browsing', `persistent storage is refused: ${messageOf(thrown)}`)
    }
    if (nameOf(thrown) === 'NotSupportedError') {
      return { mode: 'no-sync-access', message: messageOf(thrown) }
    }
    throw storageError(thrown)
  }
}

interface Found {
  readonly directory: DirectoryLike
  readonly files: readonly FileLike[]
}

/** The files, created where missing; or, where there is no storage at all, what that means. */
const findFiles = async (
  { clock, getDirectory }: PoolEnv,
  options: PoolOptions,
): Promise<Found | OpfsPool> => {
  if (getDirectory === undefined) {
    return { mode: 'no-sync-access', message: 'this browser has no origin private file system' }
  }
  let root: DirectoryLike
  try {
    root = await getDirectory()
  } catch (thrown) {
    return refused(
      isRefusal(thrown) ? 'private-browsing' : 'storage-unavailable',
      `this browser refuses persistent storage: ${messageOf(thrown)}`,
    )
  }
  if (options.reset) await removeDirectory(clock, root, options.directory)
  const directory = await root.getDirectoryHandle(options.directory, { create: true })
  const files = await Promise.all(
    options.fileNames.map((name) => directory.getFileHandle(name, { create: true })),
  )
  return { directory, files }
}

/** What it means that there is no storage at all. */
export const refused = (
  reason: 'private-browsing' | 'storage-unavailable',
  message: string,
): OpfsPool & { readonly mode: 'in-memory' } => ({
  mode: 'in-memory',
  reason,
  message: `${message}. Data is kept in memory only: a reload loses it.`,
})

const openFound = async (
  clock: Clock,
  found: Found | OpfsPool,
  options: PoolOptions,
): Promise<OpfsPool> => {
  if ('mode' in found) return found
  const files = await openFiles(clock, found.files, options)
  return { mode: 'persisted', files, directory: found.directory, close: () => closeAll(files) }
}

const openFiles = async (
  clock: Clock,
  found: readonly FileLike[],
  { directory: directoryName, fileNames }: PoolOptions,
): Promise<PoolFile[]> => {
  const opened = await Promise.allSettled(
    fileNames.map(async (name, index): Promise<PoolFile> => {
      const file = found[index] as FileLike
      if (file.createSyncAccessHandle === undefined) {
        throw new DOMException('createSyncAccessHandle is missing', 'NotSupportedError')
      }
      const open = (): Promise<FileHandle> => file.createSyncAccessHandle!()
      return { name, handle: await whileBusy(clock, `${directoryName}/${name}`, open) }
    }),
  )
  const files = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failure = opened.find((result) => result.status === 'rejected')
  if (failure !== undefined) {
    closeAll(files)
    throw failure.reason
  }
  return files
}

const closeAll = (files: readonly PoolFile[]): void => {
  for (const { handle } of files) handle.close()
}

const removeDirectory = async (clock: Clock, root: DirectoryLike, name: string): Promise<void> => {
  try {
    await whileBusy(clock, name, () => root.removeEntry(name, { recursive: true }))
  } catch (thrown) {
    if (nameOf(thrown) !== 'NotFoundError') throw thrown
  }
}

/** Tries `task` until what it needs is no longer held by another worker, at growing intervals. */
const whileBusy = async <T>(clock: Clock, what: string, task: () => Promise<T>): Promise<T> => {
  const start = clock.now()
  for (let delayMs = storageRetryFirstMs; ; delayMs = Math.min(delayMs * 2, storageRetryMaxMs)) {
    try {
      return await task()
    } catch (thrown) {
      if (nameOf(thrown) !== 'NoModificationAllowedError') throw thrown
      if (clock.now() - start >= storageBusyWaitMsMax) {
        throw new LiveStoreError(
          'StorageBusy',
          `${what} is still held by another worker after ${storageBusyWaitMsMax} ms`,
          { cause: thrown },
        )
      }
    }
    await sleep(clock, delayMs)
  }
}

const nameOf = (thrown: unknown): string =>
  typeof thrown === 'object' && thrown !== null && 'name' in thrown ? String(thrown.name) : ''

const isRefusal = (thrown: unknown): boolean =>
  ['SecurityError', 'NotAllowedError'].includes(nameOf(thrown))

const storageError = (thrown: unknown): LiveStoreError => {
  if (thrown instanceof LiveStoreError) return thrown
  const code = nameOf(thrown) === 'QuotaExceededError' ? 'StorageFull' : 'StorageIo'
  return new LiveStoreError(code, `opening the store's files: ${messageOf(thrown)}`, {
    cause: thrown,
  })
}
