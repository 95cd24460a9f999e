/**
 * What the page does in each scenario: plain functions on a store, the same for both sides.
 *
 * Times are taken around synchronous calls with a clock of 5 microseconds (the server makes the
 * page cross-origin isolated for that). Whatever a query returns is read to the last cell inside
 * the measured time, so a side that builds its rows lazily gains nothing by it.
 */

import { checkTodos, prepareTodos } from './boot-data.js'
import type { BenchStore } from './main.js'
import { itemEvents, items } from './schema.js'
import { queryDb } from './side/livestore.js'
import {
  expectRows,
  type Metrics,
  quantile,
  quietMs,
  settle,
  sleep,
  untilPersisted,
} from './steps.js'
import { commitThroughTakeover, followAuthor, renameForOther, sendBurst, tellEnd } from './tabs.js'

type ItemRow = {
  readonly id: string
  readonly title: string
  readonly amount: number
  readonly done: boolean
  readonly createdAt: Date
  readonly note: string | null
  readonly score: number
  readonly tags: unknown
}

const readCells = (rows: readonly ItemRow[]): number => {
  let sum = 0
  for (const row of rows) {
    sum += row.id.length + row.title.length + row.amount + row.createdAt.getTime() + row.score
    sum += (row.done ? 1 : 0) + (row.note === null ? 0 : row.note.length)
    sum += (row.tags as readonly string[]).length
  }
  return sum
}

const seedItems = async (store: BenchStore, rows: number): Promise<void> => {
  store.commit(itemEvents.seeded({ first: 0, last: rows - 1 }))
  expectRows('seeding', store.query(items.count()), rows)
  await settle(store)
}

const seed = async (store: BenchStore, options: { rows: number }): Promise<Metrics> => {
  await seedItems(store, options.rows)
  return {}
}

const createdItem = (id: string, number: number) =>
  itemEvents.created({
    id,
    title: `Title of item number ${number}`,
    amount: number % 100,
    done: number % 2 === 0,
    createdAtMs: 1_700_000_000_000 + number,
    note: number % 3 === 0 ? null : `A note on item ${number}`,
    score: number * 0.5,
    tags: [`tag-${number % 7}`, `tag-${number % 11}`],
  })

/**
 * Single commits over `rows` rows with `liveQueries` live queries, half of them on one row by its
 * key, half on up to ten rows by an indexed column. Each commit renames a row that one live query
 * of either kind shows (if there are any). First the page pauses between commits, as it does
 * between the actions of a user; then it commits back to back.
 */
const measureCommits = async (
  store: BenchStore,
  options: { rows: number; liveQueries: number; commits: number; pauseMs: number },
): Promise<Metrics> => {
  await seedItems(store, options.rows)
  const shownRows = options.liveQueries / 2
  let callbacks = 0
  const onRows = (rows: readonly ItemRow[]): void => {
    callbacks += 1
    readCells(rows)
  }
  for (let index = 0; index < shownRows; index += 1) {
    store.subscribe(queryDb(items.where({ id: `item-${index}` })), onRows)
    store.subscribe(queryDb(items.where({ amount: index }).limit(10)), onRows)
  }
  expectRows('first runs of the live queries', callbacks, options.liveQueries)

  const changedRows = shownRows === 0 ? options.rows : shownRows
  const rename = (index: number, title: string): void =>
    store.commit(itemEvents.renamed({ id: `item-${index % changedRows}`, title }))
  const warmUpCommits = 20
  for (let index = 0; index < warmUpCommits; index += 1) {
    rename(index, `Warm-up ${index}`)
    await sleep(options.pauseMs)
  }
  await settle(store)

  callbacks = 0
  const times: number[] = []
  const backToBackTimes: number[] = []
  for (let index = 0; index < options.commits * 2; index += 1) {
    const pausing = index < options.commits
    const title = `Renamed by commit ${index}`
    const start = performance.now()
    rename(index, title)
    const elapsed = performance.now() - start
    ;(pausing ? times : backToBackTimes).push(elapsed)
    if (pausing) await sleep(options.pauseMs)
    if (index === options.commits - 1) await settle(store)
  }
  const lastIndex = options.commits * 2 - 1
  const lastId = `item-${lastIndex % changedRows}`
  const lastTitle = store.query(items.where({ id: lastId }))[0]?.title
  if (lastTitle !== `Renamed by commit ${lastIndex}`) {
    throw new Error(`the last commit is not visible: ${lastId} is titled ${lastTitle}`)
  }
  await untilPersisted(store)
  return {
    'median ms': quantile(times, 0.5),
    'p95 ms': quantile(times, 0.95),
    'back to back: median ms': quantile(backToBackTimes, 0.5),
    'callbacks per commit': callbacks / (options.commits * 2),
  }
}

/**
 * One call with `events` events, over a table of `rows` rows; then again, when code and caches are
 * warm.
 */
const measureBatches = async (
  store: BenchStore,
  options: { rows: number; events: number; batches: number },
): Promise<Metrics> => {
  await seedItems(store, options.rows)
  store.commit(createdItem('warm-up', 0))
  await settle(store)
  const callMs: number[] = []
  const persistedMs: number[] = []
  for (let batch = 0; batch < options.batches; batch += 1) {
    const events = Array.from({ length: options.events }, (_, index) =>
      createdItem(`batch-${batch}-${index}`, index),
    )
    const start = performance.now()
    store.commit(...events)
    callMs.push(performance.now() - start)
    await untilPersisted(store)
    persistedMs.push(performance.now() - start)
    await sleep(quietMs)
  }
  const expected = options.rows + 1 + options.batches * options.events
  expectRows('after the batches', store.query(items.count()), expected)
  return {
    'call ms': quantile(callMs.slice(0, 1), 0.5),
    'persisted ms': quantile(persistedMs.slice(0, 1), 0.5),
    'call ms, warmed up': quantile(callMs.slice(1), 0.5),
    'persisted ms, warmed up': quantile(persistedMs.slice(1), 0.5),
  }
}

/**
 * Queries of 1, 100 and 10,000 of `rows` rows, each with binds of its own, so that no cache of
 * results answers.
 */
const measureQueries = async (
  store: BenchStore,
  options: { rows: number; rounds: Record<'1' | '100' | '10000', number> },
): Promise<Metrics> => {
  await seedItems(store, options.rows)
  const metrics: Metrics = {}
  for (const [size, rounds] of Object.entries(options.rounds)) {
    const count = Number(size)
    const times: number[] = []
    const warmUpRounds = Math.ceil(rounds / 5)
    for (let round = 0; round < rounds + warmUpRounds; round += 1) {
      const start = performance.now()
      const rows =
        count === 1
          ? store.query(items.where({ id: `item-${round}` }))
          : store.query(items.offset(round).limit(count))
      readCells(rows)
      const elapsed = performance.now() - start
      expectRows(`query of ${size}`, rows.length, count)
      if (round >= warmUpRounds) times.push(elapsed)
      if (round % 10 === 0) await sleep(0)
    }
    metrics[`${count.toLocaleString('en')} ${count === 1 ? 'row' : 'rows'}: median ms`] = quantile(
      times,
      0.5,
    )
  }
  return metrics
}

/**
 * A live query over all `rows` rows: from the call of commit until its callback has read the new
 * result.
 */
const measureLiveQuery = async (
  store: BenchStore,
  options: { rows: number; changes: number },
): Promise<Metrics> => {
  await seedItems(store, options.rows)
  let callbacks = 0
  let shown: readonly ItemRow[] = []
  store.subscribe(queryDb(items.limit(options.rows)), (rows: readonly ItemRow[]) => {
    callbacks += 1
    readCells(rows)
    shown = rows
  })
  expectRows('live query', shown.length, options.rows)
  const warmUpChanges = 3
  const times: number[] = []
  for (let change = 0; change < options.changes + warmUpChanges; change += 1) {
    const index = (change * 397) % options.rows
    const title = `Changed ${change}`
    const start = performance.now()
    store.commit(itemEvents.renamed({ id: `item-${index}`, title }))
    const elapsed = performance.now() - start
    if (shown[index]?.title !== title) {
      throw new Error(`the live query did not show change ${change} when commit returned`)
    }
    if (change >= warmUpChanges) times.push(elapsed)
    await sleep(50)
  }
  return {
    'median ms': quantile(times, 0.5),
    'p95 ms': quantile(times, 0.95),
    'callbacks per change': (callbacks - 1) / (options.changes + warmUpChanges),
  }
}

const scenarios = {
  commits: measureCommits,
  batches: measureBatches,
  queries: measureQueries,
  liveQuery: measureLiveQuery,
  prepareTodos,
  checkTodos,
  seed,
  followAuthor,
  renameForOther,
  sendBurst,
  tellEnd,
  commitThroughTakeover,
}

/** Runs the scenario `name`; `options` come from the runner, which knows what each one takes. */
export const runScenario = async (
  store: BenchStore,
  name: string,
  options: unknown,
): Promise<Metrics> => {
  if (!Object.hasOwn(scenarios, name)) throw new Error(`no scenario is called ${name}`)
  const scenario = scenarios[name as keyof typeof scenarios] as (
    store: BenchStore,
    options: unknown,
  ) => Metrics | Promise<Metrics>
  return scenario(store, options)
}
