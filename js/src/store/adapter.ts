/**
 * What a store needs from its surroundings: an engine for this tab, ids, and ports to whichever
 * leader there is.
 *
 *     createStorePromise ──connect──► Adapter ──► SessionLink ──start──► LeaderPort, LeaderPort, …
 *
 * Adapters implement these types; the store knows no worker, no lock and no storage. A link hands
 * over one port after the other: each new one replaces the port before it, which is then dead.
 */

import type { LiveStoreError } from '../errors.js'
import type { BootImage } from '../protocol/boot-image.js'
import type {
  BootStatus,
  LeaderToSession,
  SessionToLeader,
  StorageMode,
} from '../protocol/messages.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import type { Engine } from '../wasm/module.js'
import type { Materialize } from '../wasm/values.js'

export type { BootStatus, StorageMode } from '../protocol/messages.js'

export interface Adapter {
  /** Called once per store. Rejects when the store can never work here. */
  connect(options: ConnectOptions): Promise<SessionLink>
}

export interface ConnectOptions {
  readonly storeId: string
  readonly schema: LiveStoreSchema
  /** What the engine is told of the schema. */
  readonly schemaDescriptor: string
  /** For a leader that lives in this thread. */
  readonly materialize: Materialize
  /** For the sync backend, as JSON has it. */
  readonly syncPayload?: unknown
  readonly onBootStatus: (status: BootStatus) => void
  /** Told of what no call can throw. Never throws. */
  readonly onError: (error: LiveStoreError) => void
}

/** Outlives the page. What is in it reaches the next leader. */
export interface Journal {
  /**
   * Keeps what the session `instance` has pending, in place of what was kept of it. It is on disk,
   * as far as the browser says, when this returns.
   *
   * @returns what removes it, once a leader has it all. It does nothing after a later `write`.
   * @throws LiveStoreError `LimitExceeded` `StorageFull` `StorageUnavailable`
   */
  write(instance: string, push: Uint8Array): () => void
}

export interface SessionLink {
  readonly engine: Engine
  readonly clientId: string
  readonly sessionId: string
  /** What is known so far; the leader's `welcome` has the last word. */
  readonly storageMode: StorageMode
  /** The state as a leader left it, to start from while the leader boots. Given out once. */
  readonly takeBootImage?: (() => BootImage | undefined) | undefined
  /** Without it nothing outlives the page anyway. */
  readonly journal?: Journal | undefined
  /** Called once. */
  start(handlers: LinkHandlers): void
  close(): Promise<void>
}

export interface LinkHandlers {
  /** There is a leader. Called again for every later one; the port before it is then dead. */
  readonly onPort: (port: LeaderPort) => void
  /** There will never be a leader that this tab can work with. */
  readonly onFailure: (error: LiveStoreError) => void
}

export interface LeaderPort {
  post(message: SessionToLeader, transfer?: Transferable[]): void
  /** Called once, at once; messages before it are kept. */
  onMessage(handler: (message: LeaderToSession) => void): void
  close(): void
}
