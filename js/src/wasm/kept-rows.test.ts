/**
 * Rows that are as they were keep their objects, whatever happens around them.
 */

import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { KeptRows } from './kept-rows.js'
import type { SqlValue } from './values.js'

const columns = ['id', 'text']
const row = (id: SqlValue, text: SqlValue = 'x') => ({ id, text })
const at = (rows: unknown[] | undefined, index: number) => rows?.[index]

test('an insert, an update, a removal and a swap leave all other rows as they are', () => {
  const kept = new KeptRows(columns, {})
  const before = kept.next([row('a'), row('b'), row('c'), row('d')])
  const inserted = kept.next([row('a'), row('z'), row('b'), row('c'), row('d')])
  expect([0, 2, 3, 4].map((i) => at(inserted, i))).toEqual(before)
  for (const [now, then] of [
    [0, 0],
    [2, 1],
    [3, 2],
    [4, 3],
  ] as const) {
    expect(at(inserted, now)).toBe(at(before, then))
  }
  const updated = kept.next([row('a'), row('z'), row('b', 'y'), row('c'), row('d')])
  expect([0, 1, 3, 4].every((i) => at(updated, i) === at(inserted, i))).toBe(true)
  expect(at(updated, 2)).toEqual(row('b', 'y'))
  const swapped = kept.next([row('a'), row('d'), row('b', 'y'), row('c'), row('z')])
  expect(at(swapped, 1)).toBe(at(updated, 4))
  expect(at(swapped, 4)).toBe(at(updated, 1))
  const removed = kept.next([row('d'), row('c')])
  expect(at(removed, 0)).toBe(at(swapped, 1))
  expect(at(removed, 1)).toBe(at(swapped, 3))
})

test('a run that gives the rows of the one before gives nothing', () => {
  const kept = new KeptRows(columns, {})
  kept.next([row('a')])
  expect(kept.next(undefined)).toBeUndefined()
})

test('a decoder runs for new rows only, and a row that failed is tried again', () => {
  const decode = vi.fn((value: SqlValue) => ({ value }))
  const kept = new KeptRows(columns, { decoders: [undefined, decode] })
  const before = kept.next([row('a'), row('b')])
  expect(before).toEqual([
    { id: 'a', text: { value: 'x' } },
    { id: 'b', text: { value: 'x' } },
  ])
  decode.mockImplementationOnce(() => {
    throw new Error('does not fit')
  })
  expect(() => kept.next([row('a'), row('b', 'y')])).toThrow('does not fit')
  const after = kept.next(undefined)
  expect(at(after, 0)).toBe(at(before, 0))
  expect(at(after, 1)).toEqual({ id: 'b', text: { value: 'y' } })
  expect(decode).toHaveBeenCalledTimes(4)
})

test('plucked values that are decoded keep their objects too', () => {
  const decoders = [(value: SqlValue) => new Date(value as number)]
  const kept = new KeptRows(['at'], { decoders, pluck: true })
  const before = kept.next([1, 2])
  const after = kept.next([2, 3])
  expect(at(after, 0)).toBe(at(before, 1))
  expect(after).toEqual([new Date(2), new Date(3)])
})

test('bytes, big numbers and nulls are compared as values; 0 and -0 are two', () => {
  const kept = new KeptRows(['id', 'text'], {})
  const values = (): SqlValue[] => [new Uint8Array([1]), 2n ** 60n, null, 0]
  const before = kept.next(values().map((value, i) => row(i, value)))
  const after = kept.next([...values().map((value, i) => row(i, value)), row(9)])
  expect([0, 1, 2, 3].every((i) => at(after, i) === at(before, i))).toBe(true)
  expect(at(kept.next([row(3, -0)]), 0)).not.toBe(at(after, 3))
})

test('any change gives the rows that the statement gave, and shares no object between two', () => {
  const rows = fc.array(
    fc.record({
      id: fc.constantFrom<SqlValue>('a', 'b', 'c', 1, null),
      text: fc.constantFrom<SqlValue>('x', 'y', null),
    }),
    { maxLength: 8 },
  )
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 5 }), fc.boolean(), (runs, isDecoded) => {
      const decoders = isDecoded ? [undefined, (value: SqlValue) => `${value}!`] : []
      const kept = new KeptRows(columns, { decoders })
      for (const run of runs) {
        const result = kept.next(run.map((each) => ({ ...each })))
        const decoded = run.map(({ id, text }) => ({ id, text: isDecoded ? `${text}!` : text }))
        expect(result).toEqual(decoded)
        expect(new Set(result).size).toBe(run.length)
      }
    }),
  )
})
