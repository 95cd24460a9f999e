import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DELIVERY_ROUNDS_MAX, Deliveries } from './deliveries.js'

const reported: unknown[] = []
beforeEach(() => {
  reported.length = 0
  vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
})
afterEach(() => {
  vi.unstubAllGlobals()
})

const setUp = () => {
  const deliveries = new Deliveries()
  const told: string[] = []
  let order = 0
  const receiver = (name: string, onDeliver: () => void = () => undefined) => {
    order += 1
    const made = {
      order,
      deliver: () => {
        told.push(name)
        onDeliver()
      },
    }
    return made
  }
  return { deliveries, told, receiver }
}

test('everybody is told once, in order, after the whole change', () => {
  const { deliveries, told, receiver } = setUp()
  const [a, b] = [receiver('a'), receiver('b')]
  deliveries.together(() => {
    deliveries.add(b)
    deliveries.add(a)
    deliveries.add(b)
    expect(told).toEqual([])
  })
  expect(told).toEqual(['a', 'b'])
})

test('what comes without a change of its own is told in a microtask', async () => {
  const { deliveries, told, receiver } = setUp()
  deliveries.add(receiver('a'))
  expect(told).toEqual([])
  await Promise.resolve()
  expect(told).toEqual(['a'])
})

test('a change made by a receiver is told in the next round', () => {
  const { deliveries, told, receiver } = setUp()
  const b = receiver('b')
  const a = receiver('a', () => deliveries.together(() => deliveries.add(b)))
  const c = receiver('c')
  deliveries.together(() => {
    deliveries.add(a)
    deliveries.add(c)
  })
  expect(told).toEqual(['a', 'c', 'b'])
})

test('a receiver that throws is reported and stops nobody', () => {
  const { deliveries, told, receiver } = setUp()
  const error = new Error('mine')
  const a = receiver('a', () => {
    throw error
  })
  deliveries.together(() => {
    deliveries.add(a)
    deliveries.add(receiver('b'))
  })
  expect(told).toEqual(['a', 'b'])
  expect(reported).toEqual([error])
})

test('a receiver that another one removed is not told', () => {
  const { deliveries, told, receiver } = setUp()
  const b = receiver('b')
  const a = { ...receiver('a', () => deliveries.remove(b)), order: 0 }
  deliveries.together(() => {
    deliveries.add(a)
    deliveries.add(b)
  })
  expect(told).toEqual(['a'])
})

test('rounds run inside batchUpdates, which is called once', () => {
  const { deliveries, told, receiver } = setUp()
  deliveries.batchUpdates = (run) => {
    told.push('(')
    run()
    told.push(')')
  }
  const b = receiver('b')
  deliveries.together(() =>
    deliveries.add(receiver('a', () => deliveries.together(() => deliveries.add(b)))),
  )
  deliveries.together(() => undefined)
  expect(told).toEqual(['(', 'a', 'b', ')'])
})

test('a batchUpdates that throws is reported, and the next change is told', () => {
  const { deliveries, told, receiver } = setUp()
  deliveries.batchUpdates = () => {
    throw new Error('batch')
  }
  deliveries.together(() => deliveries.add(receiver('a')))
  expect(reported).toEqual([new Error('batch')])
  deliveries.batchUpdates = (run) => run()
  deliveries.together(() => undefined)
  expect(told).toEqual(['a'])
})

test('postponed receivers wait for the next change, not for a microtask', async () => {
  const { deliveries, told, receiver } = setUp()
  deliveries.postpone(() => deliveries.add(receiver('a')))
  deliveries.add(receiver('b'))
  await Promise.resolve()
  expect(told).toEqual(['b'])
  deliveries.deliver()
  expect(told).toEqual(['b', 'a'])
  deliveries.deliver()
  expect(told).toEqual(['b', 'a'])
})

test('rounds without end are refused', () => {
  const { deliveries, receiver } = setUp()
  const a = receiver('a', () => {
    deliveries.checkRounds()
    deliveries.together(() => deliveries.add(a))
  })
  let rounds = 0
  const count = { order: 0, deliver: () => rounds++ }
  deliveries.together(() => {
    deliveries.add(a)
    deliveries.add(count)
  })
  expect(rounds).toBe(1)
  expect(reported).toEqual([expect.objectContaining({ code: 'LimitExceeded' })])
  expect(() => deliveries.checkRounds()).not.toThrow()
  expect(DELIVERY_ROUNDS_MAX).toBe(1000)
})
