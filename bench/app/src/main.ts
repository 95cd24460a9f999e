/**
 * The benchmark page: opens the store at once, like any app, and offers the scenarios to the
 * runner.
 *
 * The scenarios are a chunk of their own that is fetched on first use, so that neither boot times
 * nor bytes until interactive contain them. `?schema=2` opens the same store as a new release of
 * the app with another schema.
 */

import { createBenchSchema, type SchemaVersion } from './schema.js'
import { makePersistedAdapter, SharedWorkerClass } from './side/adapter.js'
import { createStorePromise } from './side/livestore.js'
import LeaderWorker1 from './worker-1.ts?worker'
import LeaderWorker2 from './worker-2.ts?worker'

const openStore = (version: SchemaVersion) =>
  createStorePromise({
    schema: createBenchSchema(version),
    adapter: makePersistedAdapter({
      storage: { type: 'opfs' },
      worker: version === 1 ? LeaderWorker1 : LeaderWorker2,
      sharedWorker: SharedWorkerClass,
    }),
    storeId: 'bench',
    confirmUnsavedChanges: false,
  })

export type BenchStore = Awaited<ReturnType<typeof openStore>>

const version = new URLSearchParams(location.search).get('schema') === '2' ? 2 : 1
const calledAt = performance.now()
const opening = openStore(version)

const bench = {
  /** Milliseconds from the start of the navigation until `createStorePromise` was called. */
  calledAt,
  /** The same until the store was ready. */
  ready: opening.then(() => performance.now()),
  run: async (name: string, options: unknown): Promise<unknown> => {
    const store = await opening
    const { runScenario } = await import('./scenarios.js')
    return runScenario(store, name, options)
  },
}

// A failed boot is reported by whoever awaits `ready`; without this line it would also be an
// unhandled rejection.
bench.ready.catch(() => {})

Object.assign(globalThis, { bench })
