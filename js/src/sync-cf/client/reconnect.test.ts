/** When a connection is opened, pinged and given up, whatever happens in whatever order. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultPing, openMsMax, Reconnect, retryFirstMs, retryMaxMs } from './reconnect.js'

const { requestInterval, requestTimeout } = defaultPing

const opened = (random = () => 0.5): Reconnect => {
  const machine = new Reconnect(defaultPing, random)
  machine.start(0)
  machine.opened(0, false)
  machine.heard(0)
  return machine
}

/** How long it waits after each of `count` failures in a row. */
const waits = (count: number, random: () => number): number[] => {
  const machine = opened(random)
  let now = 0
  return Array.from({ length: count }, () => {
    machine.lost(now)
    const at = machine.wakeAt() as number
    const waited = at - now
    now = at
    expect(machine.tick(now)).toEqual(['open'])
    return waited
  })
}

describe('waits between tries', () => {
  test('double up to the maximum, at most', () => {
    expect(waits(8, () => 1)).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((s) => s * 1_000))
  })
  test('are at least half of that', () => {
    expect(waits(8, () => 0)).toEqual([0.5, 1, 2, 4, 8, 15, 15, 15].map((s) => s * 1_000))
  })
  test('begin anew when something was heard, not when a socket only opened', () => {
    const machine = opened()
    for (let i = 0; i < 4; i++) {
      machine.lost(0)
      machine.tick(machine.wakeAt() as number)
    }
    machine.opened(0, false)
    machine.lost(0)
    expect(machine.wakeAt()).toBe(12_000)
    machine.tick(12_000)
    machine.opened(12_000, false)
    machine.heard(12_000)
    machine.lost(12_000)
    expect(machine.wakeAt()).toBe(12_750)
  })
  test('end when the device is online again', () => {
    const machine = opened()
    expect(machine.network(false, 5)).toEqual(['close'])
    expect(machine.wakeAt()).toBe(5 + retryMaxMs)
    expect(machine.network(true, 10)).toEqual(['open'])
  })
})

describe('a connection', () => {
  test('is asked at once if it lives, and again after each silence', () => {
    const machine = new Reconnect(defaultPing, () => 0)
    machine.start(0)
    expect(machine.opened(100, false)).toEqual(['ping'])
    machine.heard(150)
    expect(machine.wakeAt()).toBe(150 + requestInterval)
    expect(machine.tick(150 + requestInterval)).toEqual(['ping'])
    expect(machine.wakeAt()).toBe(150 + requestInterval + requestTimeout)
  })
  test('is given up when nothing is heard for the time of a ping', () => {
    const machine = opened()
    expect(machine.tick(requestInterval)).toEqual(['ping'])
    expect(machine.tick(requestInterval + requestTimeout)).toEqual(['close'])
    expect(machine.state).toBe('waiting')
  })
  test('is given up when it takes too long to open', () => {
    const machine = new Reconnect(defaultPing, () => 0)
    machine.start(0)
    expect(machine.wakeAt()).toBe(openMsMax)
    expect(machine.tick(openMsMax)).toEqual(['close'])
  })
  test('without pings is left alone', () => {
    const machine = new Reconnect({ ...defaultPing, enabled: false }, () => 0)
    machine.start(0)
    expect(machine.opened(0, false)).toEqual([])
    expect(machine.wakeAt()).toBeUndefined()
  })
})

test('in any order of events it says what is possible, and never sleeps for good', () => {
  const step = fc.constantFrom('start', 'opened', 'heard', 'lost', 'tick', 'on', 'off', 'stop')
  const steps = fc.array(fc.tuple(step, fc.nat(40_000)), { maxLength: 60 })
  fc.assert(
    fc.property(steps, fc.array(fc.nat(99), { minLength: 1 }), (script, luck) => {
      let draws = 0
      const random = () => (luck[draws++ % luck.length] as number) / 100
      const machine = new Reconnect(defaultPing, random)
      let now = 0
      /** As the socket's owner sees it. */
      let socket: 'none' | 'opening' | 'open' = 'none'
      for (const [what, passed] of script) {
        now += passed
        let commands: readonly string[] = []
        if (what === 'start') commands = machine.start(now)
        if (what === 'opened' && socket === 'opening') {
          socket = 'open'
          commands = machine.opened(now, false)
        }
        if (what === 'heard' && socket === 'open') machine.heard(now)
        if (what === 'lost' && socket !== 'none') {
          socket = 'none'
          machine.lost(now)
          const wait = (machine.wakeAt() as number) - now
          expect(wait).toBeGreaterThanOrEqual(retryFirstMs / 2)
        }
        if (what === 'tick') commands = machine.tick(now)
        if (what === 'on' || what === 'off') commands = machine.network(what === 'on', now)
        if (what === 'stop') commands = machine.stop()
        for (const command of commands) {
          if (command === 'open') {
            expect(socket, 'one connection at a time').toBe('none')
            socket = 'opening'
          } else if (command === 'close') {
            expect(socket, 'what is closed was there').not.toBe('none')
            socket = 'none'
          } else {
            expect(socket, 'only an open one is pinged').toBe('open')
          }
        }
        const expected = { none: ['idle', 'waiting'], opening: ['opening'], open: ['open'] }[socket]
        expect(expected).toContain(machine.state)
        const wakeAt = machine.wakeAt()
        if (machine.state === 'idle') expect(wakeAt).toBeUndefined()
        else expect((wakeAt as number) - now).toBeLessThanOrEqual(retryMaxMs)
      }
    }),
    { numRuns: 2_000, seed: 1 },
  )
})
