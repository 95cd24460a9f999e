/** A push in requests that the server takes. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventRefusedError, type SyncedEvent } from '../../sync/backend.js'
import {
  inWholePush,
  pageOverheadBytes,
  pushParts,
  requestBytesMax,
  requestEventsMax,
} from './push-parts.js'

const event = (seqNum: number, text: string): SyncedEvent => ({
  name: 'e',
  args: { text },
  seqNum,
  parentSeqNum: seqNum - 1,
  clientId: 'c',
  sessionId: 's',
})
const bytes = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length

test('every event is in one part, in order, and no part exceeds count or bytes', () => {
  const sizes = fc.array(fc.oneof(fc.nat(200), fc.integer({ min: 100_000, max: 400_000 })), {
    maxLength: 250,
  })
  fc.assert(
    fc.property(sizes, fc.constantFrom('x', 'ü', '"'), fc.nat(2_000), (texts, letter, overhead) => {
      // Quotes and letters beyond ASCII take two bytes.
      const events = texts.map((size, i) =>
        event(i + 1, letter.repeat(letter === 'x' ? size : size / 2)),
      )
      const parts = pushParts(events, overhead)
      expect(parts.flatMap((part) => part.events)).toEqual(events)
      let index = 0
      for (const part of parts) {
        expect(part.index).toBe(index)
        expect(part.events.length).toBeGreaterThan(0)
        expect(part.events.length).toBeLessThanOrEqual(requestEventsMax)
        expect(overhead + bytes(part.events)).toBeLessThanOrEqual(requestBytesMax + 2)
        index += part.events.length
      }
    }),
    { numRuns: 30, seed: 1 },
  )
})

test('an event that no page could hold is refused by its place, with its size', () => {
  const small = event(1, '')
  const most = requestBytesMax - pageOverheadBytes - bytes(event(2, '')) - 1
  expect(pushParts([small, event(2, 'x'.repeat(most))], 0)).toHaveLength(2)
  const refuse = () => pushParts([small, event(2, 'x'.repeat(most + 1))], 0)
  expect(refuse).toThrow(EventRefusedError)
  expect(refuse).toThrow(expect.objectContaining({ index: 1 }))
  expect(refuse).toThrow(/it has 899001 bytes, the sync backend takes 899000/)
})

test('what a server says of a part is said of the whole push', () => {
  const refusal = new EventRefusedError({ index: 3, reason: 'no' })
  expect(inWholePush(refusal, 0)).toBe(refusal)
  expect(inWholePush(refusal, 100)).toMatchObject({ index: 103, reason: 'no' })
  const other = new Error('x')
  expect(inWholePush(other, 100)).toBe(other)
})
