/**
 * Tabs that are opened, closed, killed and frozen at random while they commit, and messages and
 * locks that take their time: whatever the order, all come to one log in which every event is once.
 */

import { afterEach, describe, expect, test } from 'vitest'
import { delays } from '../../test/doubles.js'
import { TestOrigin, type TestTab } from '../../test/origin.js'

const games = 150
const deedsPerGame = 60
const tabsMax = 4
/** Turns that a message or a lock may come too late. */
const delayMax = 60

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
const randomFrom = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

class Game {
  readonly origin = new TestOrigin()
  readonly diary: string[] = []
  #random: () => number
  #tabs: TestTab[] = []
  #frozen = new Set<TestTab>()
  #isSharedWorkerFrozen = false
  #commits = 0

  constructor(seed: number) {
    this.#random = randomFrom(seed)
    const delay = randomFrom(seed + 1_000_000)
    const delayOfGame = Math.floor(this.#random() * delayMax)
    delays.turns = () => Math.floor(delay() ** 3 * delayOfGame)
  }

  async play(): Promise<void> {
    for (let i = 0; i < deedsPerGame; i++) {
      this.#do()
      await turns(Math.floor(this.#random() ** 2 * 40))
    }
    for (const tab of this.#frozen) this.#thaw(tab)
    this.origin.sharedWorkers().thaw()
    if (this.#tabs.length === 0) this.#open()
    await this.#check()
  }

  async #check(): Promise<void> {
    // Longer than any wait of the product for what does not come.
    for (let i = 0; i < 20; i++) {
      await turns(200)
      await this.origin.clock.advance(4_000)
    }
    for (const tab of this.#tabs) this.#commit(tab)
    await turns(400)
    const { stored } = this.origin
    expect(new Set(stored).size, 'events that are stored twice').toBe(stored.length)
    for (const tab of this.#tabs) {
      expect(tab.failures).toEqual([])
      expect(tab.heard.filter((type) => type.startsWith('error'))).toEqual([])
      expect([tab.name, tab.pending]).toEqual([tab.name, []])
      expect(tab.log, tab.name).toEqual(stored)
      expect(stored.filter((text) => text.startsWith(`${tab.name}-`))).toEqual(tab.committed)
    }
  }

  #do(): void {
    const what = this.#random()
    const tab = this.#tabs[Math.floor(this.#random() * this.#tabs.length)]
    if (tab === undefined || (what < 0.2 && this.#tabs.length < tabsMax)) this.#open()
    else if (this.#frozen.has(tab)) what < 0.5 ? this.#thaw(tab) : undefined
    else if (what < 0.5) this.#commit(tab)
    else if (what < 0.6) this.#end(tab, 'close')
    else if (what < 0.7) this.#end(tab, 'kill')
    else if (what < 0.76) this.#freeze(tab, true)
    else if (what < 0.8) this.#freeze(tab, false)
    else if (what < 0.86) this.#killWorker(tab)
    else if (what < 0.9) this.#killSharedWorker()
    else if (what < 0.93) this.#freezeSharedWorker()
    else for (const each of this.#tabs) if (!this.#frozen.has(each)) this.#commit(each)
  }

  #open(): void {
    const tab = this.origin.openTab()
    this.diary.push(`open ${tab.name}`)
    this.#tabs.push(tab)
  }

  #commit(tab: TestTab): void {
    tab.commit(`${tab.name}-${++this.#commits}`)
  }

  #end(tab: TestTab, how: 'close' | 'kill'): void {
    this.diary.push(`${how} ${tab.name}`)
    this.#tabs = this.#tabs.filter((other) => other !== tab)
    void tab[how]()
  }

  #freeze(tab: TestTab, isTold: boolean): void {
    this.diary.push(`freeze ${tab.name}${isTold ? '' : ' without a word'}`)
    this.#frozen.add(tab)
    tab.freeze({ isTold })
  }

  #thaw(tab: TestTab): void {
    this.diary.push(`thaw ${tab.name}`)
    this.#frozen.delete(tab)
    tab.thaw()
  }

  #killWorker(tab: TestTab): void {
    const worker = tab.workers.at(-1)
    if (worker?.context.alive !== true || this.#tabs.some(({ warnings }) => warnings.length > 2)) {
      return
    }
    this.diary.push(`kill the worker of ${tab.name}`)
    worker.context.kill()
  }

  #freezeSharedWorker(): void {
    if (!TestOrigin.hasSharedWorkers) return
    this.diary.push('freeze or thaw the shared worker')
    if (this.#isSharedWorkerFrozen) this.origin.sharedWorkers().thaw()
    else this.origin.sharedWorkers().freeze()
    this.#isSharedWorkerFrozen = !this.#isSharedWorkerFrozen
  }

  #killSharedWorker(): void {
    if (!TestOrigin.hasSharedWorkers || this.origin.sharedWorkers().starts > 3) return
    this.diary.push('kill the shared worker')
    this.origin.sharedWorkers().kill()
  }
}

afterEach(() => {
  delays.turns = undefined
})

describe('whatever happens in whatever order', () => {
  for (let seed = 1; seed <= games; seed++) {
    test(`game ${seed}`, async ({ onTestFailed }) => {
      const game = new Game(seed)
      onTestFailed(() => console.error(game.diary.join('\n')))
      await game.play()
    })
  }
})
