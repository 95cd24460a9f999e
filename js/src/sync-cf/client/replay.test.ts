/**
 * Plays what real LiveStore 0.4.0 clients and a real `@livestore/sync-cf` 0.4.0 said to each other:
 * where the recorded client made a call ours makes the same, and must send the same bytes; what the
 * recorded server said, ours is told.
 */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { settle } from '../../../test/doubles.js'
import { type FakeSocket, FakeWorld } from '../../../test/fake-socket.js'
import type { PullPage, SyncBackend, SyncedEvent } from '../../sync/backend.js'
import { makeHttpSyncIn } from './http-sync.js'
import { makeWsSyncIn } from './ws-sync.js'

interface Frame {
  readonly _tag: string
  readonly id: string
  readonly requestId: string
  readonly tag: string
  readonly values: readonly { batch: readonly { eventEncoded: SyncedEvent }[] }[]
  readonly exit: { readonly _tag: string; readonly cause?: { error?: { _tag: string } } }
  readonly payload: {
    readonly storeId: string
    readonly payload?: unknown
    readonly live: boolean
    readonly cursor: Option<{ backendId: string; eventSequenceNumber: number }>
    readonly batch: readonly SyncedEvent[]
    readonly backendId: Option<string>
  }
}
type Option<T> = { readonly _tag: 'None' } | { readonly _tag: 'Some'; readonly value: T }
type Line =
  | { readonly conn: string; readonly url: string }
  | { readonly conn: string; readonly dir: 'c>s' | 's>c'; readonly frame: Frame }

const recorded = (name: string) =>
  JSON.parse(
    readFileSync(new URL(`../../../test/testdata/sync-cf/${name}.json`, import.meta.url), 'utf8'),
  )

const some = <T>(option: Option<T>): T | undefined =>
  option._tag === 'Some' ? option.value : undefined

/** One client of a recording: what it asked, and what came of it. */
class Player {
  readonly #world = new FakeWorld()
  #backend: SyncBackend | undefined
  readonly #calls = new Map<string, AbortController>()
  readonly #ended = new Set<string>()
  /** What calls came to: events and pages of pulls, outcomes of pushes. */
  readonly pulled: SyncedEvent[] = []
  readonly outcomes: string[] = []
  readonly #expectedPulled: SyncedEvent[] = []
  readonly #expectedOutcomes: string[] = []

  async connect(url: string | undefined, request: Frame): Promise<void> {
    const { storeId, payload } = request.payload
    const make = makeWsSyncIn(this.#world, {
      url: 'http://localhost',
      webSocketFactory: this.#world.openSocket,
    })
    this.#backend = await make({ storeId, clientId: 'any', payload })
    const connected = this.#backend.connect?.()
    await settle()
    if (url !== undefined) expect(this.#socket.url).toBe(`ws://localhost${url}`)
    this.#socket.open()
    await connected
    expect(this.#socket.sent.shift()).toBe('{"_tag":"Ping"}')
  }

  get #socket(): FakeSocket {
    return this.#world.socket
  }

  async play(frame: Frame, dir: 'c>s' | 's>c'): Promise<void> {
    if (dir === 's>c') await this.#hear(frame)
    else if (frame._tag === 'Request') await this.#call(frame)
    else if (frame._tag === 'Ack') expect(this.#socket.take()).toEqual([JSON.stringify(frame)])
    else if (frame._tag === 'Interrupt') await this.#interrupt(frame)
  }

  check(): void {
    expect(this.pulled).toEqual(this.#expectedPulled)
    expect(this.outcomes).toEqual(this.#expectedOutcomes)
  }

  async #call(frame: Frame): Promise<void> {
    const controller = new AbortController()
    const { signal } = controller
    this.#calls.set(frame.id, controller)
    const { live, cursor, batch, backendId } = frame.payload
    const backend = this.#backend as SyncBackend
    if (frame.tag.endsWith('Pull')) {
      const from = some(cursor)
      const pages = backend.pull(
        from && { eventSequenceNumber: from.eventSequenceNumber, metadata: undefined },
        { live, backendId: from?.backendId, signal },
      )
      void this.#read(pages)
    } else {
      const settled = (outcome: string) => this.outcomes.push(outcome)
      Promise.resolve(backend.push(batch, { backendId: some(backendId), signal })).then(
        () => settled('taken'),
        (thrown) => signal.aborted || settled((thrown as Error).name),
      )
    }
    await settle()
    expect(this.#socket.take()).toEqual([JSON.stringify(frame)])
  }

  async #read(pages: AsyncIterable<PullPage>): Promise<void> {
    try {
      for await (const { batch } of pages) {
        this.pulled.push(...batch.map(({ eventEncoded }) => eventEncoded))
      }
    } catch (thrown) {
      if ((thrown as Error).name !== 'AbortError') this.outcomes.push((thrown as Error).name)
    }
  }

  async #hear(frame: Frame): Promise<void> {
    const isOver = this.#ended.has(frame.requestId)
    if (frame._tag === 'Chunk' && !isOver) {
      for (const { batch } of frame.values) {
        this.#expectedPulled.push(...batch.map(({ eventEncoded }) => eventEncoded))
      }
    }
    if (frame._tag === 'Exit' && !isOver) {
      this.#ended.add(frame.requestId)
      const { _tag, cause } = frame.exit
      if (_tag === 'Failure') this.#expectedOutcomes.push(cause?.error?._tag ?? 'UnknownError')
      else if ('value' in frame.exit) this.#expectedOutcomes.push('taken')
    }
    this.#socket.say(frame)
    await settle()
  }

  async #interrupt(frame: Frame): Promise<void> {
    this.#calls.get(frame.requestId)?.abort()
    await settle()
    // LiveStore interrupts a call that has ended as well; nobody answers that.
    const isOver = this.#ended.has(frame.requestId) || !this.#calls.has(frame.requestId)
    this.#ended.add(frame.requestId)
    expect(this.#socket.take()).toEqual(isOver ? [] : [JSON.stringify(frame)])
  }
}

const play = async (lines: readonly Line[]): Promise<void> => {
  const conns = [...new Set(lines.map(({ conn }) => conn))]
  for (const conn of conns) {
    const own = lines.filter((line) => line.conn === conn)
    const address = own.find((line) => 'url' in line)
    const frames = own.filter((line) => 'frame' in line)
    const first = frames.find(({ frame }) => frame._tag === 'Request')
    if (first === undefined) continue
    const player = new Player()
    await player.connect(address && 'url' in address ? address.url : undefined, first.frame)
    for (const { frame, dir } of withAcksAfterChunks(fromTheFirstCall(frames))) {
      await player.play(frame, dir)
    }
    player.check()
  }
}

type FrameLine = Extract<Line, { frame: Frame }>

/**
 * The recorded clients were slow to acknowledge; when exactly does not count, only that each chunk
 * is, and once. A chunk that nobody read any more is not.
 */
const withAcksAfterChunks = (frames: readonly FrameLine[]): readonly FrameLine[] => {
  const rest = [...frames]
  const ordered: FrameLine[] = []
  const interrupted = new Set<string>()
  for (let line = rest.shift(); line !== undefined; line = rest.shift()) {
    if (line.frame._tag === 'Interrupt') interrupted.add(line.frame.requestId)
    ordered.push(line)
    if (line.frame._tag !== 'Chunk') continue
    const { requestId } = line.frame
    const ack = rest.findIndex(({ frame }) => frame._tag === 'Ack' && frame.requestId === requestId)
    if (ack >= 0) ordered.push(...rest.splice(ack, 1))
  }
  return ordered
}

/** The numbers of calls go on over connections; here each connection is a client of its own. */
const fromTheFirstCall = (lines: readonly FrameLine[]): readonly FrameLine[] => {
  const shift = Math.min(...lines.flatMap(({ frame }) => (frame.id ? [Number(frame.id)] : [])))
  const renumbered = (id: string | undefined) =>
    id === undefined ? undefined : String(Number(id) - shift)
  return lines.map((line) => {
    const { id, requestId, ...rest } = line.frame
    // The order of the keys stays: they are compared as bytes.
    const frame = Object.fromEntries(
      Object.keys(line.frame).map((key) => [
        key,
        key === 'id'
          ? renumbered(id)
          : key === 'requestId'
            ? renumbered(requestId)
            : (rest as Record<string, unknown>)[key],
      ]),
    ) as unknown as Frame
    return { ...line, frame }
  })
}

test.each(['two-clients', 'conflict', 'reconnect', 'reconnect-after-outage', 'idle'])(
  'our client says what LiveStore said in %s, and understands the answers',
  async (name) => {
    await play(recorded(name).frames)
  },
)

describe('our client and LiveStore’s server', () => {
  const { scenarios } = recorded('probes') as {
    scenarios: readonly { scenario: string; frames: readonly Line[] }[]
  }
  // What our client never does.
  const strange = ['empty push batch', 'store id in the URL and in the request differ']
  test.each(scenarios.filter(({ scenario }) => !strange.includes(scenario)))(
    '$scenario',
    async ({ frames }) => {
      await play(frames)
    },
  )
})

test('over HTTP our client says what LiveStore said, and understands the answers', async () => {
  const { calls } = recorded('http') as {
    calls: readonly { url: string; request: Frame; reply: readonly Frame[] }[]
  }
  const seen: string[] = []
  for (const { url, request, reply } of calls) {
    const { storeId, payload, cursor, batch, backendId } = request.payload
    const asked: { url: string; body: string }[] = []
    const backend = await makeHttpSyncIn(new FakeWorld(), {
      url: 'http://localhost/',
      fetch: async (to, { body }) => {
        asked.push({ url: to, body })
        const { id } = JSON.parse(body) as Frame
        // The first request finds out if there is a server at all.
        const exit = { _tag: 'Exit', requestId: id, exit: { _tag: 'Success' } }
        const isPing = asked.length === 1
        const said = isPing ? [exit] : reply.map((frame) => ({ ...frame, requestId: id }))
        return { status: 200, text: async () => JSON.stringify(said) }
      },
    })({ storeId, clientId: 'any', payload })
    const signal = new AbortController().signal
    const name = request.tag.replace('SyncHttpRpc.', '')
    try {
      if (name === 'Ping') await backend.ping?.()
      if (name === 'Push') await backend.push(batch, { backendId: some(backendId), signal })
      if (name === 'Pull') {
        const from = some(cursor)
        const at = from && { eventSequenceNumber: from.eventSequenceNumber, metadata: undefined }
        const options = { live: false, backendId: from?.backendId, signal }
        for await (const page of backend.pull(at, options)) seen.push(`${page.batch.length} events`)
      }
    } catch (thrown) {
      seen.push((thrown as Error).name)
    }
    expect(asked[1]).toEqual({
      url: `http://localhost${url}`,
      body: JSON.stringify({ ...request, id: '1' }),
    })
  }
  const expected = calls.flatMap(({ reply }) =>
    reply.flatMap(({ _tag, values, exit }) =>
      _tag === 'Chunk'
        ? values.map(({ batch }) => `${batch.length} events`)
        : exit._tag === 'Failure'
          ? [exit.cause?.error?._tag ?? 'Error']
          : [],
    ),
  )
  expect(seen).toEqual(expected)
  expect(seen).toContain('ServerAheadError')
})
