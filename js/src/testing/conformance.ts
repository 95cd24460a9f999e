/**
 * What a sync backend must do, as cases that any test runner can run:
 *
 *     for (const { name, run } of syncBackendCases(makeMyBackend)) test(name, run)
 *
 * Each case uses stores of its own, which nobody has used before, and several clients of one store
 * where it needs them. A case fails by a rejection that says what was expected.
 */

import type { MakeSyncBackend, PullPage, SyncBackend, SyncedEvent } from '../sync/backend.js'

export interface SyncBackendCase {
  readonly name: string
  readonly run: () => Promise<void>
}

export interface ConformanceOptions {
  /** Handed to the backend, as `syncPayload` of a store would be. */
  readonly payload?: unknown
  /** How long a case may take, in milliseconds. Default: 20,000. */
  readonly timeoutMs?: number
}

/** Returns the cases for backends that `make` makes. */
export const syncBackendCases = (
  make: MakeSyncBackend,
  { payload, timeoutMs = 20_000 }: ConformanceOptions = {},
): readonly SyncBackendCase[] =>
  cases.map(([name, run]) => ({
    name,
    run: async () => {
      const world = new World(make, payload)
      let timer: ReturnType<typeof setTimeout> | undefined
      const tooLong = new Promise<never>((_, reject) => {
        const error = new Error(`'${name}' took longer than ${timeoutMs} ms`)
        timer = setTimeout(() => reject(error), timeoutMs)
      })
      try {
        await Promise.race([run(world), tooLong])
      } finally {
        clearTimeout(timer)
        await world.close()
      }
    },
  }))

/** One store and its clients. */
class World {
  readonly storeId = `conformance-${crypto.randomUUID()}`
  readonly #make: MakeSyncBackend
  readonly #payload: unknown
  readonly #end = new AbortController()
  readonly #backends: SyncBackend[] = []

  constructor(make: MakeSyncBackend, payload: unknown) {
    this.#make = make
    this.#payload = payload
  }

  async client(clientId: string, options: { isConnected?: boolean } = {}): Promise<Client> {
    const args = { storeId: this.storeId, clientId, payload: this.#payload }
    const backend = await this.#make(args)
    this.#backends.push(backend)
    if (options.isConnected !== false) await backend.connect?.()
    return new Client(clientId, backend, this.#end.signal)
  }

  async close(): Promise<void> {
    this.#end.abort()
    for (const backend of this.#backends) await backend.close?.()
  }
}

class Client {
  readonly backend: SyncBackend
  readonly #id: string
  readonly #signal: AbortSignal
  backendId: string | undefined

  constructor(id: string, backend: SyncBackend, signal: AbortSignal) {
    this.#id = id
    this.backend = backend
    this.#signal = signal
  }

  event(seqNum: number, args: unknown = { n: seqNum }): SyncedEvent {
    const clientId = this.#id
    return { name: 'conformed', args, seqNum, parentSeqNum: seqNum - 1, clientId, sessionId: 's' }
  }

  events(from: number, to: number): SyncedEvent[] {
    return Array.from({ length: to - from + 1 }, (_, i) => this.event(from + i))
  }

  async push(events: readonly SyncedEvent[]): Promise<void> {
    await this.backend.push(events, { backendId: this.backendId, signal: this.#signal })
  }

  /** Pushes in batches, as a leader does. */
  async pushAll(events: readonly SyncedEvent[], count = 50): Promise<void> {
    for (let at = 0; at < events.length; at += count) await this.push(events.slice(at, at + count))
  }

  async *pull(after: number, live: boolean, signal = this.#signal): AsyncGenerator<PullPage> {
    const cursor = after === 0 ? undefined : { eventSequenceNumber: after, metadata: undefined }
    const options = { live, backendId: this.backendId, signal }
    for await (const page of this.backend.pull(cursor, options)) {
      this.backendId = page.backendId ?? this.backendId
      yield page
    }
  }

  /** Every event after `after`, up to the first page that says that there are no more. */
  async stored(after = 0): Promise<SyncedEvent[]> {
    const found: SyncedEvent[] = []
    for await (const page of this.pull(after, false)) {
      found.push(...page.batch.map(({ eventEncoded }) => eventEncoded))
      if (page.pageInfo._tag === 'NoMore') break
    }
    return found
  }

  /** The next `count` events of a live pull that has begun. */
  async next(pages: AsyncIterator<PullPage>, count: number): Promise<SyncedEvent[]> {
    const found: SyncedEvent[] = []
    while (found.length < count) {
      const page = await pages.next()
      check(page.done !== true, 'a live pull goes on until it is ended')
      found.push(
        ...page.value.batch.map(({ eventEncoded }: { eventEncoded: SyncedEvent }) => eventEncoded),
      )
    }
    return found
  }
}

type Case = readonly [name: string, run: (world: World) => Promise<void>]

const cases: readonly Case[] = [
  [
    'a client that has connected is connected, and can ping',
    async (world) => {
      const client = await world.client('a', { isConnected: false })
      await client.backend.connect?.()
      if (client.backend.isConnected !== undefined) {
        check(client.backend.isConnected.value === true, 'isConnected is true after connect')
      }
      await client.backend.ping?.()
    },
  ],
  [
    'a new store has one page: empty, and no more',
    async (world) => {
      const client = await world.client('a')
      for (const live of [false, true]) {
        const pages = client.pull(0, live)
        const { value } = await pages.next()
        same(value?.batch, [], `the first page of a new store (live: ${live})`)
        same(value?.pageInfo, { _tag: 'NoMore' }, 'what it says of more')
        if (!live) check((await pages.next()).done === true, 'a pull that is not live ends')
        await pages.return(undefined)
      }
    },
  ],
  [
    'what is pushed can be pulled, as it was, from the begin and from a cursor',
    async (world) => {
      const [a, b] = [await world.client('a'), await world.client('b')]
      const args = [
        {},
        { text: 'ü€😀\u0000"\\\n' },
        [1, 2.5, null, true, ''],
        { deep: { er: [[]] } },
      ]
      const events = args.map((each, i) => a.event(i + 1, each))
      await a.push(events)
      same(await b.stored(), events, 'all events')
      same(await b.stored(2), events.slice(2), 'those after the second')
      same(await b.stored(events.length), [], 'those after the last')
    },
  ],
  [
    'a live pull brings what comes later, to others and to who pushed it',
    async (world) => {
      const [a, b] = [await world.client('a'), await world.client('b')]
      const pulls = [a.pull(0, true), b.pull(0, true)]
      for (const pages of pulls) await pages.next()
      await a.push(a.events(1, 2))
      await a.push(a.events(3, 3))
      for (const pages of pulls) same(await a.next(pages, 3), a.events(1, 3), 'the live events')
      await b.stored(3)
      await b.push(b.events(4, 4))
      for (const pages of pulls) same(await a.next(pages, 1), b.events(4, 4), 'the next event')
    },
  ],
  [
    'many events come in their order, without a gap',
    async (world) => {
      const [a, b] = [await world.client('a'), await world.client('b')]
      await a.pushAll(a.events(1, 1_200))
      same(await b.stored(), a.events(1, 1_200), 'all events')
      same(await b.stored(600), a.events(601, 1_200), 'the second half')
    },
  ],
  [
    'large events come whole',
    async (world) => {
      const [a, b] = [await world.client('a'), await world.client('b')]
      const events = Array.from({ length: 24 }, (_, i) =>
        a.event(i + 1, { text: String(i % 10).repeat(100_000) }),
      )
      await a.pushAll(events, 6)
      same(await b.stored(), events, 'all events')
    },
  ],
  [
    'a store may begin with another number than 1',
    async (world) => {
      const a = await world.client('a')
      const events = [{ ...a.event(100), parentSeqNum: 0 }, a.event(101)]
      await a.push(events)
      same(await a.stored(), events, 'all events')
    },
  ],
  [
    'a push that does not continue the head fails with ServerAheadError, and leaves nothing',
    async (world) => {
      const [a, b] = [await world.client('a'), await world.client('b')]
      await a.push(a.events(1, 2))
      for (const events of [b.events(1, 1), b.events(2, 3), b.events(4, 4)]) {
        const error = await failureOf(b.push(events))
        same(error?.name, 'ServerAheadError', `what event ${events[0]?.seqNum} fails with`)
      }
      same(await b.stored(), a.events(1, 2), 'all events')
      await b.push(b.events(3, 3))
      same(await a.stored(2), b.events(3, 3), 'the next event')
    },
  ],
  [
    'of two clients that push at once one is taken and the other told',
    async (world) => {
      const clients = await Promise.all(['a', 'b', 'c'].map((id) => world.client(id)))
      let head = 0
      for (let round = 0; round < 10; round++) {
        const results = await Promise.all(
          clients.map((client) => failureOf(client.push(client.events(head + 1, head + 2)))),
        )
        const taken = results.filter((error) => error === undefined)
        same(taken.length, 1, `how many of three are taken in round ${round}`)
        head += 2
      }
      const numbers = (await (clients[0] as Client).stored()).map(({ seqNum }) => seqNum)
      same(numbers, range(1, head), 'the numbers of all events')
    },
  ],
  [
    'a live pull that begins while others push misses nothing and repeats nothing',
    async (world) => {
      const [a, b] = [await world.client('a'), await world.client('b')]
      await a.pushAll(a.events(1, 300))
      const pushing = a.pushAll(a.events(301, 400), 5)
      const found = await b.next(b.pull(0, true), 400)
      await pushing
      same(
        found.map(({ seqNum }) => seqNum),
        range(1, 400),
        'the numbers, in order',
      )
    },
  ],
  [
    'a live pull can be given up, and the client goes on',
    async (world) => {
      const client = await world.client('a')
      const end = new AbortController()
      const pages = client.pull(0, true, end.signal)
      await pages.next()
      const waiting = failureOf(pages.next())
      end.abort()
      await waiting
      await client.push(client.events(1, 1))
      same(await client.stored(), client.events(1, 1), 'all events')
    },
  ],
  [
    'a backend that says who it is refuses who knows another one',
    async (world) => {
      const client = await world.client('a')
      await client.push(client.events(1, 1))
      await client.stored()
      if (client.backendId === undefined) return
      const id = client.backendId
      const other = 'of-another-history'
      for (const ask of [() => client.push(client.events(2, 2)), () => client.stored(1)]) {
        client.backendId = other
        const error = (await failureOf(ask())) as { name?: string; received?: string } | undefined
        same(error?.name, 'BackendIdMismatchError', 'what it fails with')
        same(error?.received, id, 'the id it names')
      }
    },
  ],
]

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

const failureOf = (work: Promise<unknown>): Promise<Error | undefined> =>
  work.then(
    () => undefined,
    (thrown) => (thrown instanceof Error ? thrown : new Error(String(thrown))),
  )

function check(holds: boolean, expected: string): asserts holds {
  if (!holds) throw new Error(`expected: ${expected}`)
}

/** Equal as JSON, whatever the order of keys. */
const same = (actual: unknown, expected: unknown, what: string): void => {
  const [got, wanted] = [canonical(actual), canonical(expected)]
  if (got === wanted) return
  throw new Error(`${what}: expected ${wanted.slice(0, 500)}, got ${got.slice(0, 500)}`)
}

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  ) ?? 'undefined'
