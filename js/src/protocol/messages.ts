/**
 * Every message between tabs, the shared worker and the leader worker: types, names, limits.
 *
 *     session ──SessionToLeader──► leader        a port of its own for each session
 *     session ◄──LeaderToTab──     leader
 *     tab     ──TabToBroker──►     broker        the shared worker
 *     tab     ◄──BrokerToTab──     broker
 *     broker  ──BrokerToLeader──►  leader worker
 *     tab     ──TabToWorker──►     its own leader worker
 *     tab     ◄──WorkerToTab──     its own leader worker
 *
 * All are plain data for structured clone; buffers and ports in them are transferred, and their
 * sender never touches them again. Errors travel as code and message. What arrives on one port is
 * in the order it was sent, and on a leader's port that order is the total order of events.
 *
 * Types and constants only. Shapes are checked at the edge by validate.ts.
 */

import type { PortLike } from '../env.js'

/**
 * Both ends must say the same number.
 *
 * 1: the first.
 */
export const protocolVersion = 1

export type StorageMode = 'persisted' | 'in-memory'

/**
 * How far the boot of a store is. `done` comes last; a `warning` may come at any time, also after
 * it.
 */
export type BootStatus =
  | { readonly stage: 'loading' }
  | {
      readonly stage: 'migrating' | 'rehydrating' | 'syncing'
      readonly progress: { readonly done: number; readonly total: number }
    }
  | {
      readonly stage: 'warning'
      /**
       * `event-skipped`: an event is in the log without effect, because its materializer failed in
       * the leader. `event-refused`: the sync backend refused an event for good. `leader-silent`:
       * whoever leads the store does not answer, and is waited for. `import-failed`: data of
       * LiveStore cannot be read, and the app goes on without it.
       */
      readonly reason:
        | 'private-browsing'
        | 'storage-unavailable'
        | 'state-rebuilt'
        | 'import-failed'
        | 'event-skipped'
        | 'event-refused'
        | 'leader-silent'
      readonly message: string
    }
  | { readonly stage: 'done' }

// --- session and leader -------------------------------------------------------------------------

/**
 * Opens the conversation, and opens it anew when the session lost track of the leader's log or
 * cannot follow it by changesets.
 */
export interface HelloMessage {
  readonly type: 'hello'
  readonly protocol: number
  readonly sessionId: string
  readonly clientId: string
  /** Names this one session object: by it the leader knows what it has of its events. */
  readonly instance: string
  readonly schemaHash: string
  /** The end of the log as the session knows it. Without it the session wants the image. */
  readonly cursor?: ArrayBuffer
}

/** Pending events of the session. One push is unanswered at any time, never two. */
export interface PushMessage {
  readonly type: 'push'
  readonly id: number
  readonly push: ArrayBuffer
}

/** Both ways: events of one session that are not persisted, for those that are there. */
export interface PassingMessage {
  readonly type: 'passing'
  readonly events: ArrayBuffer
}

/** Asks for settled events after the synced one with this number. Answered by `log-page`. */
export interface LogMessage {
  readonly type: 'log'
  readonly id: number
  readonly after: number
  /** At most so many. */
  readonly count: number
}

/** Answered by `pong`, as soon as the leader can say anything. */
export interface PingMessage {
  readonly type: 'ping'
}

/** The session ends. Pushes already sent are still taken in. */
export interface ByeMessage {
  readonly type: 'bye'
}

/**
 * What a session left in its journal when its page ended, handed over by another tab; at the begin
 * before the `hello`. `instance` is the name that session had.
 */
export interface JournalMessage {
  readonly type: 'journal'
  readonly id: number
  readonly instance: string
  readonly push: ArrayBuffer
}

export type SessionToLeader =
  | HelloMessage
  | PushMessage
  | PassingMessage
  | PingMessage
  | LogMessage
  | ByeMessage
  | JournalMessage

export interface BootStatusMessage {
  readonly type: 'boot-status'
  readonly status: BootStatus
}

/**
 * Answers `hello`: what follows the cursor; or, if none was given or the log does not hold it, the
 * image and what follows that.
 */
export interface WelcomeMessage {
  readonly type: 'welcome'
  readonly image?: ArrayBuffer
  readonly history: ArrayBuffer
  readonly storageMode: StorageMode
  /** What its events are to say from now on: another client turned out to have the id before. */
  readonly clientId?: string
}

/**
 * Answers `push`. `rejected`: the session is behind, and what it lacks was sent before this.
 * `failed`: the event at `failedIndex` cannot be materialized; those before it were accepted.
 */
export type PushResultMessage =
  | { readonly type: 'push-result'; readonly id: number; readonly outcome: 'accepted' | 'rejected' }
  | {
      readonly type: 'push-result'
      readonly id: number
      readonly outcome: 'failed'
      readonly failedIndex: number
      readonly code: string
      readonly message: string
    }

/**
 * What became of the log since what was sent before: events of other sessions, or of other clients
 * with those of this one rebased on them. Own accepted events are not echoed.
 */
export interface NewsMessage {
  readonly type: 'news'
  readonly news: ArrayBuffer
}

/**
 * The leader lost track of what it told, or its log was replaced. An unanswered push is forgotten:
 * say `hello` again.
 */
export interface RejoinMessage {
  readonly type: 'rejoin'
}

/**
 * Something failed in the leader. With `retrying` the leader keeps every push and goes on trying,
 * and their answers will still come; with a code that `endsStores` the store is to
 * end too. Without `retrying` this port is of no more use.
 */
export interface ErrorMessage {
  readonly type: 'error'
  readonly code: string
  readonly message: string
  readonly retrying?: boolean
}

/**
 * Answers `journal`, once its events are on disk; with `code` they never will be. A leader without
 * storage does not answer.
 */
export type JournalResultMessage =
  | { readonly type: 'journal-result'; readonly id: number; readonly code?: never }
  | {
      readonly type: 'journal-result'
      readonly id: number
      readonly code: string
      readonly message: string
    }

/** Answers `log`. Without any events, there are none yet: ask again when something has changed. */
export interface LogPageMessage {
  readonly type: 'log-page'
  readonly id: number
  readonly events: ArrayBuffer
}

/** Answers `ping`: the leader is there, however long it takes for the rest. */
export interface PongMessage {
  readonly type: 'pong'
}

export type LeaderToSession =
  | BootStatusMessage
  | WelcomeMessage
  | PushResultMessage
  | NewsMessage
  | PassingMessage
  | RejoinMessage
  | PongMessage
  | LogPageMessage
  | ErrorMessage

/** All that comes on a session's port; what is about journals is for its tab. */
export type LeaderToTab = LeaderToSession | JournalResultMessage

// --- tab and shared worker ----------------------------------------------------------------------

/**
 * `join`: pair this session with every leader from now on, until `leave`. `lead`: this tab's worker
 * is the leader; `port` leads to it. The locks are held for as long as session and worker live, and
 * nobody else wants them: a broker may wait in line for them even if it is suspended.
 */
export type TabToBroker<Port> =
  | {
      readonly type: 'join'
      readonly protocol: number
      readonly storeId: string
      readonly sessionId: string
      readonly lockName: string
    }
  | { readonly type: 'leave' }
  | {
      readonly type: 'lead'
      readonly protocol: number
      readonly storeId: string
      readonly lockName: string
      readonly port: Port
    }

export type BrokerToTab<Port> =
  /** It is there, and `join` and `lead` are heard. It holds the lock for as long as it lives. */
  | { readonly type: 'ready'; readonly lockName?: string }
  /** The way to a leader. Every earlier `leader-port` is dead. */
  | { readonly type: 'leader-port'; readonly port: Port }
  | ErrorMessage

/** `session` is the name of the session's lock: it tells apart tabs that share a session id. */
export type BrokerToLeader<Port> =
  | { readonly type: 'session-port'; readonly session: string; readonly port: Port }
  /** The same, over a broadcast channel of this name. */
  | { readonly type: 'session-channel'; readonly session: string; readonly channel: string }
  | { readonly type: 'session-gone'; readonly session: string }

/** Among the tabs of a store without a shared worker: what they say to all. */
export type RoomMessage =
  | { readonly type: 'join'; readonly session: string; readonly channel: string }
  | { readonly type: 'leave'; readonly session: string }
  | { readonly type: 'leads' }

// --- tab and its own leader worker --------------------------------------------------------------

/** Sent at once, so that storage opens while the page still compiles the engine. */
export interface InitMessage<Port> {
  readonly type: 'init'
  readonly protocol: number
  readonly storeId: string
  readonly clientId: string
  /** For the sync backend: what the app gave to its store, as JSON has it. */
  readonly syncPayload?: unknown
  readonly directory: string
  /** Remove what is stored before opening it. */
  readonly resetPersistence: boolean
  readonly sessionPort: Port
}

export type TabToWorker<Port> =
  | InitMessage<Port>
  | {
      readonly type: 'engine'
      readonly wasmModule: WebAssembly.Module
      /** There is a directory of LiveStore, whose data belongs into a log that has none yet. */
      readonly hasLiveStoreData: boolean
    }
  /** Sessions come by this port. Those that came by the port before come anew. */
  | { readonly type: 'broker'; readonly port: Port }
  | { readonly type: 'shutdown' }

export type WorkerToTab =
  /** Its script runs, and it holds this lock until it ends. */
  | { readonly type: 'started'; readonly lockName: string }
  /** The leader lock is held: no other leader has files open. */
  | { readonly type: 'leading' }
  /**
   * Other tabs may come: the boot is over, or takes longer than a warm one. Not before, because the
   * start of the shared worker takes a core for 50 ms, in the midst of a warm boot.
   */
  | { readonly type: 'receiving' }
  /** The boot failed; trying again in this tab would fail in the same way. */
  | { readonly type: 'error'; readonly code: string; readonly message: string }
  /** The worker asks for what few need, so that only the page loads it. Answers come by `port`. */
  | { readonly type: 'help'; readonly with: HelpTopic; readonly port: PortLike }
  /** The engine broke while serving. Storage is released; a new worker can boot from it. */
  | { readonly type: 'crashed'; readonly message: string }
  | { readonly type: 'shutdown-done' }

// --- the worker and what its page does for it ---------------------------------------------------

export type HelpTopic = 'livestore-data' | 'stored-blocks'

/** The SQLite file of an eventlog of LiveStore, and its rollback journal, if any. */
export interface LiveStoreLog {
  readonly database: ArrayBuffer
  readonly journal: ArrayBuffer
  /** It is of 0.4, not of 0.3. */
  readonly generations: boolean
}

/** The one answer to `livestore-data`: what was found, the newest version first. */
export type LiveStoreDataAnswer = (
  | { readonly type: 'found'; readonly logs: readonly LiveStoreLog[] }
  | ErrorMessage
) & {
  /** The app rather goes on without what cannot be read. */
  readonly optional: boolean
}

/**
 * Files in memory are kept by the page in blocks of this size. Most commits change one or two: a
 * larger one would write more each time, a smaller one would make a boot read more records.
 */
export const blockBytes = 16_384

/** What became of a file: its size, and every block in which it changed. */
export interface ChangedFile {
  readonly name: string
  readonly size: number
  readonly blocks: readonly { readonly index: number; readonly bytes: ArrayBuffer }[]
}

/** About `stored-blocks`: first `open`, then `write`, each after the answer to the one before. */
export type BlocksRequest =
  | { readonly type: 'open'; readonly directory: string; readonly reset: boolean }
  /** All of it is stored, for good, or nothing. */
  | { readonly type: 'write'; readonly files: readonly ChangedFile[] }

export type BlocksAnswer =
  | {
      readonly type: 'opened'
      readonly files: readonly { readonly name: string; readonly bytes: ArrayBuffer }[]
    }
  | { readonly type: 'written' }
  | ErrorMessage

// --- names --------------------------------------------------------------------------------------

/** The election: the tab that holds it starts the leader worker; the next in the queue follows. */
export const tabLockName = (storeId: string): string => `livestore-wasm-tab-${storeId}`

/** Held by the leader worker for as long as it may write. */
export const leaderLockName = (storeId: string): string => `livestore-wasm-leader-${storeId}`

/** Held by a worker that is to lead, for its life. The nonce tells apart those that follow. */
export const workerLockName = (nonce: string): string => `livestore-wasm-worker-${nonce}`

/** Held by a tab while its session lives. The nonce tells apart tabs that share a session id. */
export const sessionLockName = (storeId: string, sessionId: string, nonce: string): string =>
  `livestore-wasm-session-${storeId}-${sessionId}-${nonce}`

/** Held by a page for as long as it goes by this session id. */
export const sessionIdLockName = (storeId: string, sessionId: string): string =>
  `livestore-wasm-session-id-${storeId}-${sessionId}`

/** Held by a broker for its life. The nonce tells apart those that follow each other. */
export const brokerLockName = (nonce: string): string => `livestore-wasm-broker-${nonce}`

export const sharedWorkerName = (storeId: string): string => `livestore-wasm-${storeId}`

export const leaderWorkerName = (storeId: string, sessionId: string): string =>
  `livestore-wasm-leader-${storeId}-${sessionId}`

/** The number is that of the layout of the directory; a new layout gets a new one. */
export const directoryName = (storeId: string, directory?: string): string =>
  `${directory ?? `livestore-wasm-${storeId}`}@1`

/** Where LiveStore keeps a store: 0.4, and 0.3. */
export const liveStoreDirectoryNames = (storeId: string, directory?: string): readonly string[] =>
  ['@6', '@4'].map((format) => (directory ?? `livestore-${storeId}`) + format)

export const clientIdKey = (storeId: string): string => `livestore:clientId:${storeId}`
/** What a session had pending when its page ended: this and the name of the session. */
export const journalKey = (storeId: string): string => `livestore:journal:${storeId}:`
/** The same for a journal that cannot be taken in. */
export const unusableJournalKey = (storeId: string): string =>
  `livestore:unusable-journal:${storeId}:`
export const sessionIdKey = (storeId: string): string => `livestore:sessionId:${storeId}`
/** The session id that a page leaves to the next one of its tab. */
export const sessionIdLeftKey = (storeId: string): string => `livestore:sessionId-left:${storeId}`
