import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errorFromReply, errorNumbers, isLiveStoreError, LiveStoreError } from './errors.js'

test('the codes are those of the engine, with the same numbers', () => {
  const definitions = readFileSync(
    new URL('../../core/base/error_codes.def', import.meta.url),
    'utf8',
  )
  const engine = Object.fromEntries(
    [...definitions.matchAll(/^LS_ERROR\((\w+), (\d+),/gm)].map(([, name, number]) => [
      name,
      Number(number),
    ]),
  )
  expect(Object.keys(engine).length).toBeGreaterThan(20)
  expect(errorNumbers).toEqual(engine)
})

test('no two codes share a number', () => {
  const numbers = Object.values(errorNumbers)
  expect(new Set(numbers).size).toBe(numbers.length)
})

test('a reply is rebuilt from its number or its name', () => {
  const byNumber = errorFromReply({ code: 200, message: 'no space' })
  expect(byNumber).toBeInstanceOf(LiveStoreError)
  expect(byNumber.code).toBe('StorageFull')
  expect(byNumber.message).toBe('no space')
  expect(errorFromReply({ code: 'Sql', message: 'm' }).code).toBe('Sql')
})

test('a code of another build is an internal error that keeps message and number', () => {
  const error = errorFromReply({ code: 9999, message: 'from the future' })
  expect(error.code).toBe('Internal')
  expect(error.message).toBe('from the future (unknown error code 9999)')
  expect(errorFromReply({ code: 'constructor', message: 'm' }).code).toBe('Internal')
})

test('an error is recognised by name and code, whichever bundle made it', () => {
  expect(isLiveStoreError(new LiveStoreError('Sql', 'm'))).toBe(true)
  const foreign = Object.assign(new Error('m'), { name: 'LiveStoreError', code: 'Sql' })
  expect(isLiveStoreError(foreign)).toBe(true)
  expect(isLiveStoreError(new Error('m'))).toBe(false)
  expect(isLiveStoreError({ name: 'LiveStoreError', code: 'Sql' })).toBe(false)
})

test('an error keeps its cause', () => {
  const cause = new Error('why')
  expect(new LiveStoreError('MaterializerThrew', 'm', { cause }).cause).toBe(cause)
})

test('every code is explained where its errors say so', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const explained = [...text.matchAll(/^### (\w+)$/gm)].map(([, code]) => code)
  expect(explained).toEqual(Object.keys(errorNumbers))
  const { docs } = new LiveStoreError('InvalidQuery', 'm')
  expect(docs).toBe('livestore-wasm/docs/errors.md#invalidquery')
})

test('an error has the tag that LiveStore gives to its kind', () => {
  const tagOf = (code: keyof typeof errorNumbers) => new LiveStoreError(code, 'm')._tag
  expect(tagOf('Constraint')).toBe('SqliteError')
  expect(tagOf('MaterializerThrew')).toBe('MaterializeError')
  expect(tagOf('UnknownEvent')).toBe('UnknownEventError')
  expect(tagOf('SyncBackendReplaced')).toBe('BackendIdMismatchError')
  expect(tagOf('Closed')).toBe('UnknownError')
})
