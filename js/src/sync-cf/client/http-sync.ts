/**
 * `makeHttpSync`: a sync backend behind plain requests, by the protocol of LiveStore's Cloudflare
 * provider. Every call is a POST whose answer holds all there is; a live pull asks again and again.
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
import { InOrder } from './in-order.js'
import { type ClientEnv, Link, systemEnv } from './link.js'
import {
  addressOf,
  type BackendArgs,
  type CheckedOptions,
  type CommonOptions,
  checkMs,
  checkOptions,
  invalid,
} from './options.js'
import { inWholePush, pushParts, utf8Bytes } from './push-parts.js'
import { decodeReply, pullPayload, pushPayload, requestFrame } from './wire.js'

type Fetch = (
  url: string,
  init: {
    readonly method: 'POST'
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
    readonly signal: AbortSignal
  },
) => Promise<{ readonly status: number; text(): Promise<string> }>

export interface HttpSyncOptions extends CommonOptions {
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Of a live pull: how long after one answer the next is asked for. Default: 5,000. */
  readonly livePull?: { readonly pollInterval?: number | undefined } | undefined
  /** Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined
}

const pollIntervalDefaultMs = 5_000

/**
 * A sync backend for `makeWorker` and `makeInMemoryAdapter`, over HTTP. A pull is answered in one
 * piece, for which a page's 30 seconds must do: a log that takes longer needs `makeWsSync`.
 *
 * @throws LiveStoreError `InvalidArgument` naming the option
 */
export const makeHttpSync = (options: HttpSyncOptions): MakeSyncBackend =>
  makeHttpSyncIn(systemEnv(), options)

/** @internal */
export const makeHttpSyncIn = (env: ClientEnv, options: HttpSyncOptions): MakeSyncBackend => {
  const where = 'makeHttpSync'
  const checked = checkOptions(where, options, ['headers', 'livePull', 'fetch'])
  const { headers = {}, livePull, fetch = globalThis.fetch } = options
  if (typeof fetch !== 'function') throw invalid(where, 'fetch', 'must be a function')
  if (typeof headers !== 'object' || headers === null) {
    throw invalid(where, 'headers', 'must be an object of texts')
  }
  const { pollInterval = pollIntervalDefaultMs } = livePull ?? {}
  checkMs(where, 'livePull.pollInterval', pollInterval)
  const http = { headers, pollInterval, fetch: (...args: Parameters<Fetch>) => fetch(...args) }
  return (args) => new HttpBackend(env, checked, http, args)
}

interface HttpSetup {
  readonly headers: Readonly<Record<string, string>>
  readonly pollInterval: number
  readonly fetch: Fetch
}

class HttpBackend implements SyncBackend {
  readonly metadata = { name: '@livestore/sync-cf', description: 'over HTTP' }
  readonly #env: ClientEnv
  readonly #options: CheckedOptions
  readonly #http: HttpSetup
  readonly #args: BackendArgs
  readonly #link: Link
  #nextId = 0
  /** Ends the pings of a connection that was given up. */
  #pings = new AbortController()

  constructor(env: ClientEnv, options: CheckedOptions, http: HttpSetup, args: BackendArgs) {
    this.#env = env
    this.#options = options
    this.#http = http
    this.#args = args
    this.#link = new Link(env, options.ping, {
      open: () => {
        const { signal } = this.#pings
        this.#ask('Ping', undefined, signal).then(
          () => signal.aborted || this.#link.opened(true),
          (why) => signal.aborted || this.#link.lost(why),
        )
      },
      close: (why) => {
        this.#pings.abort(why)
        this.#pings = new AbortController()
      },
      // A server that answers, whatever it says, is there; one that does not is lost already.
      ping: () => void this.#ask('Ping', undefined, this.#pings.signal).catch(() => undefined),
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

  async ping(): Promise<void> {
    await this.#link.connect()
    await this.#ask('Ping', undefined, new AbortController().signal)
  }

  async *pull(cursor: PullCursor | undefined, options: PullOptions): AsyncGenerator<PullPage> {
    const { live, signal } = options
    let { backendId } = options
    let head = cursor?.eventSequenceNumber ?? 0
    await this.#link.connect()
    for (;;) {
      const from =
        head === 0 || backendId === undefined ? undefined : { backendId, eventSequenceNumber: head }
      const inOrder = new InOrder(head)
      const replied = await this.#ask('Pull', from, signal)
      for (const page of replied.flatMap((one) => inOrder.take(one))) {
        head = page.batch.at(-1)?.eventEncoded.seqNum ?? head
        backendId = page.backendId ?? backendId
        yield page
      }
      if (!live) return
      await this.#pause(signal)
    }
  }

  async push(batch: readonly SyncedEvent[], { backendId, signal }: PushOptions): Promise<void> {
    await this.#link.connect()
    const subject = await this.#options.subject(this.#args)
    const overhead = utf8Bytes(JSON.stringify(pushPayload(subject, [], backendId)))
    for (const { index, events } of pushParts(batch, overhead)) {
      try {
        await this.#post('Push', pushPayload(subject, events, backendId), signal)
      } catch (thrown) {
        throw inWholePush(thrown, index)
      }
    }
  }

  async #ask(
    name: 'Ping' | 'Pull',
    cursor: Parameters<typeof pullPayload>[1],
    signal: AbortSignal,
  ): Promise<readonly PullPage[]> {
    const subject = await this.#options.subject(this.#args)
    const payload = name === 'Ping' ? subject : pullPayload(subject, cursor)
    return this.#post(name, payload, signal)
  }

  /** Returns the pages of the answer. @throws (as a rejection) the server's error. */
  async #post(name: string, payload: object, signal: AbortSignal): Promise<readonly PullPage[]> {
    const subject = payload as { readonly storeId: string; readonly payload: unknown }
    const url = addressOf(this.#options.url, 'http', subject)
    const id = String(this.#nextId++)
    const init = {
      method: 'POST',
      headers: {
        ...this.#http.headers,
        'content-type': 'application/json',
        'x-livestore-store-id': encodeURIComponent(subject.storeId),
      },
      body: requestFrame(id, `SyncHttpRpc.${name}`, payload),
      signal,
    } as const
    let status: number
    let text: string
    try {
      const response = await this.#http.fetch(url, init)
      status = response.status
      text = await response.text()
    } catch (thrown) {
      signal.throwIfAborted()
      const why = new IsOfflineError(`the sync server does not answer: ${messageOf(thrown)}`)
      this.#link.lost(why)
      throw why
    }
    this.#link.heard()
    if (status !== 200) {
      const said = `the sync server answers ${status}: ${text.slice(0, 200)}`
      throw new LiveStoreError('SyncFailed', said)
    }
    return pagesOf(text, id)
  }

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#env.clock.after(this.#http.pollInterval, () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      const onAbort = () => {
        cancel()
        reject(signal.reason)
      }
      if (signal.aborted) onAbort()
      else signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}

/** @throws the failure of the answer, or LiveStoreError `MalformedBytes` if it has no end. */
const pagesOf = (text: string, id: string): readonly PullPage[] => {
  const pages: PullPage[] = []
  for (const frame of decodeReply(text)) {
    if (frame.kind === 'defect') throw frame.failure
    if (frame.kind === 'other' || frame.requestId !== id) continue
    if (frame.kind === 'chunk') pages.push(...frame.pages)
    else if (frame.failure !== undefined) throw frame.failure
    else return pages
  }
  throw new LiveStoreError('MalformedBytes', 'the sync server sent a reply without an end')
}
