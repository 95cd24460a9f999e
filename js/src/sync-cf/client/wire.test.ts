/** What a server may send: hostile bytes, both dialects, and errors that name what they mean. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isLiveStoreError } from '../../errors.js'
import { causeNodesMax, decodeFrame, decodeReply, frameCharsMax, type ServerFrame } from './wire.js'

const failure = (cause: unknown): Error => {
  const frame = decodeFrame(
    JSON.stringify({ _tag: 'Exit', requestId: '0', exit: { _tag: 'Failure', cause } }),
  )
  if (frame.kind !== 'exit' || frame.failure === undefined) throw new Error('no failure')
  return frame.failure
}
const ahead = { _tag: 'ServerAheadError', minimumExpectedNum: 7, providedNum: 5 }
const fail = (error: unknown) => ({ _tag: 'Fail', error })
const interrupted = { _tag: 'Interrupt', fiberId: { _tag: 'None' } }

/** Envelopes with some of their parts, and JSON of any kind for the rest. */
const envelope = fc.record(
  {
    _tag: fc.constantFrom('Chunk', 'Exit', 'Defect', 'Pong', 'New', '__proto__', 5, null),
    requestId: fc.oneof(fc.constantFrom('0', 0, '__proto__', null), fc.jsonValue()),
    values: fc.oneof(
      fc.array(
        fc.record(
          {
            batch: fc.oneof(
              fc.array(
                fc.record(
                  { eventEncoded: fc.jsonValue(), metadata: fc.jsonValue() },
                  { requiredKeys: [] },
                ),
              ),
              fc.jsonValue(),
            ),
            pageInfo: fc.oneof(fc.constant({ _tag: 'NoMore' }), fc.jsonValue()),
            backendId: fc.jsonValue(),
          },
          { requiredKeys: [] },
        ),
      ),
      fc.jsonValue(),
    ),
    exit: fc.oneof(
      fc.record({ _tag: fc.constantFrom('Success', 'Failure', 'x'), cause: fc.jsonValue() }),
      fc.jsonValue(),
    ),
    defect: fc.jsonValue(),
  },
  { requiredKeys: [] },
)

describe('whatever a server sends', () => {
  const decodesOrRefuses = (decode: () => unknown): void => {
    try {
      decode()
    } catch (thrown) {
      if (!isLiveStoreError(thrown) || thrown.code !== 'MalformedBytes') throw thrown
      expect(thrown.message).toMatch(/^the sync server sent /)
    }
  }
  test('is decoded or is MalformedBytes: envelopes with odd parts', () => {
    fc.assert(
      fc.property(envelope, (value) => {
        const text = JSON.stringify(value)
        decodesOrRefuses(() => decodeFrame(text))
        decodesOrRefuses(() => decodeReply(`[${text}]`))
      }),
      { numRuns: 2_000, seed: 1 },
    )
  })
  test('is decoded or is MalformedBytes: text of any kind, and frames that are cut', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), envelope, fc.nat(), (text, value, cut) => {
        const whole = JSON.stringify(value)
        decodesOrRefuses(() => decodeFrame(text))
        decodesOrRefuses(() => decodeFrame(whole.slice(0, cut % (whole.length + 1))))
      }),
      { numRuns: 2_000, seed: 2 },
    )
  })
  test.each([
    ['bytes', new ArrayBuffer(3), 'a frame that is no text'],
    ['a frame beyond the limit', ' '.repeat(frameCharsMax + 1), 'characters'],
    ['an array, which 0.4.0 refuses too', '[{"_tag":"Pong"}]', 'an envelope without a tag'],
    ['no envelope', 'null', 'an envelope that is no object'],
    ['a page of no object', '{"_tag":"Chunk","requestId":"0","values":[1]}', 'a page that is no'],
  ])('%s is named', (_, data, text) => {
    expect(() => decodeFrame(data)).toThrow(
      expect.objectContaining({ code: 'MalformedBytes', message: expect.stringContaining(text) }),
    )
  })
  test('an envelope of a later version is passed over', () => {
    expect(decodeFrame('{"_tag":"Later","requestId":{}}')).toEqual({ kind: 'other' })
  })
})

describe('the error in a cause', () => {
  const named = expect.objectContaining({
    name: 'ServerAheadError',
    minimumExpectedNum: 7,
    providedNum: 5,
  })
  test.each([
    ['plain', fail(ahead)],
    ['in a tree', { _tag: 'Sequential', left: { _tag: 'Empty' }, right: fail(ahead) }],
    ['beside an interruption', { _tag: 'Parallel', left: interrupted, right: fail(ahead) }],
    ['in a list, as later versions send', [interrupted, fail(ahead)]],
    ['beside a defect', [{ _tag: 'Die', defect: 'x' }, fail(ahead)]],
  ])('is found: %s', (_, cause) => {
    expect(failure(cause)).toEqual(named)
  })
  test('another server says so in our words: what the client knew, what the server is', () => {
    const error = { _tag: 'BackendIdMismatchError', expected: 'server', received: 'client' }
    expect(failure(fail(error))).toMatchObject({ expected: 'client', received: 'server' })
  })
  test('a refused event has its place and its reason', () => {
    const cause = { name: 'EventRefusedError', message: 'no such list' }
    const refused = failure(fail({ _tag: 'UnknownError', cause, payload: { index: 2 } }))
    expect(refused).toMatchObject({
      name: 'EventRefusedError',
      index: 2,
      reason: 'no such list',
    })
    for (const payload of [undefined, null, {}, { index: -1 }, { index: '1' }]) {
      const vague = failure(fail({ _tag: 'UnknownError', cause, payload }))
      expect(vague.name).toBe('UnknownError')
    }
  })
  test.each([
    [fail({ _tag: 'UnknownError', cause: { name: 'Error', message: 'onPush' } }), /: onPush$/],
    [{ _tag: 'Die', defect: 'a defect' }, /: a defect$/],
    [{ _tag: 'Die', defect: { name: 'E', message: 'of an error' } }, /: of an error$/],
    [interrupted, /interrupted/],
    [{ _tag: 'Empty' }, /interrupted/],
    [undefined, /interrupted/],
    [fail(null), /: null$/],
    [fail({ _tag: 'InvalidPushError', cause: undefined }), /gave no reason$/],
  ])('is told in words: %j', (cause, text) => {
    expect(failure(cause).message).toMatch(text)
  })
  test('a tree deeper than any stack is given up', () => {
    let text = JSON.stringify(fail(ahead))
    const depth = causeNodesMax * 2
    text = `${'{"_tag":"Sequential","left":'.repeat(depth)}${text}${'}'.repeat(depth)}`
    const exit = `{"_tag":"Exit","requestId":"0","exit":{"_tag":"Failure","cause":${text}}}`
    const frame = decodeFrame(exit) as ServerFrame & { kind: 'exit' }
    expect(frame.failure?.message).toMatch(/interrupted/)
  })
})

test('a number of a call is taken as its text', () => {
  expect(
    decodeFrame('{"_tag":"Exit","requestId":12,"exit":{"_tag":"Success","value":null}}'),
  ).toEqual({ kind: 'exit', requestId: '12', failure: undefined })
})
