/**
 * The adapter without storage or workers: leader and session live in this thread, on one engine,
 * and speak the same messages as between threads. For tests, servers and first steps; works in
 * Node.
 */

import { nanoid } from 'nanoid'
import { nextTurn, systemClock } from '../env.js'
import { isLiveStoreError, messageOf } from '../errors.js'
import { LeaderServer } from '../leader/leader-server.js'
import { createInProcessChannel } from '../protocol/in-process-channel.js'
import type { Adapter, ConnectOptions, SessionLink } from '../store/adapter.js'
import { startSync } from '../sync/initial-sync.js'
import { leaderSyncOptions, syncSetup } from '../sync/options.js'
import { SyncDriver } from '../sync/sync-driver.js'
import { Leader } from '../wasm/leader.js'
import { loadEngine } from '../wasm/load.js'
import { openLeaderPort } from './leader-port.js'
import { checkInMemoryOptions, type InMemoryAdapterOptions } from './options.js'

const generatedIdLength = 6

/**
 * Makes an adapter whose data lives as long as the store. Every store has its own: two with the
 * same id share nothing.
 *
 * @throws LiveStoreError `InvalidArgument` naming the option
 */
export const makeInMemoryAdapter = (options: InMemoryAdapterOptions = {}): Adapter => {
  checkInMemoryOptions(options)
  return { connect: (connectOptions) => connect(options, connectOptions) }
}

const connect = async (
  options: InMemoryAdapterOptions,
  { storeId, schemaDescriptor, materialize, syncPayload }: ConnectOptions,
): Promise<SessionLink> => {
  const { wasmUrl } = options
  const engine = await loadEngine(wasmUrl === undefined ? {} : { wasmUrl })
  const clock = systemClock()
  const clientId = options.clientId ?? nanoid(generatedIdLength)
  const setup = syncSetup('makeInMemoryAdapter', options.sync)
  const leader = Leader.open(engine, {
    schemaDescriptor,
    storage: 'in-memory',
    materialize,
    clientId,
    ...leaderSyncOptions(setup),
  })
  const over = new AbortController()
  let closed = false
  let broken = false
  const server = new LeaderServer({
    clock,
    onCrash: () => {
      broken = true
      sync?.stop()
      over.abort()
    },
    onDrained: () => sync?.drained(),
    onPassing: (events) => sync?.pass(events),
  })
  const sync =
    setup &&
    new SyncDriver({
      clock,
      leader,
      makeBackend: () => setup.makeBackend({ storeId, clientId, payload: syncPayload }),
      setup,
      onPassing: (events) => server.pass(events),
      onFatal: (code, message) => server.end(code, message),
      drainSoon: () => server.drainSoon(),
      onCrash: (error) => server.crash(error),
      warn: (message) => console.warn(`livestore-wasm: ${message}`),
    })
  const channel = createInProcessChannel()
  server.connect(channel.port2)
  const port = openLeaderPort(channel.port1, () => undefined)

  const boot = async (): Promise<void> => {
    for (;;) {
      const { stage, done, total } = leader.bootStep()
      if (stage === 'done') break
      server.reportStatus({ stage, progress: { done, total } })
      await nextTurn(clock)
      if (over.signal.aborted) return
    }
    server.run(leader, 'in-memory')
    if (sync !== undefined) {
      const { signal } = over
      const report = server.reportStatus.bind(server)
      await startSync(sync, { clock, initialSyncMs: setup?.initialSyncMs, report, signal })
    }
    server.serve(leader, 'in-memory')
  }
  const booted = boot().catch((thrown: unknown) => {
    if (over.signal.aborted) return
    const code = isLiveStoreError(thrown) ? thrown.code : 'Internal'
    server.fail(code, `the leader could not boot: ${messageOf(thrown)}`)
  })

  return {
    engine,
    clientId,
    sessionId: options.sessionId ?? nanoid(generatedIdLength),
    storageMode: 'in-memory',
    start: ({ onPort }) => onPort(port),
    close: async () => {
      if (closed) return
      closed = true
      over.abort()
      port.post({ type: 'bye' })
      port.close()
      await booted
      sync?.stop()
      server.shutdown()
      // An engine that broke must not be entered again, not even to close.
      if (!broken) leader.close()
    },
  }
}
