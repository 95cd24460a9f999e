/**
 * The files of a database on a disk, as SQLite's VFS wants them: opened beforehand, synchronous,
 * and owned by this process alone.
 */

import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { StorageFile } from '../../wasm/module.js'

/** Flushes since the process began, for metrics. */
export const flushes = { count: 0 }

/** Opens `<path>`, `<path>-wal` and `<path>-journal`, which are made if they are not there. */
export const openDatabaseFiles = (
  path: string,
  name: string,
): { readonly files: readonly StorageFile[]; close(): void } => {
  const opened: number[] = []
  const close = (): void => {
    for (const file of opened.splice(0)) closeSync(file)
  }
  try {
    const files = ['', '-wal', '-journal'].map((suffix) => {
      const file = openForBoth(path + suffix)
      opened.push(file)
      return { name: name + suffix, handle: handleOf(file) }
    })
    flushDirectory(dirname(path))
    return { files, close }
  } catch (error) {
    close()
    throw error
  }
}

const openForBoth = (path: string): number => {
  try {
    return openSync(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return openSync(path, 'wx+', 0o600)
  }
}

/** A file that was just made is there after a power cut only if its directory was flushed too. */
const flushDirectory = (path: string): void => {
  if (process.platform === 'win32') return
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

const handleOf = (file: number): StorageFile['handle'] => ({
  read(bytes, { at }) {
    let done = 0
    while (done < bytes.length) {
      const read = readSync(file, bytes, done, bytes.length - done, at + done)
      if (read === 0) break
      done += read
    }
    return done
  },
  write(bytes, { at }) {
    try {
      return writeSync(file, bytes, 0, bytes.length, at)
    } catch (error) {
      throw asQuota(error)
    }
  },
  truncate(size) {
    ftruncateSync(file, size)
  },
  flush() {
    flushes.count += 1
    try {
      fdatasyncSync(file)
    } catch (error) {
      throw asQuota(error)
    }
  },
  getSize() {
    return fstatSync(file).size
  },
})

/** A full disk by the name that the VFS knows. */
const asQuota = (error: unknown): unknown => {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return Object.assign(new Error('the disk is full'), { name: 'QuotaExceededError' })
  }
  return error
}
