/** Events that the schema does not know: what the app has chosen to happen with them. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { coded, settled } from '../../test/open-store.js'
import { fields } from '../../test/todo-schema.js'
import { Events, makeSchema, materializeWith, State } from './index.js'
import { normalizeUnknownEventHandling, type UnknownEventHandling } from './unknown-events.js'

let warn: ReturnType<typeof vi.spyOn>
beforeEach(() => {
  warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
})
afterEach(() => vi.restoreAllMocks())

const known = Events.synced({ name: 'known', schema: fields({}) })
const place = { global: 1, client: 0, generation: 0 }

const materialize = (name: string, unknownEventHandling?: UnknownEventHandling) => {
  const state = State.SQLite.makeState({ tables: {}, materializers: { known: () => [] } })
  const schema = makeSchema({ events: { known }, state, unknownEventHandling })
  return () =>
    materializeWith(schema)(
      {
        name,
        argsJson: '{"a":1}',
        seqNum: place,
        parentSeqNum: { ...place, global: 0 },
        clientId: 'c',
        sessionId: 's',
        local: false,
        args: undefined,
      },
      { query: () => [], prepare: () => expect.unreachable() },
    )
}

describe('an event that the schema does not know', () => {
  test('has no effect, and a warning once for each name', () => {
    const run = materialize('newer.1')
    expect(run).toThrow(coded('UnknownEvent', /newer\.1/))
    expect(run).toThrow(coded('UnknownEvent'))
    expect(warn).toHaveBeenCalledTimes(1)
  })

  test('is passed over in silence where the app says ignore', () => {
    expect(materialize('newer.2', { strategy: 'ignore' })).toThrow(coded('UnknownEvent'))
    expect(warn).not.toHaveBeenCalled()
  })

  test('is told to the callback, with its arguments and its place', () => {
    const onUnknownEvent = vi.fn()
    const run = materialize('newer.3', { strategy: 'callback', onUnknownEvent })
    expect(run).toThrow(coded('UnknownEvent'))
    const [context, error] = onUnknownEvent.mock.calls[0] ?? []
    expect(context).toMatchObject({
      reason: 'event-definition-missing',
      event: { name: 'newer.3', args: { a: 1 }, seqNum: place, clientId: 'c', sessionId: 's' },
    })
    expect(error).toEqual(coded('UnknownEvent'))
    expect(warn).not.toHaveBeenCalled()
  })

  test('passes also where the callback throws or rejects', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const thrown = () => {
      throw new Error('broken')
    }
    const failing = [thrown, () => Promise.reject(new Error('late'))]
    for (const onUnknownEvent of failing) {
      const run = materialize('newer.4', { strategy: 'callback', onUnknownEvent })
      expect(run).toThrow(coded('UnknownEvent'))
    }
    await settled()
    expect(log.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringMatching(/broken/),
      expect.stringMatching(/late/),
    ])
  })

  test('fails like any other event where the app says so', () => {
    const run = materialize('newer.5', { strategy: 'fail' })
    expect(run).toThrow(coded('Unsupported', /newer\.5/))
  })
})

test('a handling that does not exist is refused', () => {
  expect(normalizeUnknownEventHandling(undefined)).toEqual({ strategy: 'warn' })
  for (const given of [{ strategy: 'other' }, { strategy: 'callback' }, 'warn', null]) {
    expect(() => normalizeUnknownEventHandling(given)).toThrow(coded('InvalidSchema', /strategy/))
  }
})
