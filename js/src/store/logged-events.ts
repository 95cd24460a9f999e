/**
 * The events of the log as an app reads them, page by page from the leader. Loaded by the first
 * `store.events()` of a page.
 */

import { LiveStoreError } from '../errors.js'
import { EventCodecSymbol } from '../schema/events.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import { describe } from '../schema/values.js'
import { decodeEvents } from '../wasm/codec.js'
import type { SeqNum } from '../wasm/values.js'
import type { StoreParams } from './store.js'

/** Events that one request brings, unless the app says otherwise. */
const BATCH_SIZE = 100
const BATCH_SIZE_MAX = 1000

/** A place in the log: the number of a synced event, or `seqNum` of one. */
export type LogPlace = number | { readonly global: number }

export interface EventsOptions {
  /** After this one; from the beginning without it. */
  readonly since?: LogPlace | undefined
  /** Up to and with this one; without end if there is none. */
  readonly until?: LogPlace | undefined
  /** Only events of these names. */
  readonly filter?: readonly string[] | undefined
  /** Only events of these clients. */
  readonly clientIds?: readonly string[] | undefined
  /** Only events of these sessions. */
  readonly sessionIds?: readonly string[] | undefined
  /** How many events one request brings: 1 to 1000, by default 100. */
  readonly batchSize?: number | undefined
}

/** An event of the log, with its arguments decoded. */
export interface LoggedEvent {
  readonly name: string
  readonly args: unknown
  readonly seqNum: SeqNum
  readonly parentSeqNum: SeqNum
  readonly clientId: string
  readonly sessionId: string
}

/** Where pages come from. */
export interface LogSource {
  /** Encoded events; none if there are none yet, `undefined` if there will never be. */
  read(after: number, count: number): Promise<Uint8Array | undefined>
  /** Resolves when there may be more. */
  changed(): Promise<void>
}

/** @throws LiveStoreError `InvalidArgument` `DecodeFailed` */
export async function* readEvents(
  schema: LiveStoreSchema,
  params: StoreParams,
  options: EventsOptions,
  source: LogSource,
): AsyncGenerator<LoggedEvent> {
  const { filter, clientIds, sessionIds } = options
  const count = options.batchSize ?? params.eventQueryBatchSize ?? BATCH_SIZE
  if (!Number.isInteger(count) || count < 1 || count > BATCH_SIZE_MAX) {
    invalid('batchSize', `a whole number from 1 to ${BATCH_SIZE_MAX}`, count)
  }
  let after = placeOf('since', options.since) ?? 0
  const until = placeOf('until', options.until) ?? Number.POSITIVE_INFINITY
  while (after < until) {
    // Before the question: what changes while it is under way would be missed after it.
    const changed = source.changed()
    const page = await source.read(after, count)
    if (page === undefined) return
    const events = page.length === 0 ? [] : decodeEvents(page)
    if (events.length === 0) await changed
    for (const { argsJson, ...event } of events) {
      const { name, seqNum, clientId, sessionId } = event
      if (seqNum.global > until) return
      after = seqNum.global
      const eventDef = schema.eventsDefsMap.get(name)
      const isWanted =
        seqNum.client === 0 &&
        (filter?.includes(name) ?? true) &&
        (clientIds?.includes(clientId) ?? true) &&
        (sessionIds?.includes(sessionId) ?? true)
      if (eventDef === undefined || !isWanted) continue
      yield { ...event, args: eventDef[EventCodecSymbol].decode(JSON.parse(argsJson)) }
    }
  }
}

const placeOf = (option: string, place: LogPlace | undefined): number | undefined => {
  if (place === undefined) return undefined
  const global = typeof place === 'number' ? place : place?.global
  if (Number.isSafeInteger(global) && global >= 0) return global
  return invalid(option, 'the number of an event, or its seqNum', place)
}

const invalid = (option: string, expected: string, given: unknown): never => {
  const text = `events: ${option} must be ${expected}, not ${describe(given)}`
  throw new LiveStoreError('InvalidArgument', text)
}
