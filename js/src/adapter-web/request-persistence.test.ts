import { beforeEach, expect, test } from 'vitest'
import { requestPersistence } from './request-persistence.js'

let calls: string[]
let warnings: string[]
const warn = (message: string) => warnings.push(message)

beforeEach(() => {
  calls = []
  warnings = []
})

const storage = (persisted: boolean, granted: boolean | Error) => ({
  persisted: async () => {
    calls.push('persisted')
    return persisted
  },
  persist: async () => {
    calls.push('persist')
    if (granted instanceof Error) throw granted
    return granted
  },
})

test('what is granted is not told', async () => {
  await requestPersistence(storage(false, true), warn)
  expect([calls, warnings]).toEqual([['persisted', 'persist'], []])
})

test('what was granted before is not asked for again', async () => {
  await requestPersistence(storage(true, false), warn)
  expect([calls, warnings]).toEqual([['persisted'], []])
})

test.each([
  ['refuses', storage(false, false)],
  ['fails', storage(false, new Error('no'))],
  ['cannot be asked', {}],
  ['has no storage', undefined],
])('a browser that %s is told of once', async (_, refusing) => {
  await requestPersistence(refusing, warn)
  expect(warnings).toEqual([expect.stringContaining('refuses persistent storage')])
})
