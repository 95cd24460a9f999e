/**
 * `SystemTables`: what LiveStore calls the tables of its own. This engine keeps its state in other
 * ones; an app should not read either.
 */

/** Names of tables in LiveStore's databases. */
export const SystemTables = {
  SCHEMA_META_TABLE: '__livestore_schema',
  SCHEMA_EVENT_DEFS_META_TABLE: '__livestore_schema_event_defs',
  SESSION_CHANGESET_META_TABLE: '__livestore_session_changeset',
  EVENTLOG_META_TABLE: 'eventlog',
  SYNC_STATUS_TABLE: '__livestore_sync_status',
} as const
