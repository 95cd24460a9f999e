/**
 * Names of events, tables, columns and indexes: which ones the engine, SQL and JavaScript can all
 * carry unchanged.
 */

import { LiveStoreError } from '../errors.js'
import { describe } from './values.js'

/** Mirrors `kNameBytesMax` of `core/base/limits.h`. */
export const NAME_BYTES_MAX = 256
/** Mirrors `kTablesMax` and `kColumnsMax` of `core/base/limits.h`. */
export const TABLES_MAX = 1000
export const COLUMNS_MAX = 500

/** Returns `name`, or throws `InvalidSchema` saying what is wrong with it. */
export const checkName = (name: unknown, what: string): string => {
  const fail = (why: string): never => {
    throw new LiveStoreError('InvalidSchema', `${what} ${describe(name)}: ${why}`)
  }
  if (typeof name !== 'string') return fail('a name must be a string')
  if (name.trim() === '') return fail('a name must not be empty')
  if (name.includes('\0')) return fail('a name must not contain NUL')
  if (name === '__proto__') return fail('this name is not allowed')
  if (/\p{Surrogate}/u.test(name)) return fail('a name must not contain half a surrogate pair')
  if (new TextEncoder().encode(name).length > NAME_BYTES_MAX) {
    return fail(`a name must not be longer than ${NAME_BYTES_MAX} bytes`)
  }
  return name
}

/**
 * As `checkName`, for a table or index: SQLite keeps `sqlite_` for itself, and the engine keeps its
 * own tables beside those of the app.
 */
export const checkSqlName = (name: unknown, what: string): string => {
  const checked = checkName(name, what)
  if (/^(sqlite_|__livestore)/i.test(checked)) {
    throw new LiveStoreError(
      'InvalidSchema',
      `${what} ${describe(name)}: names that begin with sqlite_ or __livestore are reserved`,
    )
  }
  return checked
}

/** SQLite compares names without regard to ASCII case, so `Todos` and `todos` are one table. */
export const foldName = (name: string): string => name.replace(/[A-Z]/g, (c) => c.toLowerCase())

/** `"a ""quoted"" name"` */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** `'it''s'`; the form in which statements name their table. */
export const quoteTable = (name: string): string => `'${name.replaceAll("'", "''")}'`
