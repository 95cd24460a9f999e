/**
 * A server that answers as the recordings of `@livestore/sync-cf` 0.4.0 do, over real sockets, with
 * the faults that a network or such a server has. In memory, for tests; ours is another one.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { SyncedEvent } from '../src/sync/backend.js'

interface Request {
  readonly _tag: string
  readonly id: string
  readonly requestId: string
  readonly tag: string
  readonly payload: {
    readonly cursor?: { readonly value?: { backendId: string; eventSequenceNumber: number } }
    readonly live?: boolean
    readonly batch?: readonly SyncedEvent[]
    readonly backendId?: { readonly value?: string }
    readonly payload?: unknown
  }
}

interface Room {
  readonly id: string
  readonly events: SyncedEvent[]
}

const chunkEventsMax = 100
const chunkBytesMax = 900_000

export class SyncCfServer {
  readonly rooms = new Map<string, Room>()
  /** Payloads of connections and requests over HTTP, as they came. */
  readonly payloads: unknown[] = []
  /** Refuses a connection, or a request over HTTP, with 400. */
  validate: (payload: unknown) => void = () => undefined
  /** Refuses an event for good with a reason. */
  refuses: (event: SyncedEvent) => string | undefined = () => undefined
  /** Each chunk is sent so often. */
  copies = 1
  /** The next so many pushes are taken, and the connection is cut in place of the answer. */
  cutsBeforeExit = 0
  /** Said in place of the answer to the next requests, as it is. */
  readonly nonsense: string[] = []
  readonly #sockets = new Map<WebSocket, Connection>()
  #server: Server | undefined
  #port = 0

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#post(request, response))
    const upgrades = new WebSocketServer({ noServer: true })
    server.on('upgrade', (request, socket, head) => {
      const { storeId, refusal } = this.#admit(request)
      if (refusal !== undefined) {
        socket.end(`HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n`)
        return
      }
      upgrades.handleUpgrade(request, socket, head, (webSocket) => {
        const connection = new Connection(this, webSocket, storeId)
        this.#sockets.set(webSocket, connection)
        webSocket.on('close', () => this.#sockets.delete(webSocket))
      })
    })
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** Ends every connection; the rooms stay. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets.keys()) socket.terminate()
    const server = this.#server
    this.#server = undefined
    server?.closeAllConnections()
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()))
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`
  }

  /** How many clients are connected over WebSockets. */
  get connections(): number {
    return this.#sockets.size
  }

  room(storeId: string): Room {
    const room = this.rooms.get(storeId) ?? { id: `backend-of-${storeId}`, events: [] }
    this.rooms.set(storeId, room)
    return room
  }

  /** Says `text` to every client that is connected over a WebSocket. */
  say(text: string): void {
    for (const socket of this.#sockets.keys()) socket.send(text)
  }

  cut(code?: number, reason?: string): void {
    for (const socket of this.#sockets.keys()) {
      if (code === undefined) socket.terminate()
      else socket.close(code, reason)
    }
  }

  /** Returns why not, as a cause, or undefined if the events were taken. */
  take(storeId: string, { batch = [], backendId }: Request['payload']): object | undefined {
    const room = this.room(storeId)
    const known = backendId?.value
    if (known !== undefined && known !== room.id) return mismatch(room, known)
    const head = room.events.at(-1)?.seqNum ?? 0
    const first = batch[0]
    if (first === undefined) return undefined
    if (first.parentSeqNum !== head) {
      return {
        _tag: 'ServerAheadError',
        minimumExpectedNum: head,
        providedNum: first.parentSeqNum,
      }
    }
    for (const [index, event] of batch.entries()) {
      const message = this.refuses(event)
      if (message === undefined) continue
      const cause = { name: 'EventRefusedError', message }
      return { _tag: 'UnknownError', cause, payload: { index } }
    }
    room.events.push(...batch)
    for (const connection of this.#sockets.values()) connection.broadcast(storeId, batch)
    return undefined
  }

  #admit(request: IncomingMessage): { storeId: string; refusal: string | undefined } {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost')
    const encoded = searchParams.get('payload')
    const payload = encoded === null ? undefined : JSON.parse(decodeURIComponent(encoded))
    this.payloads.push(payload)
    const storeId = searchParams.get('storeId') ?? ''
    try {
      this.validate(payload)
      return { storeId, refusal: undefined }
    } catch (thrown) {
      return { storeId, refusal: (thrown as Error).message }
    }
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { storeId, refusal } = this.#admit(request)
    if (refusal !== undefined) {
      response.writeHead(400).end(refusal)
      return
    }
    const { id, tag, payload } = JSON.parse(Buffer.concat(parts).toString()) as Request
    const nonsense = this.nonsense.shift()
    if (nonsense !== undefined) {
      response.end(nonsense)
      return
    }
    const exit = (exit: object) => ({ _tag: 'Exit', requestId: id, exit })
    const answers: object[] = []
    if (tag.endsWith('Ping')) {
      answers.push(exit({ _tag: 'Success', value: { _tag: 'SyncMessage.Pong' } }))
    } else if (tag.endsWith('Push')) {
      const error = this.take(storeId, payload)
      answers.push(exit(error === undefined ? { _tag: 'Success', value: {} } : failure(error)))
    } else {
      const { error, items } = pagesOf(this.room(storeId), payload)
      for (const item of items) answers.push({ _tag: 'Chunk', requestId: id, values: [item] })
      answers.push(exit(error === undefined ? { _tag: 'Success' } : failure(error)))
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answers))
  }
}

/** A client over a WebSocket. */
class Connection {
  readonly #server: SyncCfServer
  readonly #socket: WebSocket
  readonly #storeId: string
  /** What a pull still has to send, chunk by chunk. */
  readonly #pulls = new Map<string, { readonly items: object[]; readonly live: boolean }>()

  constructor(server: SyncCfServer, socket: WebSocket, storeId: string) {
    this.#server = server
    this.#socket = socket
    this.#storeId = storeId
    socket.on('message', (data) => this.#receive(String(data)))
    socket.on('error', () => undefined)
  }

  broadcast(storeId: string, batch: readonly SyncedEvent[]): void {
    if (storeId !== this.#storeId) return
    for (const [id, { live }] of this.#pulls) {
      if (!live) continue
      for (const item of itemsOf(this.#server.room(storeId), batch, () => noMore)) {
        this.#chunk(id, item)
      }
    }
  }

  #receive(text: string): void {
    const request = JSON.parse(text) as Request
    const nonsense = this.#server.nonsense
    if (request._tag === 'Request' && nonsense.length > 0) {
      this.#socket.send(nonsense.shift() as string)
      return
    }
    switch (request._tag) {
      case 'Ping':
        this.#send({ _tag: 'Pong' })
        break
      case 'Ack':
        this.#page(request.requestId)
        break
      case 'Interrupt':
        if (this.#pulls.delete(request.requestId)) {
          const cause = { _tag: 'Interrupt', fiberId: { _tag: 'None' } }
          this.#exit(request.requestId, { _tag: 'Failure', cause })
        }
        break
      case 'Request':
        if (request.tag === 'SyncWsRpc.Push') this.#push(request)
        else this.#pull(request)
    }
  }

  #push({ id, payload }: Request): void {
    const error = this.#server.take(this.#storeId, payload)
    if (this.#server.cutsBeforeExit > 0) {
      this.#server.cutsBeforeExit -= 1
      this.#socket.terminate()
      return
    }
    this.#exit(id, error === undefined ? { _tag: 'Success', value: {} } : failure(error))
  }

  #pull({ id, payload }: Request): void {
    const { error, items } = pagesOf(this.#server.room(this.#storeId), payload)
    if (error !== undefined) {
      this.#exit(id, failure(error))
      return
    }
    this.#pulls.set(id, { items, live: payload.live === true })
    this.#page(id)
  }

  /** The next chunk of what was stored; one at a time, until it is acknowledged. */
  #page(id: string): void {
    const pull = this.#pulls.get(id)
    const item = pull?.items.shift()
    if (item !== undefined) this.#chunk(id, item)
    else if (pull?.live === false) {
      this.#pulls.delete(id)
      this.#exit(id, { _tag: 'Success' })
    }
  }

  #chunk(requestId: string, item: object): void {
    for (let i = 0; i < this.#server.copies; i++) {
      this.#send({ _tag: 'Chunk', requestId, values: [item] })
    }
  }

  #exit(requestId: string, exit: object): void {
    this.#send({ _tag: 'Exit', requestId, exit })
  }

  #send(frame: object): void {
    this.#socket.send(JSON.stringify(frame))
  }
}

const noMore = { _tag: 'NoMore' }
const failure = (error: object) => ({ _tag: 'Failure', cause: { _tag: 'Fail', error } })
const mismatch = ({ id }: Room, received: string) => ({
  _tag: 'BackendIdMismatchError',
  expected: id,
  received,
})

const pagesOf = (
  room: Room,
  { cursor }: Request['payload'],
): { error: object | undefined; items: object[] } => {
  const known = cursor?.value
  if (known !== undefined && known.backendId !== room.id) {
    return { error: mismatch(room, known.backendId), items: [] }
  }
  const after = known?.eventSequenceNumber ?? 0
  const rest = room.events.filter(({ seqNum }) => seqNum > after)
  const items = itemsOf(room, rest, (left) =>
    left === 0 ? noMore : { _tag: 'MoreKnown', remaining: left },
  )
  const empty = { batch: [], pageInfo: noMore, backendId: room.id }
  return { error: undefined, items: items.length === 0 ? [empty] : items }
}

const itemsOf = (
  { id }: Room,
  events: readonly SyncedEvent[],
  info: (left: number) => object,
): object[] => {
  const items: object[] = []
  let from = 0
  while (from < events.length) {
    let bytes = 0
    let to = from
    while (to < events.length && to - from < chunkEventsMax) {
      bytes += JSON.stringify(events[to]).length
      if (bytes > chunkBytesMax && to > from) break
      to += 1
    }
    const batch = events.slice(from, to).map((eventEncoded) => ({
      eventEncoded: { ...eventEncoded, args: eventEncoded.args ?? null },
      metadata: {
        _tag: 'Some',
        value: { _tag: 'SyncMessage.SyncMetadata', createdAt: '2026-11-22T13:59:02.416Z' },
      },
    }))
    items.push({ batch, pageInfo: info(events.length - to), backendId: id })
    from = to
  }
  return items
}
