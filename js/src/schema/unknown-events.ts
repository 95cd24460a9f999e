/**
 * Events that the schema does not know: those of a newer build of the app, as they come from the
 * sync backend or lie in the log. They stay in the log without effect; the app says whether anybody
 * is to hear of them.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import type { EventRecord } from '../wasm/values.js'
import type { LiveStoreSchema } from './schema.js'
import { describe, isPlainObject } from './values.js'

/** An event that cannot be materialized, and where that was noticed. */
export interface UnknownEventContext {
  readonly event: Omit<EventRecord, 'argsJson'> & { readonly args: unknown }
  readonly reason: 'event-definition-missing' | 'materializer-missing'
  readonly operation: string
}

/**
 * What happens with an event that the schema does not know: `warn` (the default) says so in the
 * console, once for each name; `ignore` says nothing; `callback` tells the app; `fail` reports it
 * as an event that was skipped (boot status `warning`). In each case it stays in the log.
 */
export type UnknownEventHandling =
  | { readonly strategy: 'warn' | 'ignore' | 'fail' }
  | {
      readonly strategy: 'callback'
      readonly onUnknownEvent: (context: UnknownEventContext, error: LiveStoreError) => unknown
    }

const strategies = ['warn', 'ignore', 'fail', 'callback']

/**
 * The handling that `given` means; the default for `undefined`.
 *
 * @throws LiveStoreError `InvalidSchema`
 */
export const normalizeUnknownEventHandling = (given: unknown): UnknownEventHandling => {
  if (given === undefined) return { strategy: 'warn' }
  const { strategy, onUnknownEvent } = isPlainObject(given) ? given : {}
  const isComplete = strategy !== 'callback' || typeof onUnknownEvent === 'function'
  if (strategies.includes(strategy as string) && isComplete) return given as UnknownEventHandling
  const text = `unknownEventHandling: the strategy ${describe(strategy)} is unknown or incomplete`
  throw new LiveStoreError('InvalidSchema', text)
}

const warned = new Set<string>()

/**
 * Does with `event` what the schema says, and throws: the engine lets an event with the code
 * `UnknownEvent` pass without effect.
 */
export const unknownEvent = (schema: LiveStoreSchema, record: EventRecord): never => {
  const { name } = record
  const handling = schema.unknownEventHandling
  const error = new LiveStoreError('UnknownEvent', `the schema has no event ${describe(name)}`)
  if (handling.strategy === 'fail') {
    throw new LiveStoreError('Unsupported', `${error.message}, and it is to fail for such events`)
  }
  if (handling.strategy === 'warn' && !warned.has(name)) {
    warned.add(name)
    console.warn(`livestore: ${error.message}; such events stay in the log without effect`)
  }
  if (handling.strategy === 'callback') tell(handling.onUnknownEvent, record, error)
  throw error
}

const tell = (
  onUnknownEvent: (context: UnknownEventContext, error: LiveStoreError) => unknown,
  { name, argsJson, seqNum, parentSeqNum, clientId, sessionId }: EventRecord,
  error: LiveStoreError,
): void => {
  const failed = (thrown: unknown) => {
    console.error(`livestore: onUnknownEvent failed: ${messageOf(thrown)}`)
  }
  try {
    const args: unknown = JSON.parse(argsJson)
    const event = { name, args, seqNum, parentSeqNum, clientId, sessionId }
    const context = { event, reason: 'event-definition-missing', operation: 'materialize' } as const
    Promise.resolve(onUnknownEvent(context, error)).catch(failed)
  } catch (thrown) {
    failed(thrown)
  }
}
