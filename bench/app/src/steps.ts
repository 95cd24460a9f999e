/** Steps that several scenarios share: waiting for the leader, and checking what came of a step. */

import type { BenchStore } from './main.js'

/** What a scenario hands to the runner: figures by name. */
export type Metrics = Record<string, number>

// An accepted event is one the leader has taken: `pendingCount` is what the session still waits
// for. Polled, because both sides offer it and a poll cannot miss a change.
const persistedPollMs = 2
const persistedTimeoutMs = 120_000
export const quietMs = 300

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))

/** Lets everything that waits have its turn, without the pause that nested timers make. */
export const nextTask = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })

/** Resolves when the leader has taken everything this session has committed. */
export const untilPersisted = async (store: BenchStore): Promise<void> => {
  const deadline = performance.now() + persistedTimeoutMs
  for (;;) {
    const { pendingCount } = store.syncStatus()
    if (pendingCount === 0) return
    if (performance.now() > deadline) {
      throw new Error(
        `${pendingCount} events are still pending ${persistedTimeoutMs} ms after the commit`,
      )
    }
    await sleep(persistedPollMs)
  }
}

/** Waits until nothing is pending and the threads have had time to calm down. */
export const settle = async (store: BenchStore): Promise<void> => {
  await untilPersisted(store)
  await sleep(quietMs)
}

/** Throws unless a step left the expected number of rows: a fast wrong result is no result. */
export const expectRows = (what: string, actual: number, expected: number): void => {
  if (actual !== expected) throw new Error(`${what}: expected ${expected} rows, got ${actual}`)
}

/** The value below which `share` of the values are. */
export const quantile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  if (value === undefined) throw new Error('no values measured')
  return value
}
