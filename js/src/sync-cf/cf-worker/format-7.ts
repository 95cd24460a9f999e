/**
 * The tables of `@livestore/sync-cf` 0.4, its format 7: what this worker reads and writes.
 *
 *     eventlog_7_<store>  seqNum, parentSeqNum, name, args, createdAt, clientId, sessionId
 *     context_7           storeId, currentHead, backendId        always in the Durable Object
 */

import type { StoredEvent } from '../../sync-server/storage.js'

/** The table's name. Two ids that differ in punctuation only have the same. */
export const plainTable = (storeId: string): string =>
  `eventlog_7_${storeId.replace(/[^a-zA-Z0-9]/g, '_')}`

export const createEventlog = (table: string): string =>
  `CREATE TABLE IF NOT EXISTS "${table}" (seqNum INTEGER PRIMARY KEY, ` +
  'parentSeqNum INTEGER NOT NULL, name TEXT NOT NULL, args TEXT, createdAt TEXT NOT NULL, ' +
  'clientId TEXT NOT NULL, sessionId TEXT NOT NULL) STRICT'

export const createContext =
  'CREATE TABLE IF NOT EXISTS context_7 ' +
  '(storeId TEXT PRIMARY KEY, currentHead INTEGER, backendId TEXT) STRICT'

/** A statement takes 100 parameters at most. */
const rowsPerInsert = 14

/** The statements that insert `events`, in order. */
export const insertsOf = (
  table: string,
  events: readonly StoredEvent[],
): { readonly query: string; readonly binds: (string | number)[] }[] => {
  const columns = 'seqNum, parentSeqNum, name, args, createdAt, clientId, sessionId'
  const inserts = []
  for (let first = 0; first < events.length; first += rowsPerInsert) {
    const some = events.slice(first, first + rowsPerInsert)
    const rows = some.map(() => '(?, ?, ?, ?, ?, ?, ?)').join()
    const binds = some.flatMap((event) => [
      event.seqNum,
      event.parentSeqNum,
      event.name,
      event.args,
      event.createdAt,
      event.clientId,
      event.sessionId,
    ])
    inserts.push({ query: `INSERT INTO "${table}" (${columns}) VALUES ${rows}`, binds })
  }
  return inserts
}

export const eventOf = (row: Record<string, unknown>): StoredEvent => ({
  seqNum: Number(row.seqNum),
  parentSeqNum: Number(row.parentSeqNum),
  name: String(row.name),
  // Events without arguments were stored as NULL.
  args: row.args === null ? 'null' : String(row.args),
  clientId: String(row.clientId),
  sessionId: String(row.sessionId),
  createdAt: String(row.createdAt),
})
