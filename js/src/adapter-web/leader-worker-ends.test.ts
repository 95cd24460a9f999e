/** Leader workers that crash, are killed or never start: the tab notices, and tries again. */

import { beforeEach, describe, expect, test } from 'vitest'
import { settle, TestContext, type TestWorker } from '../../test/doubles.js'
import { leaders, TestOrigin } from '../../test/origin.js'
import { workerCrashesPerMinuteMax, workerRetryFirstMs, workerStartFirstMs } from './tab.js'

let origin: TestOrigin

beforeEach(() => {
  origin = new TestOrigin()
})

describe('a worker that crashes', () => {
  test('is replaced, and the session goes on with what is stored', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    first.commit('e1')
    await settle()
    first.workers[0]?.fail('boom')
    first.workers[0]?.context.kill()
    await settle()
    second.commit('e2')
    first.commit('e3')
    await settle()
    expect(leaders(first, second)).toHaveLength(1)
    expect(origin.stored.toSorted()).toEqual(['e1', 'e2', 'e3'])
    expect(first.shown).toEqual(origin.stored)
    expect(second.shown).toEqual(origin.stored)
    expect(first.warnings).toHaveLength(1)
  })

  test('without a word is noticed by its lock', async () => {
    const tab = origin.openTab()
    await settle()
    tab.workers[0]?.context.kill()
    await settle()
    tab.commit('e1')
    await settle()
    expect(tab.workers).toHaveLength(2)
    expect(origin.stored).toEqual(['e1'])
  })

  test('more often than the limit ends in a failure, which names the cause', async () => {
    const tab = origin.openTab()
    await settle()
    // An event that breaks the engine breaks it again in every new worker.
    tab.commit('abort')
    await settle()
    await settle()
    expect(tab.workers).toHaveLength(workerCrashesPerMinuteMax + 1)
    expect(tab.failures.map(({ code }) => code)).toEqual(['Internal'])
    expect(tab.failures[0]?.message).toContain('unreachable')
    tab.kill()
    expect(origin.locks.heldNames()).toEqual([])
  })

  test('now and then is replaced each time', async () => {
    const tab = origin.openTab()
    await settle()
    for (let i = 0; i < workerCrashesPerMinuteMax * 3; i++) {
      tab.workers.at(-1)?.context.kill()
      await settle()
      await origin.clock.advance(60_000 / workerCrashesPerMinuteMax)
    }
    tab.commit('e1')
    await settle()
    expect(tab.failures).toEqual([])
    expect(origin.stored).toEqual(['e1'])
  })
})

describe('a worker that ends before it leads', () => {
  const deaf = (): void => undefined
  const unfetched = (worker: TestWorker): void => worker.fail()

  test.each([0, 1, 2, 3, 4, 6, 9])('after %i turns is noticed, and replaced', async (turns) => {
    let isFirst = true
    const tab = origin.openTab({
      workerScript: ({ context }, runScript) => {
        runScript()
        const wait = (left: number): void =>
          void (left === 0 ? context.kill() : setImmediate(() => wait(left - 1)))
        if (isFirst) wait(turns)
        isFirst = false
      },
    })
    tab.commit('e1')
    await origin.clock.advance(workerStartFirstMs + workerRetryFirstMs)
    expect(tab.workers).toHaveLength(2)
    expect(origin.stored).toEqual(['e1'])
    expect([tab.pending, tab.failures]).toEqual([[], []])
  })

  test('while the leader before it still has the files leaves nothing behind', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    first.commit('e1')
    await settle()
    // Its page is gone, and its worker ends late.
    const worker = first.workers[0] as TestWorker
    const held = origin.locks.for(new TestContext())
    worker.context.kill()
    void held.request('livestore-wasm-leader-store', {}, () => new Promise(() => undefined))
    first.kill()
    await settle()
    second.workers[0]?.context.kill()
    await settle()
    expect(second.warnings).toHaveLength(1)
    expect(origin.locks.queueLength('livestore-wasm-leader-store')).toBe(0)
  })

  test.each([
    ['its script never runs', deaf, workerStartFirstMs],
    ['its script cannot be fetched', unfetched, 0],
  ])('%s: it is replaced', async (_, broken, waitMs) => {
    let count = workerCrashesPerMinuteMax
    const tab = origin.openTab({
      workerScript: (worker, runScript) => (count-- > 0 ? broken(worker) : runScript()),
    })
    tab.commit('e1')
    for (let i = 0; i < workerCrashesPerMinuteMax; i++) {
      await origin.clock.advance((waitMs + workerRetryFirstMs) * 2 ** i)
    }
    expect(tab.workers).toHaveLength(workerCrashesPerMinuteMax + 1)
    expect(tab.failures).toEqual([])
    expect(origin.stored).toEqual(['e1'])
  })

  test.each([
    ['its script never runs', deaf, 'did not start within'],
    ['its script cannot be fetched', unfetched, 'did not load'],
    ['it is killed', (worker: TestWorker) => worker.context.kill(), 'did not start within'],
  ])('%s, each time: after some tries the tab fails, and says why', async (_, broken, why) => {
    const tab = origin.openTab({ workerScript: broken })
    await origin.clock.advance(20 * workerStartFirstMs)
    tab.kill()
    expect(tab.workers).toHaveLength(workerCrashesPerMinuteMax + 1)
    expect(tab.failures.map(({ code }) => code)).toEqual(['Unsupported'])
    expect(tab.failures[0]?.message).toContain('failed 4 times in a row')
    expect(tab.failures[0]?.message).toContain(why)
    expect(origin.locks.heldNames()).toEqual([])
  })

  test('takes nothing from a reset: the next one does it', async () => {
    const before = origin.openTab()
    before.commit('old')
    await settle()
    await before.close()
    let count = 1
    const tab = origin.openTab({
      resetPersistence: true,
      workerScript: (worker, runScript) => (count-- > 0 ? unfetched(worker) : runScript()),
    })
    await origin.clock.advance(workerRetryFirstMs)
    tab.commit('new')
    await settle()
    expect(origin.stored).toEqual(['new'])
    tab.workers.at(-1)?.context.kill()
    await settle()
    expect(origin.stored, 'and only one').toEqual(['new'])
  })

  test('lets no reset take what another tab has stored meanwhile', async () => {
    const first = origin.openTab({ resetPersistence: true, workerScript: unfetched })
    const second = origin.openTab()
    await settle()
    second.commit('kept')
    await origin.clock.advance(workerRetryFirstMs)
    await second.close()
    await origin.clock.advance(workerRetryFirstMs * 20)
    expect(first.warnings).toContain(
      'resetPersistence was ignored: another tab has store store open',
    )
    expect(origin.stored).toEqual(['kept'])
  })

  test('costs a tab its turn, not its place among the tabs', async () => {
    const first = origin.openTab({ workerScript: unfetched })
    const second = origin.openTab()
    first.commit('e1')
    await origin.clock.advance(workerRetryFirstMs)
    expect(leaders(second)).toEqual(['t2'])
    expect([origin.stored, first.pending, first.failures]).toEqual([['e1'], [], []])
  })

  test('and another much later, are not counted together', async () => {
    let count = 0
    const tab = origin.openTab({
      workerScript: (worker, runScript) => (count++ % 2 === 0 ? unfetched(worker) : runScript()),
    })
    for (let i = 0; i < 4; i++) {
      await origin.clock.advance(60_000)
      tab.workers.at(-1)?.context.kill()
    }
    await origin.clock.advance(60_000)
    tab.commit('e1')
    await settle()
    expect([origin.stored, tab.failures]).toEqual([['e1'], []])
  })

  test('nobody waits for one when its tab closes meanwhile', async () => {
    const tab = origin.openTab({ workerScript: unfetched })
    await settle()
    await tab.close()
    await origin.clock.advance(2 * workerStartFirstMs)
    expect(origin.locks.heldNames()).toEqual([])
    expect([tab.workers.length, tab.failures.length]).toEqual([1, 0])
  })
})
