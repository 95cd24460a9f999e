/**
 * livestore-wasm: schemas, queries and stores. Adapters, workers and framework bindings are entries
 * of their own, so that a page loads what it uses.
 */

export type { ErrorCode } from './errors.js'
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
  isQueryDef as isLiveQueryDef,
  queryDb,
  signal,
} from './reactivity/definitions.js'
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
  RawStatement,
  RowQuery,
  RowQueryAst,
  SchemaEncoded,
  SchemaInput,
  SchemaOutput,
  SchemaState,
  StandardSchema,
  TableDef,
} from './schema/index.js'
export {
  clientOnly,
  deepEqual,
  defineEvent,
  defineMaterializer,
  Events,
  getEventDef,
  isLiveStoreSchema,
  LiveStoreSchemaSymbol,
  makeSchema,
  materializers,
  nanoid,
  SessionIdSymbol,
  State,
  synced,
} from './schema/index.js'
export type {
  Adapter,
  BootStatus,
  ConnectOptions,
  LeaderPort,
  SessionLink,
  StorageMode,
} from './store/adapter.js'
export type { CreateStoreOptions } from './store/create-store.js'
export { createStorePromise } from './store/create-store.js'
export type {
  CommitOptions,
  CommitReceipt,
  CommitResult,
  RawRow,
  RawStoreQuery,
  Store,
  SubscribeOptions,
  SyncStatus,
  Transaction,
  Unsubscribe,
} from './store/store.js'
export { liveStoreVersion } from './version.js'
export type { Rejection } from './wasm/client-session.js'
