import { expect, test } from 'vitest'
import { deepEqual, nanoid, replaceSessionId, SessionIdSymbol } from './index.js'

test('the session id is filled in at any depth, and nothing is copied without need', () => {
  const value = { a: [1, { b: SessionIdSymbol }], c: { d: 1 } }
  const replaced = replaceSessionId(value, 's')
  expect(replaced).toEqual({ a: [1, { b: 's' }], c: { d: 1 } })
  expect(value.a[1]).toEqual({ b: SessionIdSymbol })
  expect(replaced.c).toBe(value.c)
  const plain = { a: [1, { b: 2 }] }
  expect(replaceSessionId(plain, 's')).toBe(plain)
  expect(replaceSessionId(SessionIdSymbol as unknown, 's')).toBe('s')
  expect(SessionIdSymbol).toBe(Symbol.for('@livestore/session-id'))
})

test('filling in the session id makes no prototype of an own key', () => {
  const hostile = JSON.parse('{"__proto__":{"x":1},"id":0}')
  hostile.id = SessionIdSymbol
  const replaced = replaceSessionId(hostile, 's')
  expect(replaced.id).toBe('s')
  expect(replaced.x).toBeUndefined()
  expect(Object.getPrototypeOf(replaced)).toBe(Object.prototype)
})

test('values are equal by structure', () => {
  const equal: [unknown, unknown][] = [
    [1, 1],
    [0, -0],
    [Number.NaN, Number.NaN],
    [
      [1, { a: 'x' }],
      [1, { a: 'x' }],
    ],
    [
      { a: 1, b: undefined },
      { b: undefined, a: 1 },
    ],
    [new Date(5), new Date(5)],
    [new Date(Number.NaN), new Date(Number.NaN)],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
    [new Map([['a', [1]]]), new Map([['a', [1]]])],
    [new Set([1, 2]), new Set([1, 2])],
  ]
  for (const [a, b] of equal) expect(deepEqual(a, b)).toBe(true)
  const different: [unknown, unknown][] = [
    [1, '1'],
    [null, undefined],
    [null, {}],
    [[1], [1, 2]],
    [[], {}],
    [{ a: 1 }, { b: 1 }],
    [{ a: undefined }, {}],
    [new Date(5), new Date(6)],
    [new Date(5), 5],
    [new Uint8Array([1]), new Uint8Array([2])],
    [new Uint8Array([1]), new Int8Array([1])],
    [new Map([['a', 1]]), new Map([['a', 2]])],
    [{ toString: 1 }, {}],
  ]
  for (const [a, b] of different) expect(deepEqual(a, b)).toBe(false)
})

test('nanoid makes ids of 21 characters', () => {
  expect(nanoid()).toMatch(/^[\w-]{21}$/)
})
