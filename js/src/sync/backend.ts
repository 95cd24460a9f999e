/**
 * What a sync backend is: a server that puts the synced events of all clients into one order.
 *
 *     pull   ──► pages of events after a cursor, one's own included: they are the confirmation
 *     push   ──► events that continue the backend's head, or a refusal
 *
 * An app, or a provider's package, implements `SyncBackend` and hands `MakeSyncBackend` to the
 * leader worker. Any of its functions may throw, take its time or never answer: it is asked again.
 */

/** A synced event, as it travels. */
export interface SyncedEvent {
  readonly name: string
  /** The encoded arguments: JSON. */
  readonly args: unknown
  readonly seqNum: number
  readonly parentSeqNum: number
  readonly clientId: string
  readonly sessionId: string
}

/** Whether the backend has more than this page. `NoMore`: it is the backend's last event, now. */
export type PageInfo =
  | { readonly _tag: 'NoMore' }
  | { readonly _tag: 'MoreUnknown' }
  | { readonly _tag: 'MoreKnown'; readonly remaining: number }

export interface PullPage {
  /** In order, without gaps; may be empty. `metadata` is JSON, given back as the cursor's. */
  readonly batch: readonly { readonly eventEncoded: SyncedEvent; readonly metadata?: unknown }[]
  readonly pageInfo: PageInfo
  /** Of other clients, by `broadcast`: stored nowhere, shown while their stores live. */
  readonly broadcast?: readonly SyncedEvent[] | undefined
  /** Of this backend's history; another one means that the backend was replaced or reset. */
  readonly backendId?: string | undefined
}

/** The last event of this backend that the client has. */
export interface PullCursor {
  readonly eventSequenceNumber: number
  /** What the backend said of that event, if it said anything. */
  readonly metadata: unknown
}

export interface PushOptions {
  /**
   * Of the history that the client knows; undefined before it knows one. A backend that has ids
   * checks it, because numbers alone may fit another history.
   */
  readonly backendId: string | undefined
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

export interface PullOptions extends PushOptions {
  /** Go on after `NoMore`: with every event that the backend takes from then on. */
  readonly live: boolean
}

export interface SyncBackend {
  /**
   * Everything after `cursor`, or from the beginning. The first page comes at once, and says
   * `NoMore`, empty, if there is nothing: before it nothing is pushed to a backend that is new to
   * the log. A live pull may then be quiet; after five minutes it is begun anew.
   *
   * @throws (when it is iterated) as `push` does
   */
  pull(cursor: PullCursor | undefined, options: PullOptions): AsyncIterable<PullPage>
  /**
   * Takes the events, all or none, if they continue the backend's head: if the first one's parent
   * is its last. When this resolves they have their place for good.
   *
   * @throws (as a rejection) `IsOfflineError`, `ServerAheadError`, `EventRefusedError`,
   *   `BackendIdMismatchError`; anything else is taken for something that will pass
   */
  push(batch: readonly SyncedEvent[], options: PushOptions): Promise<void> | void
  /**
   * Passes events that are not persisted on to the other clients that are there, in the pages of
   * their live pulls. Best effort: nobody waits for it, and a failure is not reported.
   */
  broadcast?(events: readonly SyncedEvent[]): Promise<void> | void
  /** Called once, before anything else. */
  connect?(): Promise<void> | void
  /** Called now and then while a live pull is quiet: fails if the connection is dead. */
  ping?(): Promise<void> | void
  /** While it is false nothing is asked of the backend. */
  readonly isConnected?: {
    readonly value: boolean
    /** Returns what ends the subscription. */
    subscribe(listener: (isConnected: boolean) => void): () => void
  }
  /** Called once, after everything else: ends connections and timers. */
  close?(): Promise<void> | void
  /** For people and tools. */
  readonly metadata?: { readonly name?: string; readonly description?: string }
}

export type MakeSyncBackend = (args: {
  readonly storeId: string
  readonly clientId: string
  /** `syncPayload` of the store in the tab that leads. */
  readonly payload: unknown
}) => SyncBackend | Promise<SyncBackend>

/** There is no connection. */
export class IsOfflineError extends Error {
  readonly _tag = 'IsOfflineError'
  override readonly name = 'IsOfflineError'
}

/** The pushed events do not continue the backend's head: others came first. */
export class ServerAheadError extends Error {
  readonly _tag = 'ServerAheadError'
  override readonly name = 'ServerAheadError'
  readonly minimumExpectedNum: number
  readonly providedNum: number

  constructor(numbers: { readonly minimumExpectedNum: number; readonly providedNum: number }) {
    const { minimumExpectedNum, providedNum } = numbers
    super(`the backend expects event ${minimumExpectedNum}, it was given ${providedNum}`)
    this.minimumExpectedNum = minimumExpectedNum
    this.providedNum = providedNum
  }
}

/** The backend has another history than the one the client knows. */
export class BackendIdMismatchError extends Error {
  readonly _tag = 'BackendIdMismatchError'
  override readonly name = 'BackendIdMismatchError'
  readonly expected: string
  readonly received: string

  constructor(ids: { readonly expected: string; readonly received: string }) {
    super(`the backend is ${ids.received}, the client knows ${ids.expected}`)
    this.expected = ids.expected
    this.received = ids.received
  }
}

/**
 * The backend will never take the event at `index` of the batch. It is taken out of the log and
 * reported; the others are pushed anew.
 */
export class EventRefusedError extends Error {
  readonly _tag = 'EventRefusedError'
  override readonly name = 'EventRefusedError'
  readonly index: number
  readonly reason: string

  constructor(refusal: { readonly index: number; readonly reason: string }) {
    super(`the backend refuses event ${refusal.index} of a push: ${refusal.reason}`)
    this.index = refusal.index
    this.reason = refusal.reason
  }
}
