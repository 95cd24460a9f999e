/**
 * `makeWsSync`: a sync backend behind a WebSocket, by the protocol of LiveStore's Cloudflare
 * provider. Moves frames between a socket and `Calls`, and keeps the socket with `Link`.
 *
 * A call waits for the socket while it opens and fails with `IsOfflineError` while there is none:
 * the engine asks again as soon as `isConnected` says so.
 */

import { LiveStoreError, messageOf } from '../../errors.js'
import {
  IsOfflineError,
  type MakeSyncBackend,
  type PullCursor,
  type PullOptions,
  type PullPage,
  type PushOptions,
  type SyncBackend,
  type SyncedEvent,
} from '../../sync/backend.js'
import { Calls } from './calls.js'
import { InOrder } from './in-order.js'
import { type ClientEnv, Link, systemEnv } from './link.js'
import {
  addressOf,
  type BackendArgs,
  type CheckedOptions,
  type CommonOptions,
  checkOptions,
  invalid,
} from './options.js'
import { inWholePush, pushParts, utf8Bytes } from './push-parts.js'
import { decodeFrame, pingFrame, pullPayload, pushPayload, type Subject } from './wire.js'

/** The part of `WebSocket` that is used. */
export interface WebSocketLike {
  addEventListener(type: 'open' | 'error', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(
    type: 'close',
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void
  send(text: string): void
  close(): void
}

export interface WsSyncOptions extends CommonOptions {
  /** Makes the socket. Default: `new WebSocket(url)`. */
  readonly webSocketFactory?: ((url: string) => WebSocketLike) | undefined
}

/**
 * A sync backend for `makeWorker` and `makeInMemoryAdapter`, over a WebSocket.
 *
 * @throws LiveStoreError `InvalidArgument` naming the option
 */
export const makeWsSync = (options: WsSyncOptions): MakeSyncBackend =>
  makeWsSyncIn(systemEnv(), options)

/** @internal */
export const makeWsSyncIn = (env: ClientEnv, options: WsSyncOptions): MakeSyncBackend => {
  const checked = checkOptions('makeWsSync', options, ['webSocketFactory'])
  const { webSocketFactory = (url: string) => new WebSocket(url) } = options
  if (typeof webSocketFactory !== 'function') {
    throw invalid('makeWsSync', 'webSocketFactory', 'must be a function')
  }
  return (args) => new WsBackend(env, checked, webSocketFactory, args)
}

class WsBackend implements SyncBackend {
  readonly metadata = { name: '@livestore/sync-cf', description: 'over a WebSocket' }
  readonly #options: CheckedOptions
  readonly #openSocket: (url: string) => WebSocketLike
  readonly #args: BackendArgs
  readonly #link: Link
  readonly #calls: Calls
  /** The one that is open or opening; what others say is ignored. */
  #socket: WebSocketLike | undefined
  #attempt = 0
  #pongWaiters: { resolve: () => void; reject: (error: Error) => void }[] = []

  constructor(
    env: ClientEnv,
    options: CheckedOptions,
    openSocket: (url: string) => WebSocketLike,
    args: BackendArgs,
  ) {
    this.#options = options
    this.#openSocket = openSocket
    this.#args = args
    this.#calls = new Calls('SyncWsRpc.', (frame) => this.#send(frame))
    this.#link = new Link(env, options.ping, {
      open: () => void this.#open(),
      close: (why) => this.#drop(why),
      ping: () => this.#send(pingFrame),
    })
  }

  get isConnected(): NonNullable<SyncBackend['isConnected']> {
    return this.#link.isConnected
  }

  connect(): Promise<void> {
    return this.#link.connect()
  }

  close(): void {
    this.#link.close()
  }

  /** Resolves when the server has said anything. */
  async ping(): Promise<void> {
    await this.#link.connect()
    await new Promise<void>((resolve, reject) => {
      this.#pongWaiters.push({ resolve, reject })
      this.#send(pingFrame)
    })
  }

  async *pull(
    cursor: PullCursor | undefined,
    { live, backendId, signal }: PullOptions,
  ): AsyncGenerator<PullPage> {
    const subject = await this.#ready()
    signal.throwIfAborted()
    const head = cursor?.eventSequenceNumber ?? 0
    // A server that has ids wants to be told its own. To one whose id is not known yet all that is
    // known is that it may have everything; what is here already is left out.
    const from =
      cursor === undefined || backendId === undefined
        ? undefined
        : { backendId, eventSequenceNumber: head }
    const pages = this.#calls.stream('Pull', pullPayload(subject, from, live), new InOrder(head))
    const stop = () => void pages.return?.()
    signal.addEventListener('abort', stop, { once: true })
    try {
      for (;;) {
        const next = await pages.next()
        signal.throwIfAborted()
        if (next.done === true) return
        yield next.value
      }
    } finally {
      signal.removeEventListener('abort', stop)
      stop()
    }
  }

  async push(batch: readonly SyncedEvent[], { backendId, signal }: PushOptions): Promise<void> {
    const subject = await this.#ready()
    const overhead = utf8Bytes(JSON.stringify(pushPayload(subject, [], backendId)))
    for (const { index, events } of pushParts(batch, overhead)) {
      try {
        await this.#calls.ask('Push', pushPayload(subject, events, backendId), signal)
      } catch (thrown) {
        throw inWholePush(thrown, index)
      }
    }
  }

  /** There is a connection, and this is what requests say of themselves. */
  async #ready(): Promise<Subject> {
    const subject = await this.#options.subject(this.#args)
    await this.#link.connect()
    return subject
  }

  async #open(): Promise<void> {
    const attempt = ++this.#attempt
    let socket: WebSocketLike
    try {
      const address = addressOf(this.#options.url, 'ws', await this.#options.subject(this.#args))
      if (attempt !== this.#attempt) return
      socket = this.#openSocket(address)
    } catch (thrown) {
      if (attempt === this.#attempt) this.#lose(thrown instanceof Error ? thrown : asError(thrown))
      return
    }
    this.#socket = socket
    const whileCurrent =
      <T extends readonly unknown[]>(listener: (...event: T) => void) =>
      (...event: T): void => {
        if (this.#socket === socket) listener(...event)
      }
    socket.addEventListener(
      'open',
      whileCurrent(() => this.#link.opened()),
    )
    socket.addEventListener(
      'message',
      whileCurrent(({ data }) => this.#receive(data)),
    )
    // What is wrong is only said by `close`, which follows.
    socket.addEventListener('error', () => undefined)
    socket.addEventListener(
      'close',
      whileCurrent(({ code, reason }) => this.#lose(closeError(code, reason))),
    )
  }

  #receive(data: unknown): void {
    try {
      const frame = decodeFrame(data)
      this.#link.heard()
      for (const { resolve } of this.#pongWaiters.splice(0)) resolve()
      this.#calls.receive(frame)
    } catch (thrown) {
      // Whoever sends this may have sent anything before: what is open is asked for anew.
      this.#lose(thrown instanceof Error ? thrown : asError(thrown))
    }
  }

  #send(frame: string): void {
    if (!this.#link.isOpen) return
    try {
      this.#socket?.send(frame)
    } catch {
      // It is closing, and will say so.
    }
  }

  /** The connection is gone, or of no use. */
  #lose(why: Error): void {
    this.#drop(why)
    this.#link.lost(why)
  }

  #drop(why: Error): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#attempt += 1
    try {
      socket?.close()
    } catch {
      // It was closed before.
    }
    for (const { reject } of this.#pongWaiters.splice(0)) reject(why)
    this.#calls.failAll(why)
  }
}

/** Codes that say no more than that the connection is over. */
const ordinaryCloses = [1000, 1001, 1005, 1006, 1012, 1013]

const closeError = (code: number, reason: string): Error => {
  const text = `the sync server closed the connection (${code}${reason && `: ${reason}`})`
  return ordinaryCloses.includes(code)
    ? new IsOfflineError(text)
    : new LiveStoreError('SyncFailed', text)
}

const asError = (thrown: unknown): Error => new Error(messageOf(thrown), { cause: thrown })
