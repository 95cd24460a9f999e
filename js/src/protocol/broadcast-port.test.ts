import { beforeEach, expect, test } from 'vitest'
import { settle, TestBroadcasts, TestContext } from '../../test/doubles.js'
import { BroadcastPort } from './broadcast-port.js'

let broadcasts: TestBroadcasts

beforeEach(() => {
  broadcasts = new TestBroadcasts()
})

const channel = (name = 'c') => broadcasts.open(name, new TestContext())

const listen = (port: BroadcastPort): unknown[] => {
  const heard: unknown[] = []
  port.addEventListener('message', ({ data }) => heard.push(data))
  port.start()
  return heard
}

test('the end that began may speak as soon as the other one listens', async () => {
  let isOpen = false
  const first = BroadcastPort.connect(channel(), () => {
    isOpen = true
  })
  await settle()
  expect(isOpen).toBe(false)
  const second = BroadcastPort.accept(channel())
  await settle()
  expect(isOpen).toBe(true)
  const heard = [listen(first), listen(second)]
  for (const i of [1, 2, 3]) first.postMessage({ i })
  await settle()
  expect(heard).toEqual([[], [{ i: 1 }, { i: 2 }, { i: 3 }]])
})

test('a third end that comes too late is not taken for the second one', async () => {
  let opened = 0
  const first = BroadcastPort.connect(channel(), () => (opened += 1))
  const second = BroadcastPort.accept(channel())
  const heard = listen(first)
  await settle()
  BroadcastPort.accept(channel())
  second.postMessage('after')
  await settle()
  expect([opened, heard]).toEqual([1, ['after']])
})

test('what comes before anybody listens is kept, in order', async () => {
  const first = BroadcastPort.connect(channel(), () => undefined)
  const second = BroadcastPort.accept(channel())
  for (const i of [1, 2, 3]) second.postMessage(i)
  await settle()
  expect(listen(first)).toEqual([1, 2, 3])
})

test('a port that is closed hears nothing, and others of the origin never do', async () => {
  const first = BroadcastPort.connect(channel(), () => undefined)
  const second = BroadcastPort.accept(channel())
  const other = BroadcastPort.accept(channel('other'))
  const heard = [listen(first), listen(other)]
  await settle()
  first.close()
  second.postMessage('too late')
  await settle()
  expect(heard).toEqual([[], []])
})
