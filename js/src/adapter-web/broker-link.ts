/**
 * A tab's way to the broker, which outlives the broker: when the shared worker ends, another one is
 * made, and told again what this tab wants.
 *
 *     connect ──► ready: the name of the broker's lock ──► join or lead, whichever is wanted
 *        ▲                                                      │
 *        └─── the lock is free: the broker is gone ◄────────────┘
 *
 * A shared worker dies with the process it runs in, which may be that of some tab, and nobody is
 * told. So the broker holds a lock for its life, and every tab waits in line for it. Nothing is
 * said before `ready`: a connection that was made to a dying shared worker never comes to that, and
 * is given up without a trace.
 *
 * Knows no leader and no session: what it is to say comes from the tab.
 */

import type { Clock, LocksLike, PortLike, SharedWorkerLike } from '../env.js'
import { errorFromReply, LiveStoreError, messageOf } from '../errors.js'
import {
  type BrokerToTab,
  protocolVersion,
  sharedWorkerName,
  type TabToBroker,
} from '../protocol/messages.js'
import { TypedPort } from '../protocol/port.js'
import { checkBrokerToTab } from '../protocol/validate.js'

/** How long a shared worker may take to be ready; twice as long after each failure. */
export const brokerReadyWaitFirstMs = 2_000
/** Shared workers in a row that were not ready in time, or ended soon after. Then it is enough. */
export const brokerFailuresMax = 5
/** One that lived so long has not ended soon. */
export const brokerSettledMs = 60_000

export interface BrokerLinkEnv {
  readonly clock: Clock
  readonly locks: LocksLike
  spawnSharedWorker(name: string): SharedWorkerLike
}

export interface BrokerLinkHandlers {
  /** A broker has been asked to pair this session; again for every one that follows it. */
  onJoined(): void
  /** The way to a leader. Every earlier one is dead. */
  onLeaderPort(port: PortLike): void
  /** What was wanted cannot be had. Asking again begins anew. */
  onTrouble(error: LiveStoreError): void
}

/** What the broker is to do for this tab, as long as it is wanted. */
type Wish =
  | { readonly type: 'join'; readonly sessionId: string; readonly lockName: string }
  /** Each broker needs a port of its own. */
  | { readonly type: 'lead'; readonly lockName: string; makePort(): PortLike }

interface Connection {
  readonly port: TypedPort<TabToBroker<PortLike>, BrokerToTab<PortLike>>
  readonly over: AbortController
  ready: boolean
}

export class BrokerLink {
  readonly #env: BrokerLinkEnv
  readonly #storeId: string
  readonly #handlers: BrokerLinkHandlers
  #connection: Connection | undefined
  #wish: Wish | undefined
  #failures = 0
  #readyAt = 0
  #stopWaiting: () => void = () => undefined

  constructor(env: BrokerLinkEnv, storeId: string, handlers: BrokerLinkHandlers) {
    this.#env = env
    this.#storeId = storeId
    this.#handlers = handlers
  }

  /** Starts the shared worker, for whoever is about to want something. */
  connect(): void {
    if (this.#connection === undefined) this.#connect()
  }

  /** Pairs this session with every leader from now on. `lockName` is held. */
  join(sessionId: string, lockName: string): void {
    this.#want({ type: 'join', sessionId, lockName })
  }

  /**
   * Announces the leader worker, which holds `lockName` for its life; `makePort` gives a new port
   * to it each time.
   */
  lead(lockName: string, makePort: () => PortLike): void {
    this.#want({ type: 'lead', lockName, makePort })
  }

  /** Nothing is wanted any more. */
  leave(): void {
    if (this.#wish?.type === 'join' && this.#connection?.ready === true) {
      this.#connection.port.post({ type: 'leave' })
    }
    this.#wish = undefined
  }

  /** Idempotent; `join` and `lead` begin anew. */
  close(): void {
    this.leave()
    this.#disconnect()
  }

  #want(wish: Wish): void {
    this.#wish = wish
    if (this.#connection?.ready === true) this.#say(this.#connection)
    else this.connect()
  }

  #say({ port }: Connection): void {
    const wish = this.#wish
    if (wish === undefined) return
    const common = { protocol: protocolVersion, storeId: this.#storeId }
    if (wish.type === 'join') {
      port.post({ ...common, ...wish })
      this.#handlers.onJoined()
      return
    }
    const { type, lockName } = wish
    const toLeader = wish.makePort()
    port.post({ ...common, type, lockName, port: toLeader }, [toLeader as unknown as Transferable])
  }

  #connect(): void {
    let sharedWorker: SharedWorkerLike
    try {
      sharedWorker = this.#env.spawnSharedWorker(sharedWorkerName(this.#storeId))
    } catch (thrown) {
      this.#giveUp(
        thrown instanceof LiveStoreError
          ? thrown
          : new LiveStoreError('Unsupported', couldNotStart(messageOf(thrown)), { cause: thrown }),
      )
      return
    }
    const connection: Connection = {
      port: new TypedPort(sharedWorker.port, checkBrokerToTab<PortLike>),
      over: new AbortController(),
      ready: false,
    }
    this.#connection = connection
    this.#waitUntilReady(connection)
    sharedWorker.addEventListener('error', ({ message }) => {
      if (this.#connection !== connection) return
      this.#giveUp(
        new LiveStoreError('Unsupported', couldNotStart(message ?? 'its script did not load')),
      )
    })
    connection.port.listen({
      onMessage: (message) => this.#take(connection, message),
      onMalformed: (problem) =>
        this.#giveUp(new LiveStoreError('ProtocolMismatch', `the shared worker sent ${problem}`)),
    })
  }

  #take(connection: Connection, message: BrokerToTab<PortLike>): void {
    switch (message.type) {
      case 'ready':
        if (connection.ready) return
        connection.ready = true
        this.#stopWaiting()
        this.#readyAt = this.#env.clock.now()
        if (message.lockName !== undefined) this.#watch(connection, message.lockName)
        this.#say(connection)
        break
      case 'leader-port':
        if (this.#wish?.type === 'join') this.#handlers.onLeaderPort(message.port)
        // It was on its way when this tab stopped following.
        else message.port.close?.()
        break
      case 'error':
        this.#giveUp(errorFromReply(message))
    }
  }

  #waitUntilReady(connection: Connection): void {
    const waitMs = brokerReadyWaitFirstMs * 2 ** this.#failures
    this.#stopWaiting = this.#env.clock.after(waitMs, () => {
      this.#lost(connection, `it was not ready within ${waitMs} ms`)
    })
  }

  #watch(connection: Connection, lockName: string): void {
    const { signal } = connection.over
    this.#env.locks
      .request(lockName, { mode: 'shared', signal }, () => this.#lost(connection, 'it ended'))
      .catch(() => undefined)
  }

  #lost(connection: Connection, why: string): void {
    if (this.#connection !== connection) return
    const settled = connection.ready && this.#env.clock.now() - this.#readyAt >= brokerSettledMs
    this.#failures = settled ? 1 : this.#failures + 1
    this.#disconnect()
    if (this.#failures >= brokerFailuresMax) {
      const times = `${this.#failures} times in a row`
      this.#giveUp(
        new LiveStoreError(
          'Unsupported',
          `the shared worker that introduces tabs to each other failed ${times}; at last: ${why}`,
        ),
      )
    } else if (this.#wish !== undefined) {
      this.#connect()
    }
  }

  #giveUp(error: LiveStoreError): void {
    this.#disconnect()
    this.#failures = 0
    this.#handlers.onTrouble(error)
  }

  #disconnect(): void {
    this.#stopWaiting()
    this.#connection?.over.abort()
    this.#connection?.port.close()
    this.#connection = undefined
  }
}

const couldNotStart = (why: string): string => `the shared worker could not start: ${why}`
