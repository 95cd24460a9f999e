import { describe, expect, test } from 'vitest'
import { events } from '../../test/todo-schema.js'
import { commitArgs } from './commit-args.js'

const a = events.todoCreated({ id: 'a', text: '' })
const b = events.todoCreated({ id: 'b', text: '' })
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'InvalidArgument', message: expect.stringMatching(message) })

describe('forms', () => {
  test('nothing', () => {
    expect(commitArgs([]).events).toEqual([])
    expect(commitArgs([undefined]).events).toEqual([])
    expect(commitArgs([{ label: 'x' }]).events).toEqual([])
  })

  test('events, with and without options', () => {
    expect(commitArgs([a, b])).toEqual({ options: {}, events: [a, b] })
    const options = { label: 'x', skipRefresh: true }
    expect(commitArgs([options, a])).toEqual({ options, events: [a] })
  })

  test('a function that commits, returns, or does both', () => {
    const collect = (...run: unknown[]) => commitArgs(run).events
    expect(collect((commit: (...e: unknown[]) => void) => commit(a, b))).toEqual([a, b])
    expect(collect(() => [a, b])).toEqual([a, b])
    expect(
      collect({ label: 'x' }, (commit: (...e: unknown[]) => void) => {
        commit(a)
        return [b]
      }),
    ).toEqual([a, b])
  })

  test('an event whose fields look like options', () => {
    const event = { name: 'x', args: {}, label: 'y' }
    expect(commitArgs([event]).events).toEqual([event])
  })
})

describe('bad input', () => {
  test('an event definition that was not called', () => {
    expect(() => commitArgs([events.todoCreated])).toThrow(invalid(/v1\.TodoCreated/))
  })

  test('an array, a value that is no event, something after an event', () => {
    expect(() => commitArgs([[a, b]])).toThrow(invalid(/\.\.\.events/))
    expect(() => commitArgs([{ args: {} }])).toThrow(invalid(/expected an event/))
    expect(() => commitArgs([{ name: 7 }])).toThrow(invalid(/expected an event/))
    expect(() => commitArgs([a, undefined])).toThrow(invalid(/undefined/))
    expect(() => commitArgs([a, () => [b]])).toThrow(invalid(/a function/))
  })

  test('a transaction that is async, late, or returns something else', () => {
    expect(() => commitArgs([async () => [a]])).toThrow(invalid(/async/))
    expect(() => commitArgs([() => a])).toThrow(invalid(/array of events/))
    let late: (...e: unknown[]) => void = () => undefined
    commitArgs([
      (commit: (...e: unknown[]) => void) => {
        late = commit
      },
    ])
    expect(() => late(a)).toThrow(invalid(/returned already/))
  })

  test('what a transaction throws is thrown', () => {
    const error = new Error('mine')
    expect(() =>
      commitArgs([
        () => {
          throw error
        },
      ]),
    ).toThrow(error)
  })
})

test('persisted is an option, and a boolean', () => {
  expect(commitArgs([{ persisted: false }])).toEqual({ options: { persisted: false }, events: [] })
  expect(() => commitArgs([{ persisted: 'no' }])).toThrow('persisted')
})
