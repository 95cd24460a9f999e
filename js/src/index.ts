/**
 * livestore-wasm: schemas, queries and stores. Adapters, workers and framework bindings are entries
 * of their own, so that a page loads what it uses.
 */

export type { Bindable, PreparedBindValues } from './compat/bind-values.js'
export { prepareBindValues } from './compat/bind-values.js'
export { getDefaultValuesDecoded, getDefaultValuesEncoded } from './compat/default-values.js'
export { EventSequenceNumber } from './compat/event-sequence-number.js'
export { LiveStoreEvent } from './compat/live-store-event.js'
export { rawSqlEvent, rawSqlMaterializer } from './compat/raw-sql.js'
export type { ResolvedEventDef } from './compat/resolve-event-def.js'
export {
  defineFacts,
  resolveEventDef,
  UNKNOWN_EVENT_SCHEMA_HASH,
} from './compat/resolve-event-def.js'
export { SqliteAst } from './compat/sqlite-ast.js'
export { SqliteDsl } from './compat/sqlite-dsl.js'
export { SystemTables } from './compat/system-tables.js'
export type { MutableDebugInfo, StackFrame, StackInfo } from './compat/tools.js'
export {
  emptyDebugInfo,
  exposeDebugUtils,
  extractStackInfoFromStackTrace,
  IntentionalShutdownCause,
  provideOtel,
  SqliteDbWrapper,
  StoreInterrupted,
  stackInfoToString,
} from './compat/tools.js'
export type {
  ClientSession,
  DebugInfo,
  LiveStoreContext,
  LiveStoreContextRunning,
  OtelOptions,
  PreparedStatement,
  QueryDebugInfo,
  RcRef,
  RefreshReason,
  ShutdownDeferred,
  Signal,
  SqliteDb,
  SyncState,
} from './compat/types.js'
export type { ErrorCode, ErrorTag } from './errors.js'
export { isLiveStoreError, LiveStoreError } from './errors.js'
export type {
  CompiledQuery,
  Query,
  QueryBuilder,
  QueryBuilderAst,
  QueryResult,
  TableQuery,
} from './query/index.js'
export { isQueryBuilder, QueryBuilderAstSymbol, QueryBuilderTypeId, sql } from './query/index.js'
export type {
  Deps,
  GetQuery,
  LiveQuery,
  LiveQueryDef,
  Queryable,
  QueryOptions,
  RawBinds,
  RawQuery,
  SignalDef,
} from './reactivity/definitions.js'
export {
  computed,
  isLiveQuery as isLiveQueryInstance,
  isQueryable,
  isQueryDef as isLiveQueryDef,
  makeRef,
  queryDb,
  signal,
} from './reactivity/definitions.js'
export * as Events from './schema/events-namespace.js'
export type {
  AnyEventDef,
  AnySchema,
  AnyTableDef,
  BindValue,
  BindValues,
  ClientDocumentTableDef,
  ColumnDefinition,
  DefinedEvent,
  DocumentId,
  DocumentSetValue,
  EffectSchema,
  EventArgs,
  EventDef,
  EventInput,
  EventOptions,
  EventParts,
  LiveStoreSchema,
  MaterializedEvent,
  Materializer,
  MaterializerContext,
  MaterializerQuery,
  MaterializerResult,
  MaterializersFor,
  MigrationOptions,
  RawStatement,
  RowQuery,
  RowQueryAst,
  SchemaEncoded,
  SchemaInput,
  SchemaOutput,
  SchemaState,
  StandardSchema,
  TableDef,
  UnknownEventContext,
  UnknownEventHandling,
} from './schema/index.js'
export {
  clientOnly,
  DeprecatedId,
  deepEqual,
  defineEvent,
  defineMaterializer,
  deprecated,
  findDeprecatedFieldsWithValues,
  getDeprecatedReason,
  getEventDef,
  isDeprecated,
  isLiveStoreSchema,
  LiveStoreSchemaSymbol,
  logDeprecationWarnings,
  makeSchema,
  materializers,
  nanoid,
  normalizeUnknownEventHandling,
  resetDeprecationWarnings,
  SessionIdSymbol,
  synced,
} from './schema/index.js'
export * as State from './schema/state-namespace.js'
export type {
  Adapter,
  BootStatus,
  ConnectOptions,
  LeaderPort,
  SessionLink,
  StorageMode,
} from './store/adapter.js'
export type {
  CreateStoreOptions,
  CreateStoreOptions as CreateStoreOptionsPromise,
} from './store/create-store.js'
export { createStorePromise } from './store/create-store.js'
export type {
  CommitOptions,
  CommitReceipt,
  CommitResult,
  EventsOptions,
  LoggedEvent,
  RawRow,
  RawStoreQuery,
  StoreInternals,
  SubscribeOptions,
  SyncStatus,
  Transaction,
  Unsubscribe,
} from './store/store.js'
export { Store, StoreInternalsSymbol } from './store/store.js'
export { liveStoreVersion } from './version.js'
export type { Rejection } from './wasm/client-session.js'
