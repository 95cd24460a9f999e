import { expect, test, vi } from 'vitest'
import { QUEUED_VALUES_MAX, ValueQueue } from './value-queue.js'

const never = () => undefined

test('values come in order, those that waited and those that come later', async () => {
  const queue = new ValueQueue<number>(never)
  queue.push(1)
  queue.push(2)
  expect(await queue.next()).toEqual({ value: 1, done: false })
  expect(await queue.next()).toEqual({ value: 2, done: false })
  const third = queue.next()
  queue.push(3)
  expect(await third).toEqual({ value: 3, done: false })
})

test('a slow reader misses values in between, never the last one', async () => {
  const queue = new ValueQueue<number>(never)
  for (let i = 0; i < QUEUED_VALUES_MAX + 10; i++) queue.push(i)
  queue.end()
  const values: number[] = []
  for await (const value of queue) values.push(value)
  expect(values).toHaveLength(QUEUED_VALUES_MAX)
  expect(values.at(0)).toBe(0)
  expect(values.at(-1)).toBe(QUEUED_VALUES_MAX + 9)
})

test('leaving the loop ends it, once', async () => {
  const onEnd = vi.fn()
  const queue = new ValueQueue<number>(onEnd)
  queue.push(1)
  queue.push(2)
  for await (const _ of queue) break
  queue.end()
  expect(onEnd).toHaveBeenCalledOnce()
  expect(await queue.next()).toEqual({ value: undefined, done: true })
})

test('an end wakes readers that wait, and nothing comes after it', async () => {
  const queue = new ValueQueue<number>(never)
  const waiting = queue.next()
  queue.end()
  queue.push(1)
  expect(await waiting).toEqual({ value: undefined, done: true })
  expect(await queue.next()).toEqual({ value: undefined, done: true })
})
