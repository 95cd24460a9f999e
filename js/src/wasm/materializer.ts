/**
 * The bridge from the engine's "materialize this event" to the app's function.
 *
 * Shared by the client session and the leader. What the app throws is caught one level up, in
 * js/src/wasm/module.ts.
 */

import { type BoundStatement, decodeEvents, positionalBinds, writeStatements } from './codec.js'
import type { Engine, MaterializeCallback } from './module.js'
import type { Statements } from './statements.js'
import type { EventRecord, Materialize, MaterializeInput, SeqNum } from './values.js'

/** What the engine does not know of an event of the commit in progress. */
export interface LocalEvent {
  readonly name: string
  readonly args: unknown
  readonly argsJson: string
  /** Handed on to `materialize`. */
  readonly note?: unknown
}

/** The rule of core/event/seq_num.h, for an event committed here. */
const parentOf = ({ global, client, generation }: SeqNum): SeqNum =>
  client === 0
    ? { global: global - 1, client: 0, generation }
    : { global, client: client - 1, generation }

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
  return (localIndex, seqNum, eventPointer, eventBytes) => {
    let input: MaterializeInput
    if (localIndex >= 0) {
      const { name, args, argsJson, note } = localEvent(localIndex)
      input = {
        local: true,
        name,
        args,
        note,
        argsJson,
        seqNum,
        parentSeqNum: parentOf(seqNum),
        ...origin,
      }
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
