/**
 * What a page does for its leader worker because few stores ever need it: the code is loaded when
 * it is asked for, which a worker cannot do, since apps bundle theirs into one file.
 */

import type { DirectoryLike, LocksLike, PortLike } from '../env.js'
import { isLiveStoreError, messageOf } from '../errors.js'
import { type LiveStoreDataAnswer, liveStoreDirectoryNames } from '../protocol/messages.js'
import type { ReadableDirectory } from './livestore-data.js'
import type { LiveStoreDataOption } from './options.js'

export interface LiveStoreDataEnv {
  readonly locks: LocksLike
  /** `navigator.storage.getDirectory`, or undefined where there is none. */
  readonly getDirectory: (() => Promise<DirectoryLike>) | undefined
  readonly option: LiveStoreDataOption | undefined
}

/** What LiveStore has left for one store, as far as the app wants it. */
export class LiveStoreData {
  /** Whether there is any. Never rejects: where storage is refused there is none. */
  readonly exists: Promise<boolean>
  /** Those of 0.4 and 0.3, as far as they exist. */
  readonly directories: Promise<readonly ReadableDirectory[]>
  readonly #env: LiveStoreDataEnv
  readonly #storeId: string

  constructor(env: LiveStoreDataEnv, storeId: string, directory: string | undefined) {
    this.#env = env
    this.#storeId = storeId
    const names = env.option === 'ignore' ? [] : liveStoreDirectoryNames(storeId, directory)
    this.directories = existing(env, names)
    this.exists = this.directories.then((found) => found.length > 0)
  }

  async read(): Promise<LiveStoreDataAnswer> {
    const optional = this.#env.option === 'import-if-readable'
    try {
      const { readLiveStoreData } = await import('./livestore-data.js')
      const directories = await this.directories
      const logs = await readLiveStoreData(this.#env.locks, this.#storeId, directories)
      return { type: 'found', logs, optional }
    } catch (thrown) {
      const code = isLiveStoreError(thrown) ? thrown.code : 'ImportFailed'
      return { type: 'error', code, message: messageOf(thrown), optional }
    }
  }
}

/** Answers `livestore-data`. */
export const helpWithData = (data: LiveStoreData, port: PortLike): (() => void) => {
  void data.read().then((answer) => {
    const logs = answer.type === 'found' ? answer.logs : []
    port.postMessage(
      answer,
      logs.flatMap(({ database, journal }) => [database, journal]),
    )
  })
  return () => port.close?.()
}

/** Serves `stored-blocks`. */
export const helpWithBlocks = (port: PortLike): (() => void) => {
  let end = (): void => port.close?.()
  let isOver = false
  import('./block-store.js').then(
    ({ serveBlocks }) => {
      if (!isOver) end = serveBlocks(port, indexedDB)
    },
    (thrown: unknown) => {
      const message = `the code for it could not be loaded: ${messageOf(thrown)}`
      port.postMessage({ type: 'error', code: 'StorageUnavailable', message }, [])
    },
  )
  return () => {
    isOver = true
    end()
  }
}

const existing = async (
  { getDirectory }: LiveStoreDataEnv,
  names: readonly string[],
): Promise<readonly ReadableDirectory[]> => {
  if (getDirectory === undefined || names.length === 0) return []
  const root = await getDirectory().catch(() => undefined)
  const found = await Promise.all(
    names.map((name) => root?.getDirectoryHandle(name, { create: false }).catch(() => undefined)),
  )
  return found.filter((directory) => directory !== undefined) as unknown as ReadableDirectory[]
}
