/**
 * Errors that arise while a query is evaluated, told with the query they arose in.
 */

import { isLiveStoreError, LiveStoreError, messageOf } from '../errors.js'

/** Errors that name their query already; an outer query that reads it passes them on. */
const told = new WeakSet<LiveStoreError>()

/** Longer labels, and SQL texts, are cut: a label may be the source of a function. */
const TEXT_MAX = 500

/** The error to throw for what was thrown while the query `label` ran `sql`. */
export const queryError = (
  thrown: unknown,
  label: string,
  sql: string | undefined,
): LiveStoreError => {
  if (isLiveStoreError(thrown) && told.has(thrown)) return thrown
  const { code, problem } = isLiveStoreError(thrown)
    ? { code: thrown.code, problem: 'failed' }
    : { code: 'CallbackThrew' as const, problem: 'threw' }
  const text = messageOf(thrown)
  const statement =
    sql === undefined || sql === label || text.includes(sql) ? '' : `\nSQL: ${cut(sql)}`
  const message = `query '${cut(label)}' ${problem}: ${text}${statement}`
  const error = new LiveStoreError(code, message, { cause: thrown })
  told.add(error)
  return error
}

const cut = (text: string): string =>
  text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text
