/**
 * A client of the sync-cf protocol for tests: it knows frames and nothing else, so that it can say
 * what no real client would.
 */

import { WebSocket } from 'ws'

export interface Frame {
  readonly _tag: string
  readonly requestId?: string | number
  readonly values?: readonly Page[]
  readonly exit?: {
    readonly _tag: string
    readonly value?: unknown
    readonly cause?: { readonly _tag: string; readonly error?: WireError; readonly defect?: string }
  }
  readonly defect?: unknown
}

export interface WireError {
  readonly _tag: string
  readonly minimumExpectedNum?: number
  readonly providedNum?: number
  readonly expected?: string
  readonly received?: string
  readonly cause?: { readonly name: string; readonly message: string }
  readonly payload?: { readonly index?: number }
}

export interface Page {
  readonly batch: readonly { readonly eventEncoded: WireEvent }[]
  readonly pageInfo: { readonly _tag: string; readonly remaining?: number }
  readonly backendId: string
}

export interface WireEvent {
  readonly name: string
  readonly args: unknown
  readonly seqNum: number
  readonly parentSeqNum: number
  readonly clientId: string
  readonly sessionId: string
}

export const none = { _tag: 'None' }
export const some = (value: unknown) => ({ _tag: 'Some', value })

export const wireEvent = (seqNum: number, more: Partial<WireEvent> = {}): WireEvent => ({
  name: 'v1.TodoCreated',
  args: { id: `e${seqNum}` },
  seqNum,
  parentSeqNum: seqNum - 1,
  clientId: 'client',
  sessionId: 'session',
  ...more,
})

export const wireEvents = (first: number, count: number, more: Partial<WireEvent> = {}) =>
  Array.from({ length: count }, (_, index) => wireEvent(first + index, more))

export const addressOf = (
  url: string,
  storeId: string,
  { payload, transport = 'ws' }: { payload?: unknown; transport?: string } = {},
): string => {
  const query = new URLSearchParams({ storeId, transport })
  if (payload !== undefined) query.set('payload', encodeURIComponent(JSON.stringify(payload)))
  return `${url.replace(/^http/, transport === 'ws' ? 'ws' : 'http')}/?${query}`
}

export class WireClient {
  readonly storeId: string
  readonly socket: WebSocket
  /** Everything that came and was not taken by `next`. */
  readonly frames: Frame[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  #nextId = 0
  #arrived = (): void => {}
  #isClosed = false

  private constructor(storeId: string, socket: WebSocket) {
    this.storeId = storeId
    this.socket = socket
    socket.on('message', (data) => {
      this.frames.push(JSON.parse(String(data)))
      this.#arrived()
    })
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#isClosed = true
        this.#arrived()
        resolve({ code, reason: String(reason) })
      })
    })
  }

  /** @throws (as a rejection) Error with the status of a refused upgrade */
  static async open(
    url: string,
    storeId: string,
    options: { readonly payload?: unknown } = {},
  ): Promise<WireClient> {
    const socket = new WebSocket(addressOf(url, storeId, options))
    const client = new WireClient(storeId, socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve())
      socket.once('error', reject)
    })
    return client
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** Sends a request; returns its id. */
  request(method: string, payload: object, id: string | number = String(this.#nextId++)) {
    const tag = `SyncWsRpc.${method}`
    const request = { _tag: 'Request', id, tag, payload: { storeId: this.storeId, ...payload } }
    this.send({ ...request, headers: [] })
    return id
  }

  ack(requestId: string | number): void {
    this.send({ _tag: 'Ack', requestId })
  }

  /** The next frame that `fits`, which may have come already. */
  async next(fits: (frame: Frame) => boolean = () => true): Promise<Frame> {
    for (;;) {
      const index = this.frames.findIndex(fits)
      if (index >= 0) return this.frames.splice(index, 1)[0] as Frame
      if (this.#isClosed) throw new Error('the connection was closed')
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
    }
  }

  /** The exit of a push of `batch`. */
  async push(batch: readonly unknown[], more: object = {}): Promise<Frame['exit']> {
    const id = this.request('Push', { batch, backendId: none, ...more })
    return (await this.next((frame) => frame._tag === 'Exit' && frame.requestId === id)).exit
  }

  /** Every page of a pull that is not live, each acknowledged. */
  async pages(after?: { backendId: string; eventSequenceNumber: number }): Promise<Page[]> {
    const cursor = after === undefined ? none : some(after)
    const id = this.request('Pull', { cursor, live: false })
    const pages: Page[] = []
    for (;;) {
      const frame = await this.next(({ requestId }) => requestId === id)
      if (frame._tag === 'Exit') {
        if (frame.exit?._tag !== 'Success') throw new Error(JSON.stringify(frame.exit))
        return pages
      }
      pages.push(...(frame.values ?? []))
      this.ack(id)
    }
  }

  async pullAll(): Promise<WireEvent[]> {
    return (await this.pages()).flatMap(({ batch }) => batch.map((item) => item.eventEncoded))
  }

  /** A live pull: `next` gives its pages, acknowledged, as they come. */
  live(after?: { backendId: string; eventSequenceNumber: number }) {
    const id = this.request('Pull', {
      cursor: after === undefined ? none : some(after),
      live: true,
    })
    return {
      id,
      next: async (): Promise<Page> => {
        const frame = await this.next(({ requestId }) => requestId === id)
        if (frame._tag !== 'Chunk') throw new Error(JSON.stringify(frame))
        this.ack(id)
        return frame.values?.[0] as Page
      },
    }
  }

  async close(): Promise<void> {
    this.socket.close()
    await this.closed
  }
}

/** One call over HTTP: the envelopes of the answer. */
export const httpCall = async (
  url: string,
  storeId: string,
  method: string,
  payload: object,
): Promise<Frame[]> => {
  const tag = `SyncHttpRpc.${method}`
  const request = { _tag: 'Request', id: '0', tag, payload: { storeId, ...payload }, headers: [] }
  const response = await fetch(addressOf(url, storeId, { transport: 'http' }), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
  return (await response.json()) as Frame[]
}
