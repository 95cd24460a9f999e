/**
 * What an app may pass to `commit`, brought into one form: options and a list of events.
 *
 *     commit(...events)             commit((commit) => …)
 *     commit(options, ...events)    commit(options, (commit) => …)
 *
 * Decides nothing about the events themselves: whether the schema knows them, and whether their
 * arguments fit, is looked at afterwards.
 */

import { LiveStoreError } from '../errors.js'
import { type EventInput, isEventDef } from '../schema/events.js'
import { describe, isPlainObject } from '../schema/values.js'

export interface CommitOptions {
  /** For tools. */
  readonly label?: string | undefined
  /**
   * False: the events show here and in the other tabs and clients that are there now, if the sync
   * backend can `broadcast`; they are stored nowhere, and gone with a reload. A store shows 256 of
   * them (1 MiB of arguments) at most; then the oldest half goes.
   */
  readonly persisted?: boolean | undefined
  /** Subscribers hear of it at the next commit, or when `manualRefresh` is called. */
  readonly skipRefresh?: boolean | undefined
  /** Accepted for compatibility, and not looked at. */
  readonly spanLinks?: unknown
  /** Accepted for compatibility, and not looked at. */
  readonly otelContext?: unknown
}

/** Collects events. All are committed together when the function has returned. */
export type Transaction = (
  commit: (...events: readonly EventInput[]) => void,
  // biome-ignore lint/suspicious/noConfusingVoidType: the documented form has no return statement.
) => readonly EventInput[] | void

const optionKeys = ['label', 'persisted', 'skipRefresh', 'spanLinks', 'otelContext'] as const

const invalid = (message: string): never => {
  throw new LiveStoreError('InvalidArgument', `commit: ${message}`)
}

/** @throws LiveStoreError `InvalidArgument`, or what a transaction function throws */
export const commitArgs = (
  args: readonly unknown[],
): { readonly options: CommitOptions; readonly events: readonly EventInput[] } => {
  const [first] = args
  const options = isOptions(first) ? first : {}
  if (options.persisted !== undefined && typeof options.persisted !== 'boolean') {
    invalid(`the option persisted must be a boolean, not ${describe(options.persisted)}`)
  }
  const rest = isOptions(first) ? args.slice(1) : args
  if (rest.length <= 1) {
    const [only] = rest
    if (only === undefined) return { options, events: [] }
    if (typeof only === 'function' && !isEventDef(only)) {
      return { options, events: runTransaction(only as Transaction).map(checkEvent) }
    }
  }
  return { options, events: rest.map(checkEvent) }
}

const isOptions = (value: unknown): value is CommitOptions =>
  isPlainObject(value) &&
  !Object.hasOwn(value, 'name') &&
  optionKeys.some((key) => value[key] !== undefined)

const runTransaction = (run: Transaction): readonly unknown[] => {
  const events: unknown[] = []
  let isOpen = true
  const result: unknown = run((...added) => {
    if (!isOpen) invalid('the transaction function has returned already')
    events.push(...added)
  })
  isOpen = false
  if (result === undefined) return events
  if (Array.isArray(result)) return [...events, ...result]
  if (result instanceof Promise) {
    result.catch(() => undefined)
    invalid('a transaction function must not be async')
  }
  return invalid(
    `a transaction function returns nothing or an array of events, not ${describe(result)}`,
  )
}

const checkEvent = (value: unknown): EventInput => {
  if (isEventDef(value))
    return invalid(`call the event definition '${value.name}' with its arguments`)
  if (Array.isArray(value)) return invalid('pass events one by one: commit(...events)')
  if (typeof value === 'object' && value !== null && 'name' in value) {
    if (typeof value.name === 'string') return value as EventInput
  }
  return invalid(`expected an event, got ${describe(value)}`)
}
