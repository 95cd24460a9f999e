/** What a test can do with the tested app: `window.app`. Plain data in, plain data out. */

import type { BootStatus } from 'livestore-wasm'

export type AppState =
  | { readonly state: 'ready' }
  | { readonly state: 'failed'; readonly code: string; readonly message: string }

export interface AppStatus {
  readonly storageMode: string
  readonly pendingCount: number
  readonly localHead: string
  readonly upstreamHead: string
}

export interface RowData {
  readonly rowid: number
  readonly id: string
  readonly text: string
  readonly completed: number
  readonly priority?: number
}

export interface ErrorData {
  readonly code: string
  readonly message: string
}

export interface RejectionData {
  readonly eventName: string
  readonly argsJson: string
  readonly code: string
  readonly message: string
}

/** How a call went that may throw. */
export type CallOutcome =
  | { readonly outcome: 'returned' }
  | { readonly outcome: 'threw'; readonly code: string; readonly message: string }

/** Calls that must fail at the call. */
export type BadCall =
  | 'wrong-event-args'
  | 'unknown-event'
  | 'constraint-violation'
  | 'unknown-column'
  | 'sql-error'
  | 'write-by-query'

export interface RemoteControl {
  /** Settles with the end of the boot. Never rejects. */
  readonly booted: Promise<AppState>
  readonly bootStatuses: readonly BootStatus[]
  /** When each came, in milliseconds since 1970. */
  readonly bootStatusTimes: readonly number[]
  /** What the store told about events that the leader could not take. */
  readonly rejections: readonly RejectionData[]

  /** What `onError` was told, also in the pages that this tab had before. */
  errors(): readonly ErrorData[]

  add(texts: readonly string[]): void
  /** Resolves when they are on disk. */
  addAndFlush(texts: readonly string[]): Promise<void>
  addMany(prefix: string, count: number): Promise<void>
  startAdding(prefix: string): void
  addedCount(): number
  stopAdding(): Promise<readonly string[]>
  remove(text: string): void
  /**
   * Commits so many notes of this page in this task, one by one, and tells how many it has made;
   * nothing before it has its author.
   */
  note(count: number): Noted | undefined
  /** Goes on, or stops, to commit notes: now one, now some together. For pages with an author. */
  setNoting(isOn: boolean): void
  /** The texts of all notes, `<author>-<number>`, in the order of materialization. */
  notes(): readonly string[]
  rows(): readonly RowData[]
  status(): AppStatus
  /** How many times a live query of all rows has told its subscriber. */
  notifications(): number
  attempt(call: BadCall): CallOutcome
  /** Makes another store with this id and tells how that went. */
  attemptStore(storeId: string): Promise<CallOutcome>
  workerCount(): number
  killWorker(): void
  shutdown(): Promise<void>
}

/** How many notes a page has made in its life. */
export interface Noted {
  readonly author: string
  readonly noted: number
}

/** What a page that commits notes tells the test, which outlives the page. */
export type Told =
  /** The answer is the name to sign with. */
  | { readonly what: 'arrived' }
  /** The worker of this page holds the leader's lock. */
  | { readonly what: 'leads' }
  /** So many notes of `author` are on disk. */
  | { readonly what: 'persisted'; readonly author: string; readonly count: number }

declare global {
  interface Window {
    app: RemoteControl
    /** Set by the test where pages commit notes. */
    tell(told: Told): Promise<string>
  }
}
