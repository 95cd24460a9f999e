/**
 * One process per data directory: a file that holds the owner's process id. A file that a dead
 * process left behind is taken over; the system's own locks are out of Node's reach.
 *
 * Of several that start at once only the one that holds a second file, the guard, may remove what
 * was left: who has read that the owner is dead could else remove the lock of who was quicker. A
 * process that dies with the guard in hand leaves it, and then a person has to look.
 */

import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** @throws Error naming the process that has the directory. Returns what gives it back. */
export const lockDirectory = (directory: string): (() => void) => {
  const lock = join(directory, 'lock')
  const mine = join(directory, `lock-${process.pid}`)
  writeFileSync(mine, `${process.pid}\n`)
  try {
    takeLock(lock, mine)
  } finally {
    rmSync(mine, { force: true })
  }
  heldHere.add(lock)
  return () => {
    if (heldHere.delete(lock)) rmSync(lock, { force: true })
  }
}

const takeLock = (lock: string, mine: string): void => {
  for (let attempt = 0; ; attempt++) {
    try {
      // A link is made whole or not at all, and never over another file.
      linkSync(mine, lock)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = ownerOf(lock)
    if (owner !== undefined && isAlive(owner, lock)) {
      throw new Error(`another server (process ${owner}) has this data directory open`)
    }
    if (attempt >= attemptsMax) {
      throw new Error(
        `the file ${lock} of a server that has ended cannot be taken over: delete ` +
          `${guardOf(lock)} if no other server is starting`,
      )
    }
    removeStale(lock, mine)
  }
}

const attemptsMax = 10

const guardOf = (lock: string): string => `${lock}-takeover`

/** Does nothing while another process does it. */
const removeStale = (lock: string, mine: string): void => {
  const guard = guardOf(lock)
  try {
    linkSync(mine, guard)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return
  }
  try {
    const owner = ownerOf(lock)
    if (owner !== undefined && !isAlive(owner, lock)) rmSync(lock, { force: true })
  } finally {
    rmSync(guard, { force: true })
  }
}

/** Undefined when the file has just gone. */
const ownerOf = (lock: string): number | undefined => {
  try {
    return Number.parseInt(readFileSync(lock, 'utf8'), 10) || 0
  } catch {
    return undefined
  }
}

/** In a container a server may have the number that the one before it had: it is not that one. */
const isAlive = (pid: number, lock: string): boolean => {
  if (pid === process.pid) return heldHere.has(lock)
  try {
    process.kill(pid, 0)
    return pid > 0
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Locks of this process. */
const heldHere = new Set<string>()
