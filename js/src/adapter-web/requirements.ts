/**
 * What the persisted adapter cannot do without, checked before anything is started.
 *
 * Refused storage is not among it: the store then runs in memory and says so.
 */

import { LiveStoreError } from '../errors.js'

/** Paths from the global object. */
const needed = [
  'window',
  'navigator.locks',
  'Worker',
  'BroadcastChannel',
  'MessageChannel',
  'WebAssembly',
] as const

/** @throws LiveStoreError `Unsupported` naming everything that is missing in `realm`. */
export const checkRequirements = (realm: object): void => {
  const missing = needed.filter((path) => at(realm, path) === undefined)
  if (missing.length === 0) return
  const hint = missing.includes('window')
    ? ' The persisted adapter runs on a page; elsewhere use makeInMemoryAdapter.'
    : at(realm, 'isSecureContext') === false
      ? ' The page is not a secure context: serve it over https or from localhost.'
      : ''
  throw new LiveStoreError(
    'Unsupported',
    `this environment has no ${missing.join(', no ')}, which the persisted adapter needs.${hint}`,
  )
}

const at = (realm: object, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (value, key) => (value === undefined ? undefined : Reflect.get(Object(value), key)),
      realm,
    )
