/** The members of `State.SQLite`. */

export {
  AutoIncrement,
  ColumnType,
  Default,
  DeprecatedId,
  deprecated,
  findDeprecatedFieldsWithValues,
  getDeprecatedReason,
  isDeprecated,
  PrimaryKeyId,
  Unique,
  withAutoIncrement,
  withColumnType,
  withDefault,
  withPrimaryKey,
  withUnique,
} from './annotations.js'
export type { ClientDocumentTableDef } from './client-document.js'
export {
  ClientDocumentTableDefSymbol,
  clientDocument,
  tableIsClientDocumentTable,
} from './client-document.js'
export type { ColumnDefinition } from './columns.js'
export {
  blob,
  boolean,
  column,
  datetime,
  datetimeInteger,
  integer,
  isColumnDefinition,
  json,
  real,
  text,
} from './columns.js'
export type { CudEvents } from './cud-events.js'
export { enableCud } from './cud-events.js'
export { logDeprecationWarnings, resetDeprecationWarnings } from './deprecation.js'
export { clientOnly, defineEvent, synced } from './events.js'
export { defineMaterializer, makeState, materializers } from './schema.js'
export type { TableDef } from './table.js'
export { table } from './table.js'
export { TableInfoSymbol as TableDefInternalsSymbol } from './table-info.js'
