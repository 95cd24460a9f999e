/**
 * Who this tab is: a client id for the device, kept per origin and store, and a session id for the
 * tab, which survives its reload.
 *
 * Storage that is blocked (cookies off) is no error: the ids are then new at each load.
 */

import { nanoid } from 'nanoid'
import { LiveStoreError } from '../errors.js'
import { clientIdKey, sessionIdKey, sessionIdLeftKey } from '../protocol/messages.js'

/** Mirrors `kNameBytesMax` of `core/base/limits.h`. */
export const idBytesMax = 256
const generatedIdLength = 5

/** The part of `Storage` that ids need. */
export interface IdStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

export interface IdSources {
  /** Reading these throws where storage is blocked. */
  localStorage(): IdStorage | undefined
  sessionStorage(): IdStorage | undefined
}

export interface Ids {
  readonly clientId: string
  readonly sessionId: string
}

/** Given ids win, and are not stored. */
export const readIds = (
  sources: IdSources,
  storeId: string,
  given: { readonly clientId?: string | undefined; readonly sessionId?: string | undefined },
): Ids => ({
  clientId: given.clientId ?? keptId(() => sources.localStorage(), clientIdKey(storeId)),
  sessionId: given.sessionId ?? keptId(() => sources.sessionStorage(), sessionIdKey(storeId)),
})

/** For a tab whose session id turned out to be that of another one. It is kept in its place. */
export const newSessionId = (sources: IdSources, storeId: string): string => {
  const id = nanoid(generatedIdLength)
  try {
    sources.sessionStorage()?.setItem(sessionIdKey(storeId), id)
  } catch {
    // Blocked: the next load gets another one.
  }
  return id
}

/** For the next page of this tab: it may go by the same id. */
export const leaveSessionId = (sources: IdSources, storeId: string, id: string): void => {
  try {
    sources.sessionStorage()?.setItem(sessionIdLeftKey(storeId), id)
  } catch {
    // Blocked: there is no next page with this id.
  }
}

/** Whether the page before this one in this tab has left `id` to it. True once. */
export const takeLeftSessionId = (sources: IdSources, storeId: string, id: string): boolean => {
  try {
    const storage = sources.sessionStorage()
    const left = storage?.getItem(sessionIdLeftKey(storeId))
    storage?.setItem(sessionIdLeftKey(storeId), '')
    return left === id
  } catch {
    return false
  }
}

const keptId = (storage: () => IdStorage | undefined, key: string): string => {
  try {
    const kept = storage()?.getItem(key)
    if (isId(kept)) return kept
    const id = nanoid(generatedIdLength)
    storage()?.setItem(key, id)
    return id
  } catch {
    return nanoid(generatedIdLength)
  }
}

const isId = (value: unknown): value is string =>
  typeof value === 'string' &&
  value !== '' &&
  !value.includes('\0') &&
  new TextEncoder().encode(value).length <= idBytesMax

/** @throws LiveStoreError `InvalidArgument` naming the option. */
export const checkIdOption = (value: unknown, option: string): string | undefined => {
  if (value === undefined) return undefined
  if (isId(value)) return value
  throw new LiveStoreError(
    'InvalidArgument',
    `${option} must be a string of 1 to ${idBytesMax} bytes without NUL`,
  )
}
