/**
 * Tabs of one origin over the doubles: who leads, who follows, and that no committed event is lost
 * or taken in twice when leaders come and go.
 */

import { beforeEach, describe, expect, test } from 'vitest'
import { settle, TestStorage, TestWorker } from '../../test/doubles.js'
import { leaders, TestOrigin } from '../../test/origin.js'
import { LiveStoreError } from '../errors.js'
import { brokerFailuresMax, brokerReadyWaitFirstMs, brokerSettledMs } from './broker-link.js'
import { Journals } from './journals.js'
import { leaderUnreachableCheckMs, workerStartWaitMsMax } from './tab.js'

let origin: TestOrigin

beforeEach(() => {
  origin = new TestOrigin()
})

describe('election', () => {
  test('the first tab leads and its session has a direct port', async () => {
    const tab = origin.openTab()
    await settle()
    tab.commit('e1')
    await settle()
    expect(leaders(tab)).toEqual(['t1'])
    expect(tab.ports).toBe(1)
    expect(origin.stored).toEqual(['e1'])
    expect(tab.shown).toEqual(['e1'])
    expect(tab.pending).toEqual([])
  })

  test('a second tab follows, and each sees what the other commits', async () => {
    const first = origin.openTab()
    await settle()
    first.commit('e1')
    const second = origin.openTab()
    await settle()
    second.commit('e2')
    await settle()
    expect(leaders(first, second)).toEqual(['t1'])
    expect(first.shown).toEqual(['e1', 'e2'])
    expect(second.shown).toEqual(['e1', 'e2'])
    expect(origin.stored).toEqual(['e1', 'e2'])
  })

  test('of tabs opened at the same instant one leads and all follow it', async () => {
    const tabs = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    for (const tab of tabs) tab.commit(`by ${tab.name}`)
    await settle()
    expect(leaders(...tabs)).toHaveLength(1)
    for (const tab of tabs) {
      expect(tab.shown).toEqual(origin.stored)
      expect(tab.pending).toEqual([])
    }
    expect(origin.stored.toSorted()).toEqual(['by t1', 'by t2', 'by t3'])
  })

  test('a tab that leads waits until its worker runs; a follower has none', async () => {
    let script = (): void => undefined
    const first = origin.openTab({
      workerScript: ({ scope }) => (script = () => scope.postMessage({ type: 'leading' })),
    })
    let underway = false
    void first.tab.workerUnderway.then(() => (underway = true))
    await settle()
    expect([first.workers.length, underway]).toEqual([1, false])
    script()
    await settle()
    expect(underway).toBe(true)
    const second = origin.openTab()
    await second.tab.workerUnderway
    expect(second.workers).toHaveLength(0)
  })

  test('a tab whose worker is long in coming waits no longer than the limit', async () => {
    const tab = origin.openTab({ workerScript: () => undefined })
    let underway = false
    void tab.tab.workerUnderway.then(() => (underway = true))
    await origin.clock.advance(workerStartWaitMsMax - 1)
    expect(underway).toBe(false)
    await origin.clock.advance(1)
    expect(underway).toBe(true)
  })

  test('tabs that share a session id are served side by side', async () => {
    const tabs = [0, 1, 2].map(() => origin.openTab({ sessionId: 'same' }))
    await settle()
    for (const tab of tabs) tab.commit(`by ${tab.name}`)
    await settle()
    for (const tab of tabs) expect(tab.shown).toEqual(origin.stored)
    expect(origin.stored).toHaveLength(3)
  })
})

describe('a leader that goes', () => {
  test('by closing: the next in line leads, and the last commits are stored', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    first.commit('last words')
    await first.close()
    await settle()
    expect(leaders(first, second, third)).toEqual(['t2'])
    third.commit('e2')
    await settle()
    expect(origin.stored).toEqual(['last words', 'e2'])
    expect(second.shown).toEqual(['last words', 'e2'])
    expect(third.shown).toEqual(['last words', 'e2'])
    expect(third.ports).toBe(2)
  })

  test('by being killed: pushes in flight come again; no event is lost or doubled', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    for (let i = 0; i < 20; i++) {
      second.commit(`s${i}`)
      third.commit(`t${i}`)
      await new Promise((resolve) => setImmediate(resolve))
      if (i === 10) first.kill()
    }
    await settle()
    expect(leaders(first, second, third)).toEqual(['t2'])
    expect(origin.stored).toHaveLength(40)
    expect(new Set(origin.stored).size).toBe(40)
    expect(second.shown).toEqual(origin.stored)
    expect(third.shown).toEqual(origin.stored)
    expect([...second.pending, ...third.pending]).toEqual([])
  })

  test('while the next tab boots: that tab completes its boot as leader', async () => {
    const first = origin.openTab()
    await settle()
    const second = origin.openTab()
    first.kill()
    await settle()
    second.commit('e1')
    await settle()
    expect(leaders(first, second)).toEqual(['t2'])
    expect(second.shown).toEqual(['e1'])
    expect(origin.stored).toEqual(['e1'])
  })

  test('by reload: the other takes over, and the reloaded tab follows it', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    first.commit('e1')
    await settle()
    first.kill()
    const reloaded = origin.openTab()
    await settle()
    reloaded.commit('e2')
    await settle()
    expect(leaders(second, reloaded)).toEqual(['t2'])
    expect(reloaded.shown).toEqual(['e1', 'e2'])
    expect(second.shown).toEqual(['e1', 'e2'])
  })

  test('a promoted tab is not paired with itself by the broker', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    await first.close()
    await settle()
    // One port from the first leader through the broker, one directly from its own worker.
    expect(second.ports).toBe(2)
    expect(second.heard.filter((type) => type === 'welcome')).toHaveLength(2)
  })
})

describe('a session that goes', () => {
  test('by being killed: the others go on, and nothing is sent to it any more', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    second.kill()
    await settle()
    const heard = second.heard.length
    third.commit('e1')
    await settle()
    expect(first.shown).toEqual(['e1'])
    expect(third.shown).toEqual(['e1'])
    expect(second.heard).toHaveLength(heard)
    expect(leaders(first, third)).toEqual(['t1'])
  })

  test('a tab that waited in line and closed is not elected', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    await second.close()
    await first.close()
    await settle()
    expect(leaders(first, second, third)).toEqual(['t3'])
  })

  test('after the last tab closed no lock is held', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    await first.close()
    await second.close()
    await settle()
    expect(origin.locks.heldNames()).toEqual([])
    expect([...origin.opfs.files.values()].some((file) => file.open)).toBe(false)
  })

  test('close may be called twice, and before anything has started', async () => {
    const tab = origin.openTab()
    await Promise.all([tab.close(), tab.tab.close()])
    await settle()
    expect(origin.locks.heldNames()).toEqual([])
  })
})

describe('a page that is frozen', () => {
  test('hands the lead over, and follows when it is back', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    first.commit('before')
    await settle()
    first.freeze({ isTold: true })
    second.commit('meanwhile')
    await settle()
    expect(leaders(first, second)).toEqual(['t2'])
    expect(origin.stored).toEqual(['before', 'meanwhile'])
    first.thaw()
    first.commit('after')
    await settle()
    expect(leaders(first, second)).toEqual(['t2'])
    expect(origin.stored).toEqual(['before', 'meanwhile', 'after'])
    expect([first.shown, second.shown]).toEqual([origin.stored, origin.stored])
  })

  test('amid its commits loses none of them, and doubles none', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    for (let i = 0; i < 30; i++) {
      first.commit(`f${i}`)
      second.commit(`s${i}`)
      if (i === 10) first.freeze({ isTold: true })
      if (i === 20) first.thaw()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await settle()
    expect(origin.stored).toHaveLength(60)
    expect(new Set(origin.stored).size).toBe(60)
    expect([first.shown, second.shown]).toEqual([origin.stored, origin.stored])
  })

  test('holds nothing while it is, and leads again if nobody else does', async () => {
    const tab = origin.openTab()
    await settle()
    tab.freeze({ isTold: true })
    await settle()
    // The shared worker is no part of the page, and is not frozen.
    const ofSharedWorker = TestOrigin.hasSharedWorkers ? ['livestore-wasm-broker-build-1-1'] : []
    expect(origin.locks.heldNames()).toEqual(ofSharedWorker)
    expect([...origin.opfs.files.values()].some((file) => file.open)).toBe(false)
    tab.thaw()
    tab.commit('e1')
    await settle()
    expect(leaders(tab)).toEqual(['t1'])
    expect(origin.stored).toEqual(['e1'])
  })

  test('leaves its place in line: the one behind it leads', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    second.freeze({ isTold: true })
    await settle()
    first.kill()
    await settle()
    expect(leaders(first, second, third)).toEqual(['t3'])
    third.commit('t')
    second.thaw()
    await settle()
    expect(second.shown).toEqual(['t'])
  })

  test('while it boots boots on when it is back, whoever leads then', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    first.freeze({ isTold: true })
    await settle()
    second.commit('s')
    await settle()
    first.thaw()
    await settle()
    expect(leaders(first, second)).toEqual(['t2'])
    expect(first.shown).toEqual(['s'])
  })

  test('again and again is always back', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    for (let i = 0; i < 6; i++) {
      await settle()
      const tab = i % 2 === 0 ? first : second
      tab.freeze({ isTold: true })
      tab.freeze({ isTold: true })
      await settle()
      tab.thaw()
      tab.thaw()
      tab.commit(`e${i}`)
    }
    await settle()
    expect(leaders(first, second)).toHaveLength(1)
    expect(origin.stored).toHaveLength(6)
    expect([first.shown, second.shown]).toEqual([origin.stored, origin.stored])
  })

  test('and closed without being back leaves nothing behind', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    first.freeze({ isTold: true })
    await first.close()
    await second.close()
    await settle()
    expect(origin.locks.heldNames()).toEqual([])
  })

  test('without a word keeps what it holds: nobody writes beside it, and all goes on', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    first.freeze({ isTold: false })
    second.commit('s')
    await origin.clock.advance(60_000)
    expect(leaders(second)).toEqual([])
    expect([origin.stored, second.shown, second.failures]).toEqual([[], ['s'], []])
    first.thaw()
    await settle()
    expect(origin.stored).toEqual(['s'])
    expect([first.shown, second.pending]).toEqual([['s'], []])
  })
})

describe.runIf(TestOrigin.hasSharedWorkers)('a shared worker that goes', () => {
  test('with the leader: the next tab leads, and the third one is confirmed by it', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    first.kill()
    origin.sharedWorkers().kill()
    second.commit('s')
    third.commit('t')
    await settle()
    expect(leaders(first, second, third)).toEqual(['t2'])
    expect(origin.stored.toSorted()).toEqual(['s', 't'])
    expect(third.pending).toEqual([])
    expect([second.shown, third.shown]).toEqual([origin.stored, origin.stored])
  })

  test('before the leader: its place is taken by another, and by the next leader', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    origin.sharedWorkers().kill()
    await settle()
    first.kill()
    await settle()
    third.commit('t')
    await settle()
    expect(origin.stored).toEqual(['t'])
    expect(second.shown).toEqual(['t'])
    expect(origin.sharedWorkers().starts).toBe(2)
  })

  test('alone, amid commits: every tab joins again; no event is lost or doubled', async () => {
    const tabs = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    for (let i = 0; i < 20; i++) {
      for (const tab of tabs) tab.commit(`${tab.name}-${i}`)
      await new Promise((resolve) => setImmediate(resolve))
      if (i % 8 === 4) origin.sharedWorkers().kill()
    }
    await settle()
    expect(leaders(...tabs)).toEqual(['t1'])
    expect(origin.stored).toHaveLength(60)
    expect(new Set(origin.stored).size).toBe(60)
    for (const tab of tabs) {
      expect(tab.shown).toEqual(origin.stored)
      expect([tab.pending, tab.failures, tab.warnings]).toEqual([[], [], []])
    }
  })

  test('while tabs boot: they boot all the same', async () => {
    const first = origin.openTab()
    await settle()
    const [second, third] = [origin.openTab(), origin.openTab()]
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    origin.sharedWorkers().kill()
    await settle()
    third.commit('t')
    await settle()
    expect([first.shown, second.shown, third.shown]).toEqual([['t'], ['t'], ['t']])
  })

  test('with a session: the leader does not go on serving that one', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    second.kill()
    origin.sharedWorkers().kill()
    await settle()
    const storage = new TestStorage()
    const journals = new Journals(
      { localStorage: () => storage, onError: () => undefined },
      'store',
    )
    journals.write(second.name, new TextEncoder().encode('["left by t2"]'))
    // A journal is taken in only once the session that wrote it is gone.
    const fourth = origin.openTab({
      journals: new Journals({ localStorage: () => storage, onError: () => undefined }, 'store'),
    })
    await settle()
    expect([first.shown, third.shown, fourth.shown]).toEqual(Array(3).fill(['left by t2']))
  })

  test('to sleep keeps no tab from leading, and pairs all when it goes on', async () => {
    const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
    await settle()
    origin.sharedWorkers().freeze()
    first.kill()
    second.commit('s')
    third.commit('t')
    await settle()
    expect(leaders(second, third)).toEqual(['t2'])
    expect([origin.stored, second.pending]).toEqual([['s'], []])
    origin.sharedWorkers().thaw()
    await settle()
    expect(origin.stored).toEqual(['s', 't'])
    expect(third.pending).toEqual([])
  })

  test('before it was ready: the connection is made again', async () => {
    let deaf = 1
    origin.sharedWorkerScript = (context) => {
      if (deaf-- > 0) context.kill()
    }
    const [first, second] = [origin.openTab(), origin.openTab()]
    await origin.clock.advance(brokerReadyWaitFirstMs)
    second.commit('s')
    await settle()
    expect(first.shown).toEqual(['s'])
    expect(second.failures).toEqual([])
  })

  test('again and again: a follower fails and says why, the leader goes on', async () => {
    origin.sharedWorkerScript = (context) => setImmediate(() => context.kill())
    const [first, second] = [origin.openTab(), origin.openTab()]
    await origin.clock.advance(brokerReadyWaitFirstMs * 2 ** brokerFailuresMax)
    expect(second.failures.map(({ code }) => code)).toEqual(['Unsupported'])
    expect(second.failures[0]?.message).toContain(`${brokerFailuresMax} times in a row`)
    expect(first.warnings).toHaveLength(1)
    expect(origin.sharedWorkers().starts).toBeLessThanOrEqual(2 * brokerFailuresMax)
    first.commit('f')
    await settle()
    expect(origin.stored).toEqual(['f'])
  })

  test('now and then is replaced each time', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    for (let i = 0; i < brokerFailuresMax * 2; i++) {
      origin.sharedWorkers().kill()
      await settle()
      await origin.clock.advance(brokerSettledMs)
    }
    second.commit('s')
    await settle()
    expect(first.shown).toEqual(['s'])
    expect([first.warnings, second.failures]).toEqual([[], []])
  })
})

describe('a boot that fails', () => {
  test('is reported with its code, and the lock goes to the next tab', async () => {
    origin.bootFailure = new LiveStoreError('NewerFormat', 'format 9')
    const first = origin.openTab()
    await settle()
    expect(first.failures.map(({ code }) => code)).toEqual(['NewerFormat'])
    expect(origin.locks.heldNames()).toEqual([])
    origin.bootFailure = undefined
    const second = origin.openTab()
    await settle()
    second.commit('e1')
    await settle()
    expect(leaders(first, second)).toEqual(['t2'])
  })

  test('a script that does not load is a failure at once, not a crash to be repeated', async () => {
    const tab = origin.openTab({
      workerScript: () => {
        throw new SyntaxError('unexpected token')
      },
    })
    await settle()
    expect(tab.failures.map(({ code }) => code)).toEqual(['Unsupported'])
    expect(tab.failures[0]?.message).toContain('unexpected token')
    expect(tab.workers).toHaveLength(1)
  })

  test('a worker file of another build is a failure that says so', async () => {
    const tab = origin.openTab({
      workerScript: (worker) => worker.scope.postMessage({ type: 'greetings' }, []),
    })
    await settle()
    expect(tab.failures.map(({ code }) => code)).toEqual(['ProtocolMismatch'])
  })

  test('a schema that differs from the leader costs only its own tab', async () => {
    const first = origin.openTab()
    await settle()
    const second = origin.openTab({ schemaHash: 'schema-2' })
    await settle()
    expect(second.heard.at(-1)).toBe('error SchemaMismatch')
    first.commit('e1')
    await settle()
    expect(origin.stored).toEqual(['e1'])
  })
})

describe('a long boot', () => {
  beforeEach(() => {
    origin.bootSteps = [
      { stage: 'migrating', done: 1, total: 1 },
      ...Array.from({ length: 60 }, (_, i) => {
        return { stage: 'rehydrating' as const, done: i + 1, total: 60 }
      }),
    ]
  })

  test('is told to every tab in order, while it goes on', async () => {
    const [first, second] = [origin.openTab(), origin.openTab()]
    let heardByFirst: number | undefined
    for (let turn = 0; turn < 200; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (second.statuses.length > 0) heardByFirst ??= first.statuses.length
    }
    expect(first.statuses.map(({ stage }) => stage)).toEqual([
      'migrating',
      ...Array(60).fill('rehydrating'),
      'done',
    ])
    // The follower hears of it from when it is paired, that is after the first stage.
    expect(first.statuses.slice(-second.statuses.length)).toEqual(second.statuses)
    expect(second.statuses.length).toBeGreaterThan(10)
    expect(heardByFirst, 'before it is over').toBeLessThan(first.statuses.length - 10)
  })

  test.each(['first', 'second'])(
    'blocks nobody when the %s tab is closed meanwhile',
    async (who) => {
      const [first, second, third] = [origin.openTab(), origin.openTab(), origin.openTab()]
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(origin.bootSteps.length, 'it is under way').toBeGreaterThan(0)
      void (who === 'first' ? first : second).close()
      third.commit('e1')
      await settle()
      await settle()
      expect(third.statuses.at(-1)?.stage).toBe('done')
      expect([origin.stored, third.pending]).toEqual([['e1'], []])
    },
  )
})

describe('another build of the app', () => {
  test('leads from behind another shared worker: the tab fails instead of hanging', async () => {
    const first = origin.openTab({ build: 'build-1' })
    await settle()
    const second = origin.openTab({ build: 'build-2' })
    await origin.clock.advance(leaderUnreachableCheckMs * 2 + 1)
    expect(second.failures.map(({ code }) => code)).toEqual(['ProtocolMismatch'])
    first.commit('e1')
    await settle()
    expect(origin.stored).toEqual(['e1'])
  })

  test('that closes in time leaves the lead to the waiting tab', async () => {
    const first = origin.openTab({ build: 'build-1' })
    await settle()
    const second = origin.openTab({ build: 'build-2' })
    await origin.clock.advance(leaderUnreachableCheckMs)
    await first.close()
    await origin.clock.advance(leaderUnreachableCheckMs * 3)
    expect(second.failures).toEqual([])
    expect(leaders(first, second)).toEqual(['t2'])
  })
})

describe('storage', () => {
  test('that is refused: the store runs in memory, says why, and every tab knows it', async () => {
    origin.opfs.refusal = new DOMException('not in this window', 'SecurityError')
    const [first, second] = [origin.openTab(), origin.openTab()]
    await settle()
    first.commit('e1')
    await settle()
    for (const tab of [first, second]) {
      expect(tab.tab.storageMode).toBe('in-memory')
      expect(tab.heard.slice(0, 2)).toEqual(['boot-status', 'boot-status'])
      expect(tab.shown).toEqual(['e1'])
    }
  })

  test('handles that a dying leader still holds are waited for', async () => {
    const stuck = new DOMException('still open', 'NoModificationAllowedError')
    origin.opfs.handleRefusal = stuck
    const tab = origin.openTab()
    await origin.clock.advance(2_000)
    expect(tab.heard).toEqual([])
    origin.opfs.handleRefusal = undefined
    await origin.clock.advance(500)
    tab.commit('e1')
    await settle()
    expect(origin.stored).toEqual(['e1'])
  })

  test('handles that stay held end in StorageBusy', async () => {
    origin.opfs.handleRefusal = new DOMException('still open', 'NoModificationAllowedError')
    const tab = origin.openTab()
    await origin.clock.advance(20_000)
    expect(tab.failures.map(({ code }) => code)).toEqual(['StorageBusy'])
  })

  test('reset removes what is stored when the tab leads at once', async () => {
    const first = origin.openTab()
    await settle()
    first.commit('old')
    await settle()
    await first.close()
    const second = origin.openTab({ resetPersistence: true })
    await settle()
    second.commit('new')
    await settle()
    expect(origin.stored).toEqual(['new'])
  })

  test('reset removes journals too, but not where it is ignored', async () => {
    const storage = new TestStorage()
    const journals = (): Journals =>
      new Journals({ localStorage: () => storage, onError: () => undefined }, 'store')
    const left = new TextEncoder().encode('["left"]')
    journals().write('gone-1', left)
    const first = origin.openTab({ resetPersistence: true, journals: journals() })
    await settle()
    expect(origin.stored).toEqual([])
    journals().write('gone-2', left)
    const second = origin.openTab({ resetPersistence: true, journals: journals() })
    await settle()
    expect(first.shown).toEqual(['left'])
    expect(second.shown).toEqual(['left'])
    expect(storage.length).toBe(0)
  })

  test('reset is ignored for good where another tab leads, with a warning', async () => {
    const first = origin.openTab()
    await settle()
    first.commit('kept')
    await settle()
    const second = origin.openTab({ resetPersistence: true })
    await settle()
    expect(second.warnings).toHaveLength(1)
    await first.close()
    await settle()
    expect(leaders(second)).toEqual(['t2'])
    expect(origin.stored).toEqual(['kept'])
  })
})

test('TestWorker scripts run after their tab had the time to send the first message', async () => {
  // The doubles are only worth something if they keep the browser's order.
  const order: string[] = []
  const { TestContext } = await import('../../test/doubles.js')
  const worker = new TestWorker(new TestContext(), () => order.push('script'))
  order.push('constructed')
  worker.postMessage('hello')
  worker.scope.addEventListener('message', () => order.push('message'))
  await settle()
  expect(order).toEqual(['constructed', 'script', 'message'])
})
