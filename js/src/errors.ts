/**
 * The one error type of the package, and the list of its codes.
 *
 * Everything that can fail throws a `LiveStoreError`: its `code` is for programs, its message for
 * people. The codes are those of `core/base/error_codes.def`; the numbers are what crosses from the
 * engine and between threads. `errors.test.ts` fails when the two lists differ.
 */

/** Every code with the number the engine knows it by. A number is never reused. */
export const errorNumbers = {
  InvalidArgument: 1,
  InvalidStoreId: 2,
  InvalidSchema: 3,
  InvalidEventArgs: 4,
  UnknownEvent: 5,
  InvalidQuery: 6,
  InvalidMaterializerResult: 7,
  MaterializerThrew: 8,
  Sql: 9,
  Constraint: 10,
  ReadOnlyQuery: 11,
  LimitExceeded: 12,
  Closed: 13,
  Nested: 14,
  InvalidBind: 15,
  DecodeFailed: 16,
  CallbackThrew: 17,
  Unsupported: 18,
  NoRow: 19,
  MalformedBytes: 100,
  UpstreamGap: 101,
  ProtocolMismatch: 102,
  SchemaMismatch: 103,
  StorageFull: 200,
  StorageIo: 201,
  StorageUnavailable: 202,
  StorageBusy: 203,
  CorruptEventlog: 204,
  CorruptState: 205,
  NewerFormat: 206,
  NotUndoable: 207,
  ImportFailed: 208,
  Internal: 300,
  EngineLoad: 301,
  BackendRefused: 400,
  SyncBackendReplaced: 401,
  SyncFailed: 402,
} as const

export type ErrorCode = keyof typeof errorNumbers

/** True where syncing has ended for good, and the app wants its stores to end with it. */
export const endsStores = (code: ErrorCode): boolean =>
  code === 'SyncBackendReplaced' || code === 'SyncFailed'

/** What the engine, or another thread, says when a call failed: plain data, never an `Error`. */
export type ErrorReply = { readonly code: number | string; readonly message: string }

/** What LiveStore calls the errors of these codes; the others are `UnknownError` there. */
const tags = {
  Sql: 'SqliteError',
  Constraint: 'SqliteError',
  InvalidBind: 'SqliteError',
  ReadOnlyQuery: 'SqliteError',
  MaterializerThrew: 'MaterializeError',
  InvalidMaterializerResult: 'MaterializeError',
  UnknownEvent: 'UnknownEventError',
  SyncBackendReplaced: 'BackendIdMismatchError',
} as const satisfies { readonly [Code in ErrorCode]?: string }

export type ErrorTag = (typeof tags)[keyof typeof tags] | 'UnknownError'

/** Everything that this package throws: `code` for programs, the message for people. */
export class LiveStoreError extends Error {
  /** What went wrong. `docs` leads to what it means. */
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'LiveStoreError'
    this.code = code
  }

  /** What LiveStore 0.4 calls such an error, for `catchTag` and its like. */
  get _tag(): ErrorTag {
    return (tags as { readonly [code: string]: ErrorTag })[this.code] ?? 'UnknownError'
  }

  /** Where this package explains the code, as a path in `node_modules`. */
  get docs(): string {
    return `livestore-wasm/docs/errors.md#${this.code.toLowerCase()}`
  }
}

/**
 * True for a `LiveStoreError` of any copy of this package: the worker bundles have a class of their
 * own, so `instanceof` would not do.
 */
export const isLiveStoreError = (value: unknown): value is LiveStoreError =>
  value instanceof Error &&
  value.name === 'LiveStoreError' &&
  Object.hasOwn(errorNumbers, (value as LiveStoreError).code)

/** Rebuilds the error of a reply. A code this build does not know becomes `Internal`. */
export const errorFromReply = (reply: ErrorReply): LiveStoreError => {
  const { code, message } = reply
  const known = (Object.keys(errorNumbers) as ErrorCode[]).find(
    (name) => name === code || errorNumbers[name] === code,
  )
  return known === undefined
    ? new LiveStoreError('Internal', `${message} (unknown error code ${code})`)
    : new LiveStoreError(known, message)
}

/** The text of anything that was thrown. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown)
