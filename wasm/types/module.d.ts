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

export interface FollowOutcomeValue {
  /** Live query ids to run again. */
  readonly stale: number[]
  /** Events that were dropped; `event` is a batch of one. */
  readonly rejected: {
    readonly code: number
    readonly message: string
    readonly event: Uint8Array
  }[]
  readonly needImage: boolean
}

/** Embind handle; JavaScript owns it and ends it with `delete()`. */
export interface ClientSessionHandle {
  slot(): number
  schemaHash(): string
  loadImage(image: Uint8Array): Reply<FollowOutcomeValue>
  nextPush(): Uint8Array | undefined
  onPushAccepted(): VoidReply
  onPushRejected(): VoidReply
  onPushFailed(failedIndex: number, code: number, message: string): Reply<FollowOutcomeValue>
  onAdvance(events: Uint8Array): Reply<FollowOutcomeValue>
  onLeaderChange(): SeqNumValue
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
  | { readonly author: number; readonly events: Uint8Array }
  | { readonly session: number; readonly push: number; readonly answer: 0 | 1 }
  | {
      readonly session: number
      readonly push: number
      readonly answer: 2
      readonly failedIndex: number
      readonly code: number
      readonly message: string
    }

export interface LeaderCountersValue {
  readonly eventsAppended: number
  readonly groups: number
  readonly eventsReplayed: number
  readonly rebuilds: number
  readonly damagedStates: number
  readonly storageReads: number
  readonly storageWrites: number
  readonly storageFlushes: number
}

/** Embind handle; JavaScript owns it and ends it with `delete()`. */
export interface LeaderHandle {
  slot(): number
  schemaHash(): string
  bootStep(): Reply<BootProgressValue>
  submit(session: number, push: number, events: Uint8Array): VoidReply
  drain(): Reply<DrainEntryValue[]>
  eventsAfter(cursor: SeqNumValue): Reply<Uint8Array | undefined>
  image(): Reply<Uint8Array>
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

export interface EngineModule {
  readonly HEAPU8: Uint8Array
  readonly HEAPU32: Uint32Array
  readonly HEAPF64: Float64Array

  readonly ClientSession: {
    open(clientId: string, sessionId: string, schema: string): Reply<ClientSessionHandle>
  }
  readonly Leader: {
    /** A pool number below 0 keeps the files in memory. */
    open(pool: number, schema: string): Reply<LeaderHandle>
    fileNames(): string[]
  }

  _ls_input(bytes: number): number
  _ls_batch(bytes: number): number
  _ls_output(): number
  _ls_output_size(): number
  _ls_prepare(slot: number, sqlBytes: number): number
  _ls_query(slot: number, statement: number, bindsBytes: number): number
  _ls_commit(slot: number, bytes: number): number
  _ls_live_open(slot: number, statement: number, bindsBytes: number): number
  _ls_live_run(slot: number, query: number): number
  _ls_live_close(slot: number, query: number): void
}

export interface ModuleOptions {
  readonly livestoreHost: LivestoreHost
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
