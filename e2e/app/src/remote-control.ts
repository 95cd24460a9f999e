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
  /** What the store told about events that the leader could not take. */
  readonly rejections: readonly RejectionData[]

  /** What `onError` was told, also in the pages that this tab had before. */
  errors(): readonly { readonly code: string; readonly message: string }[]

  add(texts: readonly string[]): void
  /** Resolves when they are on disk. */
  addAndFlush(texts: readonly string[]): Promise<void>
  addMany(prefix: string, count: number): Promise<void>
  startAdding(prefix: string): void
  addedCount(): number
  stopAdding(): Promise<readonly string[]>
  remove(text: string): void
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

declare global {
  interface Window {
    app: RemoteControl
  }
}
