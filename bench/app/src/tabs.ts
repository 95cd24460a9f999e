/**
 * The scenarios with several tabs: what the page that commits does, and what the page beside it
 * does.
 *
 *     author page ── store ──► leader ── store ──► other page
 *          ▲                                          │
 *          └──────────── BroadcastChannel ◄───────────┘
 *
 * Pages have clocks of their own, so every time here begins and ends in one page: the other one
 * answers with a commit of its own, or over a channel, which takes a tenth of a millisecond.
 */

import type { BenchStore } from './main.js'
import { itemEvents, items, todoEvents, todos } from './schema.js'
import { queryDb } from './side/livestore.js'
import { expectRows, type Metrics, nextTask, quantile, settle, sleep } from './steps.js'

/** Why a page that takes part answers at all: it has seen this many todos. */
type Seen = { readonly seen: number }

const channel = new BroadcastChannel('bench')
const answerTimeoutMs = 40_000

/** In the page beside the author's: tells of every step of `step` todos, and answers renamings. */
export const followAuthor = async (
  store: BenchStore,
  options: { step: number },
): Promise<Metrics> => {
  let told = 0
  store.subscribe(queryDb(todos.count()), (count: number) => {
    if (count < told + options.step) return
    told = count
    channel.postMessage({ seen: count } satisfies Seen)
  })
  store.subscribe(queryDb(items.where({ id: 'item-0' })), (rows) => {
    const title = rows[0]?.title ?? ''
    if (!title.startsWith('Question')) return
    // A subscriber is not the place to commit in, for either side.
    queueMicrotask(() => {
      store.commit(itemEvents.renamed({ id: 'item-1', title: title.replace('Question', 'Answer') }))
    })
  })
  return {}
}

/**
 * Half the time from a commit here until a live query here shows what the other page has committed
 * when its live query showed the commit: the way from a commit in one tab to a live query in
 * another, over both directions.
 */
export const askOther = async (
  store: BenchStore,
  options: { questions: number; pauseMs: number },
): Promise<Metrics> => {
  let onAnswer: (title: string) => void = () => {}
  store.subscribe(queryDb(items.where({ id: 'item-1' })), (rows) => onAnswer(rows[0]?.title ?? ''))
  const times: number[] = []
  const warmUpQuestions = 20
  for (let index = 0; index < options.questions + warmUpQuestions; index += 1) {
    const answered = new Promise<void>((resolve) => {
      onAnswer = (title) => {
        if (title === `Answer ${index}`) resolve()
      }
    })
    const start = performance.now()
    store.commit(itemEvents.renamed({ id: 'item-0', title: `Question ${index}` }))
    await orTimeout(answered, `no answer to question ${index}`)
    if (index >= warmUpQuestions) times.push((performance.now() - start) / 2)
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
    const seen = new Promise<void>((resolve) => {
      channel.onmessage = ({ data }) => {
        if ((data as Seen).seen === expected) resolve()
      }
    })
    const start = performance.now()
    for (let first = 0; first < options.events; first += options.batch) {
      const events = Array.from({ length: options.batch }, (_, index) => {
        const number = burst * options.events + first + index
        return todoEvents.created({ id: `todo-${number}`, text: `Todo number ${number}` })
      })
      store.commit(...events)
      await nextTask()
    }
    await orTimeout(seen, `the other page has not seen ${expected} todos`)
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

const orTimeout = async (promise: Promise<void>, message: string): Promise<void> => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), answerTimeoutMs)
  })
  await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
