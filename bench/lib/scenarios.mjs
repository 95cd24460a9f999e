/**
 * What is measured, in which dose, and which bar each figure has to reach.
 *
 * A scenario takes one sample of one side: it gets a fresh browser (or a copy of a prepared
 * profile), returns metrics and knows nothing of the other side.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launchBrowser } from './browser.mjs'
import { startCpuCount } from './cpu.mjs'
import { fileSizes } from './server.mjs'
import { cacheDirectory } from './sides.mjs'

const bootsPerSample = 3
/** How long a page of the prepared profile is left alone before it is closed. */
const restMs = 3_000
// What a page fetches within this time after its store is ready still counts: it was asked for
// before.
const fetchGraceMs = 500

// One sample in a browser of its own. `use(browser)` returns metrics; CPU time is added to them.
const withBrowser = async (side, { profile, use }) => {
  const directory = mkdtempSync(join(tmpdir(), `livestore-bench-${side.name}-`))
  try {
    if (profile !== undefined) copyProfile(profile, directory)
    const browser = await launchBrowser(directory, side.name, side.server.port)
    try {
      await browser.openBlank()
      const stopCpuCount = startCpuCount(directory)
      const metrics = await use(browser)
      const { cpuMs, others } = stopCpuCount()
      return {
        metrics: cpuMs === undefined ? metrics : { ...metrics, 'CPU ms, all processes': cpuMs },
        others,
      }
    } finally {
      await browser.close()
    }
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/**
 * With the times of the files to the nanosecond, which cpSync rounds: who reads them must not see
 * that it is a copy. Chromium marks a profile in use by links named Singleton*, which must not
 * travel.
 */
const copyProfile = (from, to) => {
  mkdirSync(to, { recursive: true })
  execFileSync('cp', ['-Rp', `${from}/.`, to])
  for (const name of readdirSync(to)) {
    if (name.startsWith('Singleton')) rmSync(join(to, name), { force: true })
  }
}

/**
 * The profile of a browser that has `events` events in the log and has loaded the page a few times,
 * so that the browser's code cache is warm too. Made once for each state of the side and kept in
 * the cache.
 */
const preparedProfile = async (side, events, say) => {
  const profiles = join(cacheDirectory, 'profiles')
  const profile = join(profiles, `${side.name}-${events}-${side.dataKey}`)
  if (existsSync(profile)) return profile
  say(`preparing ${events.toLocaleString('en')} events for ${side.name}`)
  mkdirSync(profiles, { recursive: true })
  // What earlier states of the side left is of no use any more.
  for (const entry of readdirSync(profiles)) {
    if (entry.startsWith(`${side.name}-${events}-`)) {
      rmSync(join(profiles, entry), { recursive: true, force: true })
    }
  }
  const unfinished = `${profile}.unfinished`
  const browser = await launchBrowser(unfinished, side.name, side.server.port)
  try {
    const app = await browser.openApp()
    await app.run('prepareTodos', { events })
    await app.close()
    for (let load = 0; load < 3; load += 1) {
      const reloaded = await browser.openApp()
      await reloaded.run('checkTodos', { events })
      // As somebody who looks at the page; what a side does at rest is done then.
      await new Promise((resolve) => setTimeout(resolve, restMs))
      await reloaded.close()
    }
  } finally {
    await browser.close()
  }
  renameSync(unfinished, profile)
  return profile
}

const inFreshStore = (scenario, options) => (side) =>
  withBrowser(side, {
    use: async (browser) => {
      const app = await browser.openApp()
      return app.run(scenario, options)
    },
  })

const commits = (liveQueries, bars) => ({
  name: `commit of one event, 1,000 rows, ${liveQueries} live queries`,
  key: `commit-${liveQueries}`,
  bars,
  sample: ({ quick }) =>
    inFreshStore('commits', { rows: 1_000, liveQueries, commits: quick ? 60 : 300, pauseMs: 4 }),
})

const sampleWarmBoot =
  ({ events, say }) =>
  async (side) => {
    const profile = await preparedProfile(side, events, say)
    return withBrowser(side, {
      profile,
      use: async (browser) => {
        const readyMs = []
        const firstQueryMs = []
        const openAndQueryMs = []
        for (let boot = 0; boot < bootsPerSample; boot += 1) {
          const app = await browser.openApp()
          readyMs.push(app.readyMs)
          const checked = await app.run('checkTodos', { events })
          firstQueryMs.push(checked['first query ms'])
          openAndQueryMs.push(app.openMs + checked['first query ms'])
          await app.close()
        }
        return {
          'store ready ms': readyMs,
          'first query ms': firstQueryMs,
          'createStore to first query ms': openAndQueryMs,
        }
      },
    })
  }

const sampleRebuild =
  ({ events, say }) =>
  async (side) => {
    const profile = await preparedProfile(side, events, say)
    return withBrowser(side, {
      profile,
      use: async (browser) => {
        const app = await browser.openApp({ schema: 2 })
        await app.run('checkTodos', { events })
        return { 'store ready ms': app.readyMs }
      },
    })
  }

/** An author and one other page. */
const sampleTwoTabs =
  ({ rows, commits, events, bursts }) =>
  (side) =>
    withBrowser(side, {
      use: async (browser) => {
        const author = await browser.openApp()
        await author.run('seed', { rows })
        const other = await browser.openApp()
        await other.run('followAuthor', { step: events })
        const ways = await author.run('renameForOther', { commits, pauseMs: 10 })
        const burst = await author.run('sendBurst', { events, batch: 100, bursts })
        return { ...ways, ...burst }
      },
    })

/** The page that leads is closed while the page beside it commits; then the next, and so on. */
const sampleTakeovers =
  ({ rows, takeovers }) =>
  (side) =>
    withBrowser(side, {
      use: async (browser) => {
        let leading = await browser.openApp()
        await leading.run('seed', { rows })
        const waits = []
        for (let takeover = 0; takeover < takeovers; takeover += 1) {
          const other = await browser.openApp()
          await leading.run('tellEnd', {})
          const watched = other.run('commitThroughTakeover', { id: takeover, afterMs: 1_000 })
          await new Promise((resolve) => setTimeout(resolve, 200))
          await leading.close()
          const { 'longest wait ms': wait } = await watched
          waits.push(wait)
          leading = other
        }
        return { 'longest wait for the leader ms': waits }
      },
    })

/** The same commits in one of `tabs` pages of the store. */
const sampleCommitsBeside =
  ({ tabs, ...options }) =>
  (side) =>
    withBrowser(side, {
      use: async (browser) => {
        const author = await browser.openApp()
        for (let tab = 1; tab < tabs; tab += 1) await browser.openApp()
        const { 'median ms': pausing, 'back to back: median ms': backToBack } = await author.run(
          'commits',
          options,
        )
        return { pausing, backToBack }
      },
    })

const sampleCommitsByTabs = (options) => async (side) => {
  const alone = await sampleCommitsBeside({ ...options, tabs: 1 })(side)
  const five = await sampleCommitsBeside({ ...options, tabs: 5 })(side)
  return {
    metrics: {
      '1 tab: median ms': alone.metrics.pausing,
      '5 tabs: median ms': five.metrics.pausing,
      '1 tab: back to back: median ms': alone.metrics.backToBack,
      '5 tabs: back to back: median ms': five.metrics.backToBack,
    },
    others: five.others,
  }
}

const sampleColdBoot = () => (side) =>
  withBrowser(side, {
    use: async (browser) => ({ 'store ready ms': (await browser.openApp()).readyMs }),
  })

const sampleBytes = () => async (side) => {
  const { state } = side.server
  state.cached = false
  try {
    return await withBrowser(side, {
      use: async (browser) => {
        state.fetched.length = 0
        const { readyMs } = await browser.openApp()
        await new Promise((resolve) => setTimeout(resolve, fetchGraceMs))
        const fetched = [...state.fetched]
        const total = (paths, measure) =>
          paths.reduce((sum, path) => sum + fileSizes(join(side.distDirectory, path))[measure], 0) /
          1000
        const distinct = [...new Set(fetched)]
        const wasm = fetched.filter((path) => path.endsWith('.wasm'))
        return {
          'gzip KB, as often as fetched': total(fetched, 'gzip'),
          'gzip KB, each file once': total(distinct, 'gzip'),
          'brotli KB, each file once': total(distinct, 'brotli'),
          'raw KB, each file once': total(distinct, 'raw'),
          'wasm: times fetched': wasm.length,
          'wasm: gzip KB, once': total([...new Set(wasm)], 'gzip'),
          requests: fetched.length,
          'first visit: store ready ms': readyMs,
        }
      },
    })
  } finally {
    state.cached = true
  }
}

const bootEvents = (quick) => (quick ? 1_000 : 10_000)

/**
 * All scenarios, in the order of the table. `bars` maps a metric to what must be reached: `{ ratio
 * }` = at least that many times faster than the peer, `{ atMost }` and `{ atLeast }` = our figure
 * itself.
 * `repetitionsMax` bounds the slow ones.
 */
export const scenarios = [
  commits(0, {}),
  commits(10, { 'median ms': { ratio: 10 }, 'back to back: median ms': { ratio: 10 } }),
  commits(100, {}),
  {
    name: '1,000 events in one commit',
    key: 'batch',
    bars: { 'call ms': { ratio: 10 }, 'persisted ms': { ratio: 10 } },
    sample: ({ quick }) =>
      inFreshStore('batches', { rows: 1_000, events: 1_000, batches: quick ? 2 : 4 }),
  },
  {
    name: 'query of n of 20,000 rows, 8 columns',
    key: 'query',
    bars: { '10,000 rows: median ms': { ratio: 5 } },
    sample: ({ quick }) =>
      inFreshStore('queries', {
        rows: 20_000,
        rounds: quick ? { 1: 100, 100: 40, 10000: 6 } : { 1: 500, 100: 100, 10000: 20 },
      }),
  },
  {
    name: 'live query over 10,000 rows, one changes',
    key: 'live',
    bars: {},
    sample: ({ quick }) => inFreshStore('liveQuery', { rows: 10_000, changes: quick ? 7 : 21 }),
  },
  {
    name: 'two tabs, 1,000 rows',
    key: 'two-tabs',
    bars: { 'events/s': { atLeast: 20_000 }, 'commit to live query: p50 ms': { atMost: 3 } },
    repetitionsMax: 3,
    sample: ({ quick }) =>
      sampleTwoTabs({
        rows: 1_000,
        commits: quick ? 50 : 200,
        events: quick ? 1_000 : 10_000,
        bursts: 2,
      }),
  },
  {
    name: 'commit of one event, 10 live queries, by tabs',
    key: 'commit-tabs',
    bars: {},
    sample: ({ quick }) =>
      sampleCommitsByTabs({ rows: 1_000, liveQueries: 10, commits: quick ? 60 : 300, pauseMs: 4 }),
  },
  {
    name: 'the leading tab is closed, 10,000 rows',
    key: 'takeover',
    bars: { 'longest wait for the leader ms': { atMost: 300 } },
    sample: ({ quick }) => sampleTakeovers({ rows: 10_000, takeovers: quick ? 1 : 4 }),
  },
  {
    name: 'cold boot: first visit, nothing cached or stored',
    key: 'cold-boot',
    bars: { 'store ready ms': { atMost: 400 } },
    sample: () => sampleColdBoot(),
  },
  {
    name: 'warm boot, 10,000 events in the log',
    key: 'boot',
    bars: { 'store ready ms': { ratio: 3 }, 'createStore to first query ms': { atMost: 100 } },
    sample: ({ quick, say }) => sampleWarmBoot({ events: bootEvents(quick), say }),
  },
  {
    name: 'boot after a schema change, 10,000 events',
    key: 'rebuild',
    bars: { 'store ready ms': { ratio: 50 } },
    repetitionsMax: 3,
    sample: ({ quick, say }) => sampleRebuild({ events: bootEvents(quick), say }),
  },
  {
    name: 'bytes until interactive, without React',
    key: 'bytes',
    bars: { 'gzip KB, as often as fetched': { atMost: 420 } },
    repetitionsMax: 1,
    sample: () => sampleBytes(),
  },
]
