/**
 * A storage whose failures are told to the operator, and to clients only that there was one: what a
 * database says may hold names of tables, hosts and data.
 */

import type { SyncStorage } from './storage.js'

/** The client may try again. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
}

export const guardedStorage = (
  storage: SyncStorage,
  onProblem: (error: unknown) => void,
): SyncStorage => {
  const guard = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await call()
    } catch (cause) {
      onProblem(cause)
      throw new StorageError('the storage of the server failed', { cause })
    }
  }
  return {
    head: (storeId) => guard(() => storage.head(storeId)),
    append: (storeId, parent, events) => guard(() => storage.append(storeId, parent, events)),
    read: (storeId, after, limit) => guard(() => storage.read(storeId, after, limit)),
    watch: (storeId, onHead) => storage.watch(storeId, onHead),
    close: () => storage.close(),
  }
}
