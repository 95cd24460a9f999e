/**
 * What apps and the other parts of the package use of schemas: events, tables, materializers.
 * Pure: values in, values out; no engine and no browser.
 */

export {
  DeprecatedId,
  deprecated,
  findDeprecatedFieldsWithValues,
  getDeprecatedReason,
  isDeprecated,
} from './annotations.js'
export type {
  ClientDocumentTableDef,
  DocumentId,
  DocumentSetValue,
  RowQuery,
  RowQueryAst,
} from './client-document.js'
export type {
  AnySchema,
  EffectSchema,
  SchemaEncoded,
  SchemaInput,
  SchemaOutput,
  StandardSchema,
} from './codec.js'
export type { ColumnDefinition } from './columns.js'
export { logDeprecationWarnings, resetDeprecationWarnings } from './deprecation.js'
export { schemaDescriptor } from './descriptor.js'
export type {
  AnyEventDef,
  DefinedEvent,
  EventArgs,
  EventCodec,
  EventDef,
  EventInput,
  EventOptions,
  EventParts,
  PreparedEvent,
} from './events.js'
export { clientOnly, defineEvent, EventCodecSymbol, synced } from './events.js'
export * as Events from './events-namespace.js'
export type {
  BindValues,
  MaterializedEvent,
  Materializer,
  MaterializerContext,
  MaterializerQuery,
  MaterializerResult,
  RawStatement,
} from './materialize.js'
export { materializeWith } from './materialize.js'
export { nanoid } from './nanoid.js'
export type { LiveStoreSchema, MaterializersFor, MigrationOptions, SchemaState } from './schema.js'
export {
  defineMaterializer,
  getEventDef,
  isLiveStoreSchema,
  LiveStoreSchemaSymbol,
  makeSchema,
  materializers,
} from './schema.js'
export * as State from './state-namespace.js'
export type { AnyTableDef, TableDef } from './table.js'
export type { UnknownEventContext, UnknownEventHandling } from './unknown-events.js'
export { normalizeUnknownEventHandling } from './unknown-events.js'
export type { BindValue } from './values.js'
export { deepEqual, replaceSessionId, SessionIdSymbol } from './values.js'
