/**
 * The Durable Object of a store: the sync server's logic around the sockets of Cloudflare.
 *
 * It may be put to sleep while its sockets stay open. All that is needed to go on is attached to
 * each socket: who it is, and which live pulls it has and how far they have come. Pings are
 * answered by the runtime without waking it.
 */

import {
  type Connection,
  closeCodes,
  pingText,
  type SavedPull,
} from '../../sync-server/connection.js'
import { type ForwardHeaders, forwarded, type SyncHooks } from '../../sync-server/hooks.js'
import type { Limits } from '../../sync-server/limits.js'
import type { Caller } from '../../sync-server/payload-check.js'
import { SyncServer } from '../../sync-server/sync-server.js'
import { pong } from '../wire/replies.js'
import { readSyncAddress } from '../wire/sync-url.js'
import type { CfGlobals, CfWebSocket, D1Database, DurableObjectState } from './cf-types.js'
import { D1Storage } from './d1-storage.js'
import { DurableStorage } from './durable-storage.js'

export interface DurableObjectOptions extends SyncHooks {
  /** SQLite of the Durable Object unless given; or a D1 database, by the name of its binding. */
  readonly storage?:
    | { readonly _tag: 'do-sqlite' }
    | { readonly _tag: 'd1'; readonly binding: string }
    | undefined
  /** Both unless given. */
  readonly enabledTransports?: ReadonlySet<'ws' | 'http' | 'do-rpc'> | undefined
  /** Request headers that hooks are given. */
  readonly forwardHeaders?: ForwardHeaders | undefined
  /** Headers of every answer over HTTP, as browsers of other origins want them. */
  readonly http?: { readonly responseHeaders?: Record<string, string> } | undefined
  readonly limits?: Partial<Limits> | undefined
}

/** What the runtime calls. An app exports a class that extends it, and binds it in its settings. */
export interface SyncDurableObject {
  fetch(request: Request): Promise<Response>
  webSocketMessage(socket: CfWebSocket, message: string | ArrayBuffer): Promise<void>
  webSocketClose(socket: CfWebSocket, code: number, reason: string): Promise<void>
  webSocketError(socket: CfWebSocket): Promise<void>
}

interface Attachment {
  /** In the object's storage if it is too large to be attached. */
  readonly caller: Attached | { readonly stored: string }
  readonly pulls: readonly SavedPull[]
}

interface Attached {
  readonly storeId: string
  readonly payload: unknown
  readonly headers: readonly (readonly [string, string])[]
}

/** An attachment takes 2,048 bytes; live pulls need some of them. */
const callerCharsMax = 600

/** @throws TypeError for a storage that this package does not have. */
export const makeDurableObject = (
  options: DurableObjectOptions = {},
): (new (
  state: DurableObjectState,
  env: unknown,
) => SyncDurableObject) => {
  const { storage = { _tag: 'do-sqlite' } } = options
  if (storage._tag !== 'do-sqlite' && storage._tag !== 'd1') {
    const { _tag } = storage as { readonly _tag: unknown }
    throw new TypeError(`makeDurableObject: storage is "do-sqlite" or "d1", not "${_tag}"`)
  }
  return class implements SyncDurableObject {
    readonly #state: DurableObjectState
    readonly #server: SyncServer
    readonly #connections = new Map<CfWebSocket, Connection>()

    constructor(state: DurableObjectState, env: unknown) {
      this.#state = state
      this.#server = new SyncServer({
        storage:
          storage._tag === 'do-sqlite'
            ? new DurableStorage(state.storage)
            : new D1Storage(d1Of(env, storage.binding), state.storage),
        hooks: options,
        limits: options.limits,
        onProblem: (error) => console.error('the storage failed', error),
      })
      const { WebSocketRequestResponsePair } = globalThis as unknown as CfGlobals
      state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(pingText, pong))
      for (const socket of state.getWebSockets()) this.#restore(socket)
    }

    async fetch(request: Request): Promise<Response> {
      const address = readSyncAddress(new URL(request.url).searchParams)
      if (address === undefined) return new Response('Invalid path', { status: 400 })
      const { storeId, payload, transport } = address
      if (!(options.enabledTransports ?? bothTransports).has(transport)) {
        return new Response('Error', { status: 500 })
      }
      const headers = forwarded(request.headers, options.forwardHeaders)
      const caller: Caller = { storeId, payload, headers }
      try {
        if (transport === 'ws') return await this.#accept(request, caller)
        return await this.#call(request, caller)
      } catch (error) {
        return new Response((error as Error).message, { status: 400 })
      }
    }

    async webSocketMessage(socket: CfWebSocket, message: string | ArrayBuffer): Promise<void> {
      const connection = this.#connections.get(socket)
      if (typeof message !== 'string') connection?.receiveBinary()
      else if (message.length > this.#server.limits.frameBytesMax) {
        connection?.close(1009, 'the frame is too large')
      } else connection?.receive(message)
    }

    async webSocketClose(socket: CfWebSocket, code: number, reason: string): Promise<void> {
      this.#gone(socket)
      // The runtime does not always answer a client that closes.
      const sayable = code === 1000 || (code >= 3000 && code <= 4999)
      try {
        socket.close(sayable ? code : 1000, reason)
      } catch {
        // It is closed.
      }
    }

    async webSocketError(socket: CfWebSocket): Promise<void> {
      this.#gone(socket)
    }

    async #accept(request: Request, caller: Caller): Promise<Response> {
      if (request.headers.get('upgrade') !== 'websocket') {
        return new Response('the transport ws expects Upgrade: websocket', { status: 426 })
      }
      const check = await this.#admit(caller)
      const { WebSocketPair } = globalThis as unknown as CfGlobals
      const { 0: client, 1: socket } = new WebSocketPair()
      this.#state.acceptWebSocket(socket)
      const attached = this.#attach(caller)
      socket.serializeAttachment({ caller: attached, pulls: [] } satisfies Attachment)
      this.#connect(socket, caller, check, attached)
      return new Response(null, { status: 101, webSocket: client } as ResponseInit)
    }

    async #call(request: Request, caller: Caller): Promise<Response> {
      const check = await this.#admit(caller)
      const body = await request.text()
      if (body.length > this.#server.limits.frameBytesMax) {
        return new Response('the body is too large', { status: 413 })
      }
      const pieces = this.#server.call(body, caller, check)
      const encoder = new TextEncoder()
      const stream = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await pieces.next()
          if (done === true) controller.close()
          else controller.enqueue(encoder.encode(value))
        },
        async cancel() {
          await pieces.return(undefined)
        },
      })
      const headers = { 'content-type': 'application/json', ...options.http?.responseHeaders }
      return new Response(stream, { headers })
    }

    #admit(caller: Caller) {
      return this.#server.admit(caller, sameAs(caller.payload))
    }

    #connect(
      socket: CfWebSocket,
      caller: Caller,
      check: Awaited<ReturnType<SyncServer['admit']>>,
      attached: Attachment['caller'],
    ): Connection {
      const connection = this.#server.connect(
        {
          send: (text) => {
            // A socket that has just gone throws; its close comes next.
            try {
              socket.send(text)
            } catch {}
          },
          close: (code, reason) => {
            this.#gone(socket)
            socket.close(code, reason)
          },
          pendingBytes: () => 0,
          save: (pulls) => socket.serializeAttachment({ caller: attached, pulls }),
        },
        caller,
        check,
      )
      this.#connections.set(socket, connection)
      return connection
    }

    #restore(socket: CfWebSocket): void {
      const { caller: attached, pulls } = socket.deserializeAttachment() as Attachment
      const found = 'stored' in attached ? this.#stored(attached.stored) : attached
      if (found === undefined) {
        socket.close(closeCodes.misbehaved, 'the connection is not known')
        return
      }
      const caller: Caller = { ...found, headers: new Map(found.headers) }
      const check = this.#server.checkOf(caller, sameAs(caller.payload))
      this.#connect(socket, caller, check, attached).resume(pulls)
    }

    #gone(socket: CfWebSocket): void {
      this.#connections.get(socket)?.gone()
      this.#connections.delete(socket)
      const { caller } = socket.deserializeAttachment() as Attachment
      if ('stored' in caller) {
        this.#sql('DELETE FROM livestore_caller WHERE id = ?', caller.stored)
      }
    }

    #attach({ storeId, payload, headers }: Caller): Attachment['caller'] {
      const attached: Attached = { storeId, payload, headers: [...headers] }
      const text = JSON.stringify(attached)
      if (text.length <= callerCharsMax) return attached
      const stored = crypto.randomUUID()
      this.#sql('INSERT INTO livestore_caller VALUES (?, ?)', stored, text)
      return { stored }
    }

    #stored(id: string): Attached | undefined {
      const [row] = this.#sql('SELECT caller FROM livestore_caller WHERE id = ?', id)
      return row === undefined ? undefined : JSON.parse(String(row.caller))
    }

    #sql(query: string, ...binds: string[]): Record<string, unknown>[] {
      const { sql } = this.#state.storage
      sql.exec(
        'CREATE TABLE IF NOT EXISTS livestore_caller (id TEXT PRIMARY KEY, caller TEXT NOT NULL)',
      )
      return sql.exec(query, ...binds).toArray()
    }
  }
}

/** @throws Error naming the binding that is missing */
const d1Of = (env: unknown, binding: string): D1Database => {
  const database = (env as Record<string, D1Database | undefined>)[binding]
  if (database === undefined) throw new Error(`there is no D1 database bound as ${binding}`)
  return database
}

const bothTransports: ReadonlySet<string> = new Set(['ws', 'http'])

/**
 * The worker found the connection's payload valid. Where the object has no `validatePayload` of its
 * own, a message with another payload is refused.
 */
const sameAs = (accepted: unknown) => (payload: unknown) => {
  if (JSON.stringify(payload) !== JSON.stringify(accepted)) {
    throw new Error('the payload of the message is not the one of its connection')
  }
}
