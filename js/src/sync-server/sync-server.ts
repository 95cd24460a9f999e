/**
 * A sync server without a transport: rooms over one storage, entered by WebSocket connections and
 * HTTP calls. Node and Cloudflare put their sockets around it (node/, ../sync-cf/cf-worker/).
 *
 * A room is opened when the first client of its store comes and closed when the last one has gone;
 * it holds nothing that the storage does not have.
 */

import type { CallContext } from './calls.js'
import { Connection, type Link } from './connection.js'
import { guardedStorage } from './guarded-storage.js'
import type { SyncHooks } from './hooks.js'
import { answerCall } from './http-call.js'
import { defaultLimits, type Limits } from './limits.js'
import { type Caller, PayloadCheck } from './payload-check.js'
import { Room } from './room.js'
import { newStats } from './stats.js'
import type { SyncStorage } from './storage.js'

export interface SyncServerOptions {
  readonly storage: SyncStorage
  readonly hooks?: SyncHooks | undefined
  readonly limits?: Partial<Limits> | undefined
  /** Told of every failure of the storage. */
  readonly onProblem?: ((error: unknown) => void) | undefined
  /** Unix time in milliseconds. */
  readonly now?: (() => number) | undefined
}

interface OpenRoom {
  readonly room: Promise<Room>
  users: number
}

export class SyncServer {
  readonly stats = newStats()
  readonly limits: Limits
  readonly #storage: SyncStorage
  readonly #hooks: SyncHooks
  readonly #now: () => number
  readonly #rooms = new Map<string, OpenRoom>()
  readonly #connections = new Set<Connection>()

  constructor({ storage, hooks = {}, limits, onProblem, now = Date.now }: SyncServerOptions) {
    this.#storage = guardedStorage(storage, onProblem ?? (() => {}))
    this.#hooks = hooks
    this.limits = { ...defaultLimits, ...limits }
    this.#now = now
  }

  /** Stores that somebody is connected to. */
  get rooms(): number {
    return this.#rooms.size
  }

  /**
   * Whether `caller` may come in: asked before a socket is accepted. `otherwise` judges payloads
   * where no hook does.
   *
   * @throws (as a rejection) UnauthorizedError
   */
  async admit(caller: Caller, otherwise?: SyncHooks['validatePayload']): Promise<PayloadCheck> {
    const check = this.checkOf(caller, otherwise)
    await check.check(undefined)
    return check
  }

  /** For a caller that was admitted before. */
  checkOf(caller: Caller, otherwise?: SyncHooks['validatePayload']): PayloadCheck {
    const time = { now: this.#now, validMs: this.limits.payloadValidMs }
    return new PayloadCheck(this.#hooks.validatePayload ?? otherwise, caller, time)
  }

  /** A client that was admitted. Its `gone` must be called when the socket closes. */
  connect(link: Link, caller: Caller, check: PayloadCheck): Connection {
    const { context, leave } = this.#enter(caller, check)
    this.stats.connections += 1
    this.stats.connectionsTotal += 1
    const connection = new Connection(link, context, this.stats)
    this.#connections.add(connection)
    const gone = connection.gone.bind(connection)
    let isThere = true
    connection.gone = () => {
      gone()
      if (!isThere) return
      isThere = false
      this.#connections.delete(connection)
      this.stats.connections -= 1
      leave()
    }
    return connection
  }

  /** Answers the body of an HTTP call that was admitted, in pieces of one JSON array. */
  async *call(body: string, caller: Caller, check: PayloadCheck): AsyncGenerator<string> {
    const { context, leave } = this.#enter(caller, check)
    try {
      yield* answerCall(body, context, this.stats)
    } finally {
      leave()
    }
  }

  /** Asks again for every connection whether it may be here. */
  async recheckAll(): Promise<void> {
    await Promise.all([...this.#connections].map((connection) => connection.recheck()))
  }

  /** Tells every client that this server goes away. The storage stays open. */
  closeConnections(code: number, reason: string): void {
    for (const connection of this.#connections) connection.close(code, reason)
  }

  #enter(caller: Caller, check: PayloadCheck): { context: CallContext; leave: () => void } {
    let entered: OpenRoom | undefined
    let left = false
    const room = (): Promise<Room> => {
      if (left) return Promise.reject(new Error('the connection has been closed'))
      entered ??= this.#enterRoom(caller.storeId)
      const { room } = entered
      // The next call tries again.
      room.catch(() => {
        entered = undefined
      })
      return room
    }
    const context: CallContext = {
      caller,
      check,
      hooks: this.#hooks,
      limits: this.limits,
      now: this.#now,
      room,
    }
    const leave = (): void => {
      left = true
      if (entered !== undefined) this.#leaveRoom(caller.storeId, entered)
      entered = undefined
    }
    return { context, leave }
  }

  #enterRoom(storeId: string): OpenRoom {
    const open = this.#rooms.get(storeId)
    if (open !== undefined) {
      open.users += 1
      return open
    }
    const opening: OpenRoom = { room: Room.open(storeId, this.#storage, this.limits), users: 1 }
    this.#rooms.set(storeId, opening)
    opening.room.catch(() => {
      if (this.#rooms.get(storeId) === opening) this.#rooms.delete(storeId)
    })
    return opening
  }

  /** The room stays while it appends: whoever comes meanwhile has to hear of it. */
  #leaveRoom(storeId: string, open: OpenRoom): void {
    open.users -= 1
    if (open.users > 0) return
    void open.room
      .then(async (room) => {
        await room.idle()
        if (open.users > 0 || this.#rooms.get(storeId) !== open) return
        this.#rooms.delete(storeId)
        room.close()
      })
      .catch(() => {})
  }
}
