/**
 * The bridge from the engine's "materialize this event" to the app's function.
 *
 * Shared by the client session and the leader. What the app throws is caught one level up, in
 * js/src/wasm/module.ts.
 */

import type { Engine, MaterializeCallback } from './module.js'
import { type BoundStatement, decodeEvents, positionalBinds, writeStatements } from './codec.js'
import type { Statements } from './statements.js'
import type { EventRecord, Materialize } from './values.js'

/** What the engine does not know of an event of the commit in progress. */
export interface LocalEvent {
  readonly name: string
  readonly args: unknown
  readonly argsJson: string
}

/** Positions are given by the engine while it commits; a materializer of a commit sees none. */
const noSeqNum = { global: 0, client: 0, generation: 0 }

/**
 * @param localEvent the i-th event of the commit in progress.
 * @param origin the ids of this client and session.
 */
export const materializeCallback = (
  engine: Engine,
  statements: Statements,
  materialize: Materialize,
  localEvent: (index: number) => LocalEvent,
  origin: { readonly clientId: string; readonly sessionId: string },
): MaterializeCallback => {
  const { module } = engine
  const target = { module, reserve: (bytes: number) => module._ls_batch(bytes) }
  return (localIndex, eventPointer, eventBytes) => {
    let input: EventRecord & { readonly local: boolean; readonly args: unknown }
    if (localIndex >= 0) {
      const { name, args, argsJson } = localEvent(localIndex)
      input = { local: true, name, args, argsJson, seqNum: noSeqNum, parentSeqNum: noSeqNum, ...origin }
    } else {
      const [event] = decodeEvents(module.HEAPU8.slice(eventPointer, eventPointer + eventBytes))
      input = { local: false, args: undefined, ...(event as EventRecord) }
    }
    const bound: BoundStatement[] = materialize(input, statements).map(({ sql, binds }) => {
      const info = statements.prepare(sql)
      return { id: info.id, values: positionalBinds(binds, info, sql) }
    })
    return writeStatements(target, bound)
  }
}
