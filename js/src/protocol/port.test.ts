/** Every kind of channel must keep the rules that sessions and leaders rely on. */

import { describe, expect, test } from 'vitest'
import { settle, TestPort } from '../../test/doubles.js'
import type { ChannelLike } from '../env.js'
import { createInProcessChannel } from './in-process-channel.js'
import { TypedPort } from './port.js'

const checkText = (data: unknown) =>
  typeof data === 'string'
    ? ({ ok: true, message: data } as const)
    : ({ ok: false, problem: `a ${typeof data}` } as const)

const kinds: [string, () => ChannelLike][] = [
  ['in process', createInProcessChannel],
  ['of the doubles', () => TestPort.channel()],
]

describe.each(kinds)('a channel %s', (_, create) => {
  const open = () => {
    const { port1, port2 } = create()
    const heard: string[] = []
    const listen = (port: TypedPort<string, string>): void =>
      port.listen({
        onMessage: (message) => heard.push(message),
        onMalformed: (problem) => heard.push(`malformed: ${problem}`),
      })
    const [a, b] = [port1, port2].map((port) => new TypedPort<string, string>(port, checkText))
    return { a: a!, b: b!, raw: port1, heard, listen }
  }

  test('keeps messages until it is listened to, and then delivers in order and later', async () => {
    const { a, b, heard, listen } = open()
    a.post('1')
    a.post('2')
    await settle()
    listen(b)
    a.post('3')
    expect(heard).toEqual([])
    await settle()
    expect(heard).toEqual(['1', '2', '3'])
  })

  test('delivers what was posted before the sender closed, and nothing after', async () => {
    const { a, b, heard, listen } = open()
    listen(b)
    a.post('last words')
    a.close()
    a.post('too late')
    await settle()
    expect(heard).toEqual(['last words'])
  })

  test('delivers nothing to an end that was closed', async () => {
    const { a, b, heard, listen } = open()
    listen(b)
    a.post('1')
    b.close()
    await settle()
    expect(heard).toEqual([])
  })

  test('hands what the check refuses to onMalformed', async () => {
    const { b, raw, heard, listen } = open()
    listen(b)
    raw.postMessage(7, [])
    await settle()
    expect(heard).toEqual(['malformed: a number'])
  })

  test('is listened to once', () => {
    const { b, listen } = open()
    listen(b)
    expect(() => listen(b)).toThrow()
  })
})
