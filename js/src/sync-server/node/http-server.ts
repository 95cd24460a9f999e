/**
 * A sync server on a port: WebSocket and HTTP around `SyncServer`, and what operations needs.
 *
 *     GET  ?storeId&payload&transport=ws, Upgrade     a connection
 *     POST ?storeId&payload&transport=http            one call
 *     GET  /health   200 while the storage answers, else 503
 *     GET  /metrics  counters, for Prometheus
 *
 * Answers carry `Access-Control-Allow-Origin: *`: who may do what is decided by the payload, which
 * a page has to know, and never by cookies. TLS is a proxy's.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { readSyncAddress, type SyncAddress } from '../../sync-cf/wire/sync-url.js'
import { type ForwardHeaders, forwarded, type SyncHooks } from '../hooks.js'
import type { Limits } from '../limits.js'
import type { Caller, PayloadCheck } from '../payload-check.js'
import type { SyncStorage } from '../storage.js'
import { SyncServer } from '../sync-server.js'
import type { Log } from './log.js'
import { metricsText } from './metrics.js'

export interface HttpServerOptions {
  readonly storage: SyncStorage
  readonly port: number
  readonly host: string
  readonly log: Log
  readonly hooks?: SyncHooks | undefined
  readonly forwardHeaders?: ForwardHeaders | undefined
  readonly limits?: Partial<Limits> | undefined
}

/** What does not come from a single client's cost, but from their number. */
const connectionsMax = 20_000
/** A client that does not answer a ping within this is gone. */
const heartbeatMs = 30_000
/** Until headers, or a whole request, must be there: what a slow sender can hold is bounded. */
const headersMs = 10_000
const requestMs = 60_000

const cors = { 'access-control-allow-origin': '*' }

export class SyncHttpServer {
  readonly sync: SyncServer
  readonly #options: HttpServerOptions
  readonly #server: Server
  readonly #sockets: WebSocketServer
  readonly #heartbeat: NodeJS.Timeout
  #alive = new WeakSet<WebSocket>()
  #closing = false

  private constructor(options: HttpServerOptions) {
    this.#options = options
    const onProblem = (error: unknown): void =>
      options.log('error', 'the storage failed', { error: String(error) })
    this.sync = new SyncServer({ ...options, onProblem })
    const { frameBytesMax } = this.sync.limits
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: frameBytesMax,
      perMessageDeflate: false,
    })
    this.#server = createServer({ headersTimeout: headersMs, requestTimeout: requestMs })
    this.#server.on('request', (request, response) => {
      this.#answer(request, response).catch((error) => this.#failed(error, response))
    })
    this.#server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy())
      this.#upgrade(request, socket, head).catch((error) => {
        options.log('error', 'an upgrade failed', { error: String(error) })
        refuseUpgrade(socket, 500, 'Error')
      })
    })
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    this.#heartbeat.unref()
  }

  /** @throws (as a rejection) when the port is taken */
  static async start(options: HttpServerOptions): Promise<SyncHttpServer> {
    const server = new SyncHttpServer(options)
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen(options.port, options.host, () => {
        server.#server.off('error', reject)
        resolve()
      })
    }).catch((error) => {
      clearInterval(server.#heartbeat)
      throw error
    })
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Clients are told to come again; calls that run are finished. The storage stays open. */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    clearInterval(this.#heartbeat)
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.sync.closeConnections(1012, 'the server restarts')
    this.#server.closeIdleConnections()
    // A client that does not close its side is not waited for.
    const impatience = setTimeout(() => {
      for (const socket of this.#sockets.clients) socket.terminate()
      this.#server.closeAllConnections()
    }, 2000)
    await closed
    clearTimeout(impatience)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = urlOf(request)
    if (request.method === 'OPTIONS') return preflight(request, response)
    if (pathname === '/health') return this.#health(response)
    if (pathname === '/metrics') {
      return text(response, 200, metricsText(this.sync.stats, this.sync.rooms))
    }
    const address = readSyncAddress(searchParams)
    if (address === undefined) {
      return request.method === 'GET' && pathname === '/'
        ? text(response, 200, 'livestore-wasm sync server')
        : text(response, 400, 'Invalid path')
    }
    if (address.transport === 'ws') {
      return text(response, 426, 'the transport ws expects Upgrade: websocket')
    }
    if (request.method !== 'POST') return text(response, 405, 'the transport http expects POST')
    await this.#call(request, response, address)
  }

  async #call(
    request: IncomingMessage,
    response: ServerResponse,
    address: SyncAddress,
  ): Promise<void> {
    const caller = this.#caller(request, address)
    let check: PayloadCheck
    try {
      check = await this.sync.admit(caller)
    } catch (error) {
      this.sync.stats.unauthorized += 1
      return text(response, 400, String((error as Error).message))
    }
    const body = await readBody(request, this.sync.limits.frameBytesMax)
    if (body === undefined) return text(response, 413, 'the body is too large')
    let isGone = false
    let drained = (): void => {}
    response.once('close', () => {
      isGone = true
      drained()
    })
    response.writeHead(200, { ...cors, 'content-type': 'application/json' })
    for await (const piece of this.sync.call(body, caller, check)) {
      if (isGone) return
      if (response.write(piece)) continue
      await new Promise<void>((resolve) => {
        drained = resolve
        response.once('drain', resolve)
      })
    }
    response.end()
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const address = readSyncAddress(urlOf(request).searchParams)
    if (address?.transport !== 'ws') return refuseUpgrade(socket, 400, 'Invalid path')
    if (this.#closing || this.#sockets.clients.size >= connectionsMax) {
      return refuseUpgrade(socket, 503, 'the server is full')
    }
    const caller = this.#caller(request, address)
    let check: PayloadCheck
    try {
      check = await this.sync.admit(caller)
    } catch (error) {
      this.sync.stats.unauthorized += 1
      return refuseUpgrade(socket, 400, String((error as Error).message))
    }
    this.#sockets.handleUpgrade(request, socket, head, (client) => {
      this.#connect(client, caller, check)
    })
  }

  #connect(client: WebSocket, caller: Caller, check: PayloadCheck): void {
    const connection = this.sync.connect(
      {
        send: (frame) => client.send(frame),
        close: (code, reason) => {
          this.#options.log('info', 'connection closed', { code, reason })
          client.close(code, reason)
        },
        pendingBytes: () => client.bufferedAmount,
      },
      caller,
      check,
    )
    this.#alive.add(client)
    client.on('pong', () => this.#alive.add(client))
    client.on('message', (data, isBinary) => {
      this.#alive.add(client)
      if (isBinary) connection.receiveBinary()
      else connection.receive(data.toString())
    })
    // A frame too large or malformed: the library closes with the protocol's code.
    client.on('error', (error) => {
      this.#options.log('warn', 'connection failed', { error: error.message })
    })
    client.on('close', () => connection.gone())
    if (this.#closing) connection.close(1012, 'the server restarts')
  }

  #beat(): void {
    for (const client of this.#sockets.clients) {
      if (this.#alive.has(client)) client.ping()
      else client.terminate()
    }
    this.#alive = new WeakSet()
    void this.sync.recheckAll()
  }

  async #health(response: ServerResponse): Promise<void> {
    try {
      await this.#options.storage.head('health')
      json(response, 200, { status: 'ok', connections: this.sync.stats.connections })
    } catch (error) {
      this.#options.log('error', 'the storage does not answer', { error: String(error) })
      json(response, 503, { status: 'the storage does not answer' })
    }
  }

  #caller(request: IncomingMessage, { storeId, payload }: SyncAddress): Caller {
    const headers = forwarded(headersOf(request), this.#options.forwardHeaders)
    return { storeId, payload, headers }
  }

  #failed(error: unknown, response: ServerResponse): void {
    this.#options.log('error', 'a request failed', { error: String(error) })
    if (response.headersSent) response.destroy()
    else text(response, 500, 'Error')
  }
}

/** A target that is no URL is one without a query. */
const urlOf = (request: IncomingMessage): URL =>
  URL.canParse(request.url ?? '', 'http://localhost')
    ? new URL(request.url ?? '', 'http://localhost')
    : new URL('http://localhost/invalid')

const headersOf = (request: IncomingMessage): Headers => {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  return headers
}

const text = (response: ServerResponse, status: number, body: string): void => {
  response.writeHead(status, { ...cors, 'content-type': 'text/plain; charset=utf-8' })
  response.end(body)
}

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}

const preflight = (request: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(204, {
    ...cors,
    'access-control-allow-methods': 'GET, POST, OPTIONS',
    'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '*',
    'access-control-max-age': '86400',
  })
  response.end()
}

const refuseUpgrade = (socket: Duplex, status: number, body: string): void => {
  const bytes = Buffer.byteLength(body)
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8` +
      `\r\ncontent-length: ${bytes}\r\n\r\n${body}`,
  )
}

/** Undefined when it is too large; the rest is not read. */
const readBody = async (request: IncomingMessage, max: number): Promise<string | undefined> => {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request) {
    bytes += (part as Buffer).length
    if (bytes > max) return undefined
    parts.push(part as Buffer)
  }
  return Buffer.concat(parts).toString()
}
