/**
 * The rows of one live query as JavaScript has them: a run keeps the object of every row that is as
 * it was, so that who shows a row can see by identity that there is nothing to do.
 *
 * Compared are the values as SQLite gives them, before the app's decoders: those run for new rows
 * only. A row is looked for at its place from the start and from the end, and by its first column,
 * which for most queries is the key.
 */

import type { ColumnDecoder, RowShape, SqlValue } from './values.js'

type RawRow = Record<string, SqlValue>
type Key = SqlValue | undefined

export class KeptRows {
  readonly #columns: readonly string[]
  readonly #pluck: boolean
  /** The columns that are decoded. */
  readonly #decoded: readonly {
    readonly name: string
    readonly decode: NonNullable<ColumnDecoder>
  }[]
  #raw: readonly unknown[] = []
  #rows: readonly unknown[] = []
  /** Raw rows whose decoding failed: they are tried again. */
  #undecoded: readonly unknown[] | undefined

  constructor(columns: readonly string[], { decoders = [], pluck = false }: RowShape) {
    this.#columns = columns
    this.#pluck = pluck
    this.#decoded = columns.slice(0, pluck ? 1 : undefined).flatMap((name, column) => {
      const decode = decoders[column]
      return decode === undefined ? [] : [{ name, decode }]
    })
  }

  /**
   * The rows after a run that gave `raw`, or whose rows were those of the run before; `undefined`
   * if that is the case and they are known.
   *
   * @throws whatever a decoder throws
   */
  next(raw: readonly unknown[] | undefined): unknown[] | undefined {
    const fresh = raw ?? this.#undecoded
    if (fresh === undefined) return undefined
    this.#undecoded = fresh
    const kept = this.#match(fresh)
    const rows = fresh.map((row, i) => {
      const old = kept[i]
      return old === undefined ? this.#decode(row) : this.#rows[old]
    })
    this.#undecoded = undefined
    this.#raw = fresh
    this.#rows = rows
    return rows
  }

  /** By row of `fresh`: the old row that is equal. */
  #match(fresh: readonly unknown[]): (number | undefined)[] {
    const old = this.#raw
    const kept = new Array<number | undefined>(fresh.length)
    // What is shared by identity anyway needs no search.
    if (this.#pluck && this.#decoded.length === 0) return kept
    const shorter = Math.min(old.length, fresh.length)
    let start = 0
    while (start < shorter && this.#isEqual(old[start], fresh[start])) kept[start] = start++
    let end = 0
    const shift = old.length - fresh.length
    while (end < shorter - start) {
      const at = fresh.length - 1 - end
      if (!this.#isEqual(old[at + shift], fresh[at])) break
      kept[at] = at + shift
      end++
    }
    const oldEnd = old.length - end
    if (start === oldEnd) return kept
    const byKey = new Map<Key, number>()
    for (let i = oldEnd - 1; i >= start; i--) byKey.set(this.#key(old[i]), i)
    for (let i = start; i < fresh.length - end; i++) {
      const key = this.#key(fresh[i])
      const at = byKey.get(key)
      if (at === undefined || !this.#isEqual(old[at], fresh[i])) continue
      kept[i] = at
      byKey.delete(key)
    }
    return kept
  }

  #key(row: unknown): Key {
    return this.#pluck ? (row as Key) : (row as RawRow)[this.#columns[0] as string]
  }

  #isEqual(a: unknown, b: unknown): boolean {
    if (this.#pluck) return isSame(a, b)
    for (const name of this.#columns) {
      if (!isSame((a as RawRow)[name], (b as RawRow)[name])) return false
    }
    return true
  }

  /** A raw row is not changed: later ones are compared with it. */
  #decode(row: unknown): unknown {
    if (this.#decoded.length === 0) return row
    if (this.#pluck) return this.#decoded[0]?.decode(row as SqlValue)
    const object: Record<string, unknown> = { ...(row as RawRow) }
    for (const { name, decode } of this.#decoded)
      object[name] = decode((row as RawRow)[name] as SqlValue)
    return object
  }
}

const isSame = (a: unknown, b: unknown): boolean =>
  Object.is(a, b) ||
  (a instanceof Uint8Array &&
    b instanceof Uint8Array &&
    a.length === b.length &&
    a.every((byte, i) => byte === b[i]))
