/**
 * The scenarios with several tabs: what the page that commits does, and what the page beside it
 * does.
 *
 *     author page ── store ──► leader ── store ──► other page
 *          ▲                                          │
 *          └──────────── BroadcastChannel ◄───────────┘
 *
 * Pages have clocks of their own. A time from one page to the other is taken on the author's clock:
 * how far the two are apart is measured first, over the channel.
 */

import type { BenchStore } from './main.js'
import { itemEvents, items, todoEvents, todos } from './schema.js'
import { queryDb } from './side/livestore.js'
import { expectRows, type Metrics, nextTask, quantile, settle, sleep } from './steps.js'

/** What the page beside tells the author. */
type FromOther =
  | { readonly what: 'counted'; readonly todos: number }
  | { readonly what: 'shown'; readonly title: string; readonly at: number }
  | { readonly what: 'clock'; readonly at: number }

const channel = new BroadcastChannel('bench')
const answerTimeoutMs = 40_000

const tellAuthor = (message: FromOther): void => channel.postMessage(message)

/** In the page beside the author's: tells of every step of `step` todos, and of every renaming. */
export const followAuthor = async (
  store: BenchStore,
  options: { step: number },
): Promise<Metrics> => {
  channel.onmessage = () => tellAuthor({ what: 'clock', at: performance.now() })
  let told = 0
  store.subscribe(queryDb(todos.count()), (count: number) => {
    if (count < told + options.step) return
    told = count
    tellAuthor({ what: 'counted', todos: count })
  })
  store.subscribe(queryDb(items.where({ id: 'item-0' })), (rows) => {
    tellAuthor({ what: 'shown', title: rows[0]?.title ?? '', at: performance.now() })
  })
  return {}
}

/** Resolves with the first message that `take` makes something of. */
const hear = async <T>(
  what: string,
  take: (message: FromOther) => T | undefined,
  then: () => void,
): Promise<T> => {
  const heard = new Promise<T>((resolve) => {
    channel.onmessage = ({ data }) => {
      const taken = take(data as FromOther)
      if (taken !== undefined) resolve(taken)
    }
  })
  then()
  return orTimeout(heard, `the other page did not tell: ${what}`)
}

/** What to add to a time of the other page, from the quickest of some exchanges. */
const otherClockOffset = async (): Promise<number> => {
  const exchanges: { readonly tookMs: number; readonly offset: number }[] = []
  for (let index = 0; index < 50; index += 1) {
    const start = performance.now()
    const at = await hear(
      'its time',
      (message) => (message.what === 'clock' ? message.at : undefined),
      () => channel.postMessage('clock'),
    )
    const end = performance.now()
    exchanges.push({ tookMs: end - start, offset: (start + end) / 2 - at })
  }
  return exchanges.toSorted((a, b) => a.tookMs - b.tookMs)[0]?.offset ?? 0
}

/** From a commit here until a live query in the other page shows it, one commit at a time. */
export const renameForOther = async (
  store: BenchStore,
  options: { commits: number; pauseMs: number },
): Promise<Metrics> => {
  const offset = await otherClockOffset()
  const times: number[] = []
  const warmUpCommits = 20
  for (let index = 0; index < options.commits + warmUpCommits; index += 1) {
    const title = `Renamed ${index}`
    let start = 0
    const shownAt = await hear(
      title,
      (message) => (message.what === 'shown' && message.title === title ? message.at : undefined),
      () => {
        start = performance.now()
        store.commit(itemEvents.renamed({ id: 'item-0', title }))
      },
    )
    if (index >= warmUpCommits) times.push(shownAt + offset - start)
    await sleep(options.pauseMs)
  }
  return {
    'commit to live query: p50 ms': quantile(times, 0.5),
    'commit to live query: p95 ms': quantile(times, 0.95),
  }
}

/**
 * `events` events in commits of `batch`, one task each, until the other page's live query has
 * counted them all.
 */
export const sendBurst = async (
  store: BenchStore,
  options: { events: number; batch: number; bursts: number },
): Promise<Metrics> => {
  const rates: number[] = []
  for (let burst = 0; burst < options.bursts; burst += 1) {
    const expected = (burst + 1) * options.events
    const start = performance.now()
    const counted = hear(
      `${expected} todos`,
      (message) => (message.what === 'counted' && message.todos === expected ? true : undefined),
      () => undefined,
    )
    for (let first = 0; first < options.events; first += options.batch) {
      const events = Array.from({ length: options.batch }, (_, index) => {
        const number = burst * options.events + first + index
        return todoEvents.created({ id: `todo-${number}`, text: `Todo number ${number}` })
      })
      store.commit(...events)
      await nextTask()
    }
    await counted
    rates.push((options.events / (performance.now() - start)) * 1_000)
    expectRows('todos of the author', store.query(todos.count()), expected)
    await settle(store)
  }
  return {
    'events/s, fresh pages': rates[0] ?? 0,
    'events/s': quantile(rates.slice(1), 0.5),
  }
}

/** In the page that is to be closed: the other one hears that it ends. */
export const tellEnd = async (): Promise<Metrics> => {
  addEventListener('pagehide', () => channel.postMessage('end'))
  return {}
}

/**
 * In the page beside one that leads and is closed: commits all the time, and tells how long an
 * event had to wait at most until the leader, which one ever, had taken it.
 */
export const commitThroughTakeover = async (
  store: BenchStore,
  options: { id: number; afterMs: number },
): Promise<Metrics> => {
  let ended: number | undefined
  channel.onmessage = ({ data }) => {
    if (data === 'end') ended = performance.now()
  }
  const committedAt: number[] = []
  const waits: number[] = []
  const begin = performance.now()
  let lastCommit = 0
  while (waits.length < committedAt.length || !isOver(ended, options.afterMs)) {
    const now = performance.now()
    if (now - begin > answerTimeoutMs) {
      throw new Error(`${committedAt.length - waits.length} events were never taken`)
    }
    if (now - lastCommit > 5 && !isOver(ended, options.afterMs)) {
      const id = `takeover-${options.id}-${committedAt.length}`
      store.commit(todoEvents.created({ id, text: 'During a takeover' }))
      committedAt.push(now)
      lastCommit = now
    }
    const taken = committedAt.length - store.syncStatus().pendingCount
    while (waits.length < taken) waits.push(performance.now() - (committedAt[waits.length] ?? 0))
    await nextTask()
  }
  return { 'longest wait ms': Math.max(...waits) }
}

const isOver = (ended: number | undefined, afterMs: number): boolean =>
  ended !== undefined && performance.now() - ended > afterMs

const orTimeout = async <T>(promise: Promise<T>, message: string): Promise<T> => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), answerTimeoutMs)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
