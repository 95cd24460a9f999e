/**
 * Plain values: what the schema and the query builder need to know about them, and nothing more.
 *
 * Keys come from apps and from the network. An own key `__proto__`, which `JSON.parse` makes, must
 * never reach an assignment, where it would become a prototype: it is refused in what the app
 * passes and removed from what was stored.
 */

/** Stands for the id of the session that commits; replaced when an event is committed. */
export const SessionIdSymbol: unique symbol = Symbol.for('@livestore/session-id')
export type SessionIdSymbol = typeof SessionIdSymbol

/** What a statement can be given for a `?`. A boolean is bound as 1 or 0 by whoever makes binds. */
export type BindValue = null | number | bigint | string | Uint8Array

export const isPlainObject = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Copies `value` with every session id symbol replaced; returns `value` itself if it has none. */
export const replaceSessionId = <T>(value: T, sessionId: string): T =>
  replaceDeep(value, sessionId, []) as T

const replaceDeep = (value: unknown, sessionId: string, parents: object[]): unknown => {
  if (value === SessionIdSymbol) return sessionId
  const isList = Array.isArray(value)
  // A cycle is left as it is: it cannot be stored anyway, and whoever tries says so.
  if (!(isList || isPlainObject(value)) || parents.includes(value)) return value
  parents.push(value)
  let changed = false
  const replaceItem = (item: unknown): unknown => {
    const next = replaceDeep(item, sessionId, parents)
    if (next !== item) changed = true
    return next
  }
  const copy = isList
    ? value.map(replaceItem)
    : // Not assigned one by one: an own key __proto__ would become the prototype.
      Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaceItem(item)]))
  parents.pop()
  return changed ? copy : value
}

/** Structural equality of plain objects, arrays, dates, bytes, maps and sets. `NaN` is itself. */
export const deepEqual = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime())
  if (Array.isArray(a) || ArrayBuffer.isView(a)) {
    const [x, y] = [a as ArrayLike<unknown>, b as ArrayLike<unknown>]
    if (x.length !== y.length) return false
    for (let i = 0; i < x.length; i++) if (!deepEqual(x[i], y[i])) return false
    return true
  }
  if (a instanceof Map || a instanceof Set) {
    const [x, y] = [[...a], [...(b as Set<unknown>)]]
    return deepEqual(x, y)
  }
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) &&
      deepEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  )
}

/**
 * The JSON text of `value`, or `undefined` where JSON has none (`undefined`, a function, a symbol).
 *
 * @throws Error naming the path of what JSON cannot hold: a bigint, a cycle, a key `__proto__`.
 */
export const toJson = (value: unknown): string | undefined => {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new Error(findUnstorable(value, '', []) ?? String(cause), { cause })
  }
  if (text?.includes('"__proto__":')) {
    const problem = findUnstorable(value, '', [])
    if (problem !== undefined) throw new Error(problem)
  }
  return text
}

const findUnstorable = (
  value: unknown,
  path: string,
  parents: readonly object[],
): string | undefined => {
  const at = path === '' ? '' : ` at ${path}`
  if (typeof value === 'bigint') return `a bigint cannot be stored as JSON${at}`
  if (typeof value !== 'object' || value === null) return undefined
  if (parents.includes(value)) return `a cycle cannot be stored as JSON${at}`
  // Deeper than this JSON.stringify itself gives up; the exact depth depends on the stack.
  if (parents.length > 2000) return 'nested too deeply to be stored as JSON'
  if (Object.hasOwn(value, '__proto__')) return `the key __proto__ is not allowed${at}`
  for (const [key, item] of Object.entries(value)) {
    const problem = findUnstorable(item, joinPath(path, key), [...parents, value])
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Removes own `__proto__` keys from freshly parsed JSON, at any depth, in place. */
export const scrubParsedJson = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) {
    if (Object.hasOwn(value, '__proto__')) Reflect.deleteProperty(value, '__proto__')
    for (const item of Object.values(value)) {
      if (typeof item === 'object' && item !== null) scrubParsedJson(item)
    }
  }
  return value
}

/** `a.b[0]["odd key"]` */
export const joinPath = (path: string, key: string | number): string => {
  if (typeof key === 'number' || /^\d+$/.test(key)) return `${path}[${key}]`
  if (!/^[\w$]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

/** A short picture of any value for an error message. */
export const describe = (value: unknown): string => {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  }
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (isPlainObject(value)) return 'an object'
  return `a ${(value.constructor as { name?: string } | undefined)?.name ?? 'object'}`
}
