/**
 * What the sync server does in a second, at the wire: pushes in batches of 50, pulls, live events.
 *
 *     node bench/sync-server.mjs [--storage sqlite|postgres|workerd] [--events 100000]
 *
 * The server is the built package's (`npm run build`), a process of its own with its data in the
 * system's folder for temporary files, on the same machine as the client. Durable: SQLite flushes
 * before it answers, and so does PostgreSQL, which is started for the occasion by `initdb`. With
 * workerd it is the Cloudflare worker, in the runtime of npm's miniflare, which is for development.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as esbuild from 'esbuild'
import { WebSocket } from 'ws'

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const batchEvents = 50
const text = 'x'.repeat(100)

const eventAt = (seqNum) => ({
  name: 'v1.TodoCreated',
  args: { id: `event-${seqNum}`, text },
  seqNum,
  parentSeqNum: seqNum - 1,
  clientId: 'bench',
  sessionId: 'bench',
})

/** A client that parses what it must and acknowledges every page. */
class Client {
  #socket
  #storeId
  #exits = new Map()
  #onPage = new Map()
  #nextId = 0

  static async open(url, storeId) {
    const client = new Client()
    client.#storeId = storeId
    const address = `${url.replace('http', 'ws')}/?storeId=${storeId}&transport=ws`
    client.#socket = new WebSocket(address, { perMessageDeflate: false })
    client.#socket.on('message', (data) => client.#receive(JSON.parse(String(data))))
    await new Promise((resolve, reject) => {
      client.#socket.once('open', resolve)
      client.#socket.once('error', reject)
    })
    return client
  }

  #receive(frame) {
    if (frame._tag === 'Chunk') {
      this.#socket.send(JSON.stringify({ _tag: 'Ack', requestId: frame.requestId }))
      for (const page of frame.values) this.#onPage.get(frame.requestId)?.(page)
    } else if (frame._tag === 'Exit') {
      const { resolve, reject } = this.#exits.get(frame.requestId)
      this.#exits.delete(frame.requestId)
      if (frame.exit._tag === 'Success') resolve()
      else reject(new Error(JSON.stringify(frame.exit)))
    } else throw new Error(JSON.stringify(frame))
  }

  #request(method, payload, onPage) {
    const id = String(this.#nextId++)
    if (onPage !== undefined) this.#onPage.set(id, onPage)
    const ended = new Promise((resolve, reject) => this.#exits.set(id, { resolve, reject }))
    const tag = `SyncWsRpc.${method}`
    const request = { _tag: 'Request', id, tag, payload: { storeId: this.#storeId, ...payload } }
    this.#socket.send(JSON.stringify({ ...request, headers: [] }))
    return ended
  }

  push(batch) {
    return this.#request('Push', { batch, backendId: { _tag: 'None' } })
  }

  pull(onPage, live = false) {
    return this.#request('Pull', { cursor: { _tag: 'None' }, live }, onPage)
  }

  close() {
    this.#socket.close()
  }
}

/** Pushes `count` events after `first - 1`, `inFlight` batches at a time; events per second. */
const pushRate = async (client, first, count, inFlight) => {
  const begin = performance.now()
  const running = new Set()
  for (let next = first; next < first + count; next += batchEvents) {
    const batch = Array.from({ length: batchEvents }, (_, index) => eventAt(next + index))
    const push = client.push(batch).then(() => running.delete(push))
    running.add(push)
    if (running.size >= inFlight) await Promise.race(running)
  }
  await Promise.all(running)
  return (count / (performance.now() - begin)) * 1000
}

const pullMs = async (client, expected) => {
  const begin = performance.now()
  let seen = 0
  await client.pull(({ batch }) => {
    for (const { eventEncoded } of batch) {
      if (eventEncoded.seqNum !== ++seen) throw new Error(`event ${eventEncoded.seqNum} at ${seen}`)
    }
  })
  if (seen !== expected) throw new Error(`${seen} events instead of ${expected}`)
  return performance.now() - begin
}

/** Milliseconds from a push of one event to its arrival at the last of `subscribers`. */
const liveMs = async (url, storeId, subscribers, rounds) => {
  const arrivals = []
  let arrived = () => {}
  let waiting = 0
  const clients = await Promise.all(
    Array.from({ length: subscribers }, async () => {
      const client = await Client.open(url, storeId)
      await new Promise((begun) => {
        client
          .pull(({ batch }) => {
            begun()
            if (batch.length > 0 && --waiting === 0) arrived()
          }, true)
          .catch(() => {})
      })
      return client
    }),
  )
  const pusher = await Client.open(url, storeId)
  for (let round = 1; round <= rounds; round++) {
    waiting = subscribers
    const begin = performance.now()
    const all = new Promise((resolve) => {
      arrived = resolve
    })
    await Promise.all([pusher.push([eventAt(round)]), all])
    arrivals.push(performance.now() - begin)
  }
  for (const client of [...clients, pusher]) client.close()
  arrivals.sort((a, b) => a - b)
  const at = (share) => arrivals[Math.min(Math.floor(arrivals.length * share), rounds - 1)]
  return { p50: at(0.5), p99: at(0.99) }
}

/** The worker of the package as an app would write it. */
const startWorker = async () => {
  const { Miniflare } = await import('miniflare')
  const resolveDir = fileURLToPath(new URL('..', import.meta.url))
  const contents = `
    import { makeDurableObject, makeWorker } from './dist/sync-cf/cf-worker.js'
    export class SyncBackendDO extends makeDurableObject() {}
    export default makeWorker({ syncBackendBinding: 'SYNC' })`
  const bundled = await esbuild.build({
    stdin: { contents, resolveDir },
    bundle: true,
    format: 'esm',
    write: false,
  })
  const runtime = new Miniflare({
    modules: true,
    script: bundled.outputFiles[0].text,
    compatibilityDate: '2025-05-08',
    durableObjects: { SYNC: { className: 'SyncBackendDO', useSQLite: true } },
    durableObjectsPersist: folder,
    cf: false,
  })
  return { url: (await runtime.ready).origin, stop: () => runtime.dispose() }
}

const startServer = async (args) => {
  const child = spawn(process.execPath, [cli, 'serve', '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await new Promise((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (part) => {
      output += part
      const found = /"url":"([^"]+)"/.exec(output)
      if (found !== null) resolve(found[1])
    })
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${output}`)))
  })
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }
  return { url, stop }
}

/** The PostgreSQL of the tests, which is TypeScript. */
const startPostgres = async (folder) => {
  const source = fileURLToPath(new URL('../js/src/sync-server/test/postgres.ts', import.meta.url))
  const outfile = join(folder, 'postgres.mjs')
  const platform = 'node'
  await esbuild.build({ entryPoints: [source], outfile, format: 'esm', platform, bundle: true })
  return (await import(outfile)).startPostgres({ durable: true })
}

const { values } = parseArgs({
  options: {
    storage: { type: 'string', default: 'sqlite' },
    events: { type: 'string', default: '100000' },
  },
})
const events = Number(values.events)
if (!existsSync(cli)) throw new Error('build the package first: npm run build')
const folder = mkdtempSync(join(tmpdir(), 'livestore-bench-sync-'))
const postgres = values.storage === 'postgres' ? await startPostgres(folder) : undefined
const { url, stop } =
  values.storage === 'workerd'
    ? await startWorker()
    : await startServer(postgres === undefined ? ['--data', folder] : ['--postgres', postgres.url])
const line = (what, value, unit) => console.log(`${what.padEnd(44)} ${value.padStart(10)} ${unit}`)
const rate = (perSecond) => Math.round(perSecond).toLocaleString('en')
const ms = (value) => value.toFixed(1)
try {
  console.log(`${values.storage}, ${cpus().length} CPUs, Node ${process.version}`)
  const warm = await Client.open(url, 'warm')
  await pushRate(warm, 1, 5000, 4)
  warm.close()
  const one = await Client.open(url, 'one')
  line('push, one store, one batch at a time', rate(await pushRate(one, 1, 20_000, 1)), 'events/s')
  const more = events - 20_000
  line('push, one store, eight at a time', rate(await pushRate(one, 20_001, more, 8)), 'events/s')
  const eight = await Promise.all(
    Array.from({ length: 8 }, (_, index) => Client.open(url, `eight-${index}`)),
  )
  const rates = await Promise.all(eight.map((client) => pushRate(client, 1, 10_000, 1)))
  const slowest = Math.min(...rates) * 8
  line('push, eight stores, one batch each', rate(slowest), 'events/s')
  line('pull 10,000', ms(await pullMs(eight[0], 10_000)), 'ms')
  line(`pull ${events.toLocaleString('en')}`, ms(await pullMs(one, events)), 'ms')
  for (const subscribers of [1, 20]) {
    const { p50, p99 } = await liveMs(url, `live-${subscribers}`, subscribers, 300)
    line(`live, last of ${subscribers} subscribers, p50 / p99`, `${ms(p50)} / ${ms(p99)}`, 'ms')
  }
  for (const client of [one, ...eight]) client.close()
} finally {
  await stop()
  await postgres?.stop()
  rmSync(folder, { recursive: true, force: true })
}
