/**
 * The WebAssembly module as TypeScript sees it. Written by hand from wasm/bindings/*.cc;
 * wasm/test/bindings.test.ts fails when the two differ. Only js/src/wasm imports this.
 */

/** The answer of every fallible call. `js/src/wasm/reply.ts` turns the second form into a throw. */
export type Reply<T> = { readonly value: T } | { readonly code: number; readonly message: string }
/** A call that answers nothing but whether it worked. */
export type VoidReply =
  | { readonly code?: undefined }
  | { readonly code: number; readonly message: string }

export interface SeqNumValue {
  readonly global: number
  readonly client: number
  readonly generation: number
}

/** An event that was dropped, as a batch of one, and why. */
export interface EventReportValue {
  readonly code: number
  readonly message: string
  readonly event: Uint8Array
}

export interface FollowOutcomeValue {
  /** Live query ids to run again. */
  readonly stale: number[]
  /** `accepted`: the leader had it, and only the position of `event` is known. */
  readonly rejected: (EventReportValue & { readonly counter: number; readonly accepted: boolean })[]
  readonly needImage: boolean
}

/** Embind handle; JavaScript owns it and ends it with `delete()`. `open` comes first, and once. */
export interface ClientSessionHandle {
  open(clientId: string, sessionId: string, instance: string, schema: string): VoidReply
  slot(): number
  schemaHash(): string
  loadImage(image: Uint8Array, history: Uint8Array): Reply<FollowOutcomeValue>
  setClientId(id: string): void
  nextPush(): Uint8Array | undefined
  nextPassing(): Uint8Array | undefined
  onPassing(events: Uint8Array): Reply<FollowOutcomeValue>
  onPushAccepted(): VoidReply
  onPushRejected(): VoidReply
  onPushFailed(failedIndex: number, code: number, message: string): Reply<FollowOutcomeValue>
  onNews(news: Uint8Array): Reply<FollowOutcomeValue>
  onHistory(history: Uint8Array): Reply<FollowOutcomeValue>
  /** The cursor for `LeaderHandle.join`. */
  onLeaderChange(): Uint8Array
  pendingAsPush(): Uint8Array | undefined
  receipts(): {
    readonly committed: number
    readonly persisted: number
    readonly synced: number
    readonly hasBackend: boolean
  }
  syncStatus(): {
    readonly localHead: SeqNumValue
    readonly upstreamHead: SeqNumValue
    readonly pendingCount: number
  }
  image(): Reply<Uint8Array>
  delete(): void
}

/** 0 migrating, 1 rehydrating, 2 done: the order of BootProgress::Stage in core/leader/leader.h. */
export interface BootProgressValue {
  readonly stage: 0 | 1 | 2
  readonly done: number
  readonly total: number
}

/** 0 accepted, 1 rejected, 2 failed: the order of PushAnswer in core/leader/leader.h. */
export type DrainEntryValue =
  | { readonly author: number; readonly news: Uint8Array }
  | { readonly session: number; readonly push: number; readonly answer: 0 | 1 }
  | {
      readonly session: number
      readonly push: number
      readonly answer: 2
      readonly failedIndex: number
      readonly code: number
      readonly message: string
    }

export interface DrainValue {
  readonly entries: DrainEntryValue[]
  readonly rejoin: boolean
  readonly skipped: EventReportValue[]
  readonly refused: EventReportValue[]
}

/** The order of BackendRequest::Kind in core/leader/leader.h. */
export type BackendRequestValue =
  | {
      readonly kind: 0
      readonly number: number
      readonly backendId: string
      readonly cursor: number
      /** JSON text; empty for none. */
      readonly cursorMetadata: string
      readonly live: boolean
    }
  | { readonly kind: 1; readonly number: number }
  | {
      readonly kind: 2
      readonly number: number
      readonly backendId: string
      readonly events: Uint8Array
    }

export interface LeaderSyncStatusValue {
  readonly localHead: SeqNumValue
  readonly upstreamHead: number
  readonly pendingCount: number
  readonly online: boolean
  readonly caughtUp: boolean
  readonly halted: boolean
}

export interface LeaderCountersValue {
  readonly eventsAppended: number
  readonly groups: number
  readonly eventsReplayed: number
  readonly rebuilds: number
  readonly damagedStates: number
  readonly rebases: number
  readonly eventsRebased: number
  readonly eventsTakenBack: number
  readonly eventsPulled: number
  readonly storageReads: number
  readonly storageWrites: number
  readonly storageFlushes: number
}

/** Embind handle; JavaScript owns it and ends it with `delete()`. `open` comes first, and once. */
export interface LeaderHandle {
  /**
   * `backend`: -1 none, 0 one that cannot pull live, 1 one that can. `jitterSeed` is a uint32.
   * `onMismatch`: 0 reset, 1 ignore, the order of BackendIdMismatch in core/leader/leader.h.
   * `clientId`: empty is not known, and never replaced by the spare one.
   */
  open(
    schema: string,
    backend: -1 | 0 | 1,
    jitterSeed: number,
    onMismatch: 0 | 1,
    clientId: string,
    spareClientId: string,
  ): VoidReply
  slot(): number
  schemaHash(): string
  /**
   * Answers how many events were taken over. An empty database: there is none. `generations`: of
   * 0.4, not 0.3.
   */
  importLiveStore(database: Uint8Array, journal: Uint8Array, generations: boolean): Reply<number>
  bootStep(): Reply<BootProgressValue>
  submit(session: number, push: number, bytes: Uint8Array): VoidReply
  submitOrphans(bytes: Uint8Array): VoidReply
  drain(): Reply<DrainValue>
  hasWork(): boolean
  join(
    cursor: Uint8Array | undefined,
    instance: string,
  ): Reply<{
    readonly image: Uint8Array | undefined
    readonly history: Uint8Array
    readonly clientId: string
  }>
  nextRequests(nowMs: number): Reply<BackendRequestValue[]>
  wakeAt(nowMs: number): number | undefined
  onPulled(pull: number, page: Uint8Array, caughtUp: boolean, nowMs: number): VoidReply
  onPullEnded(pull: number, nowMs: number): void
  onPullFailed(pull: number, nowMs: number): void
  onPushTaken(push: number): void
  /** 0 offline, 1 unavailable, 2 server ahead: BackendFailure in core/sync/backend_sync.h. */
  onPushFailed(push: number, failure: 0 | 1 | 2, nowMs: number): void
  onPushRefused(push: number, index: number, reason: string, nowMs: number): void
  onBackendReplaced(id: string): void
  onConnection(online: boolean): void
  syncStatus(): LeaderSyncStatusValue
  image(): Reply<Uint8Array>
  settledAfter(global: number, count: number): Reply<Uint8Array>
  localHead(): SeqNumValue
  counters(): LeaderCountersValue
  delete(): void
}

/** What one file of a pool must offer; a `FileSystemSyncAccessHandle` does. */
export interface StorageHandle {
  read(bytes: Uint8Array, options: { at: number }): number
  write(bytes: Uint8Array, options: { at: number }): number
  truncate(size: number): void
  flush(): void
  getSize(): number
}

/** Given to the module at creation. None of its functions may throw. */
export interface LivestoreHost {
  /**
   * Writes the statements of one event into the batch buffer and returns their bytes; or writes an
   * error and returns minus its bytes minus one. `localIndex` is the event's place in the commit in
   * progress, and the three numbers are its position; or -1: then the event is a batch of one at
   * `eventPointer`.
   */
  materialize(
    slot: number,
    localIndex: number,
    global: number,
    client: number,
    generation: number,
    eventPointer: number,
    eventBytes: number,
  ): number
  /** Pools by number; each is the files of one leader. */
  readonly storage: (readonly { readonly name: string; readonly handle: StorageHandle }[])[]
}

/** What every module has: its memory, and the buffers through which packed bytes cross. */
export interface PackedModule {
  readonly HEAPU8: Uint8Array
  readonly HEAPU32: Uint32Array
  readonly HEAPF64: Float64Array

  _ls_input(bytes: number): number
  _ls_batch(bytes: number): number
  _ls_output(): number
  _ls_output_size(): number
}

/** The module of the sync server's database (wasm/server/database_exports.cc). */
export interface DatabaseModule extends PackedModule {
  _ls_db_open(pool: number, nameBytes: number): number
  _ls_db_close(): void
  _ls_db_reopen(): number
  _ls_db_exec(sqlBytes: number): number
  _ls_db_prepare(sqlBytes: number): number
  _ls_db_run(statement: number, bindsBytes: number): number
  _ls_db_query(statement: number, bindsBytes: number): number
}

export interface EngineModule extends PackedModule {
  readonly ClientSession: { create(): ClientSessionHandle }
  readonly Leader: {
    /** A pool number below 0 keeps the files in memory. */
    create(pool: number): LeaderHandle
    fileNames(): string[]
  }

  _ls_prepare(slot: number, sqlBytes: number): number
  _ls_query(slot: number, statement: number, bindsBytes: number): number
  _ls_commit(slot: number, bytes: number): number
  _ls_live_open(
    slot: number,
    statement: number,
    bindsBytes: number,
    column: number,
    parameter: number,
  ): number
  _ls_live_run(slot: number, query: number): number
  _ls_live_close(slot: number, query: number): void
}

export interface ModuleOptions {
  /** The database module asks for the storage alone. */
  readonly livestoreHost: LivestoreHost | Pick<LivestoreHost, 'storage'>
  /** Instantiates the module's wasm; called once by the glue. */
  instantiateWasm(
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): object
  onAbort?(reason: unknown): void
}

declare const createLivestoreModule: (options: ModuleOptions) => Promise<EngineModule>
// biome-ignore lint/style/noDefaultExport: it is what Emscripten makes.
export default createLivestoreModule
