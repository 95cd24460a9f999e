/** What a page is told of its own life, and what its tab makes of it. */

import { beforeEach, expect, test } from 'vitest'
import { watchPageLife } from './page-life.js'

let page: EventTarget
let calls: string[]
let stop: () => void

beforeEach(() => {
  page = new EventTarget()
  calls = []
  const tab = { pause: () => void calls.push('pause'), resume: () => void calls.push('resume') }
  stop = watchPageLife(tab, page)
})

const happen = (...types: string[]): void => {
  for (const type of types) page.dispatchEvent(new Event(type))
}

const happenKept = (type: string): void =>
  void page.dispatchEvent(Object.assign(new Event(type), { persisted: true }))

test('a page that is frozen pauses its tab, and resumes it when it is back', () => {
  happen('freeze', 'resume')
  expect(calls).toEqual(['pause', 'resume'])
})

test('a page that is put away does too', () => {
  happenKept('pagehide')
  happenKept('pageshow')
  expect(calls).toEqual(['pause', 'resume'])
})

test('a page that ends lets its worker take in the last commits', () => {
  happen('pagehide')
  expect(calls).toEqual([])
})

test('a tab that is closed is left alone', () => {
  stop()
  happen('freeze', 'resume', 'pageshow')
  expect(calls).toEqual([])
})
