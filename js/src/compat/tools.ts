/**
 * What else the root of `@livestore/livestore` exports for tools, adapters and tracing: names that
 * an app may import and that have little or nothing to do here.
 */

import { LiveStoreError } from '../errors.js'
import type { Store } from '../store/store.js'

/** Why a store was shut down on purpose. LiveStore's adapters throw it; nothing does here. */
export class IntentionalShutdownCause extends Error {
  readonly _tag = 'IntentionalShutdownCause'
  readonly reason: string

  constructor({ reason }: { readonly reason: string }) {
    super(reason)
    this.name = 'IntentionalShutdownCause'
    this.reason = reason
  }
}

/** A store ended before it was ready. Here that is a `LiveStoreError` with the code `Closed`. */
export class StoreInterrupted extends Error {
  readonly _tag = 'StoreInterrupted'
  readonly reason: string

  constructor({ reason }: { readonly reason: string }) {
    super(reason)
    this.name = 'StoreInterrupted'
    this.reason = reason
  }
}

/** LiveStore's wrapper of a database. The databases here are inside the engine. */
export class SqliteDbWrapper {
  /** @throws LiveStoreError `Unsupported`, always */
  constructor() {
    const text = 'SqliteDbWrapper: the database is inside the engine; use store.query'
    throw new LiveStoreError('Unsupported', text)
  }
}

/** Lets an effect run as it is: spans are not given to it. */
export const provideOtel =
  (_otel?: unknown) =>
  <Effect>(effect: Effect): Effect =>
    effect

interface DebugGlobals {
  __debugLiveStore?: Record<string, unknown>
}

/** Makes `store` known to the console of the browser, as `__debugLiveStore[storeId]`. */
export const exposeDebugUtils = (store?: Store): void => {
  const target = globalThis as DebugGlobals
  target.__debugLiveStore ??= {}
  if (store !== undefined) target.__debugLiveStore[store.storeId] = store
}

/** What was measured of queries. Nothing is, here. */
export interface MutableDebugInfo {
  slowQueries: unknown[]
  queryFrameDuration: number
  queryFrameCount: number
  events: unknown[]
}

/** Figures of a session without any query. */
export const emptyDebugInfo = (): MutableDebugInfo => ({
  slowQueries: [],
  queryFrameDuration: 0,
  queryFrameCount: 0,
  events: [],
})

/** A function that called, and where. */
export interface StackFrame {
  readonly name: string
  readonly filePath: string
}

/** Who called, the nearest first. */
export interface StackInfo {
  readonly frames: readonly StackFrame[]
}

const frameShape = /^\s*at (?:(?<name>.+?) \((?<file>[^)]+)\)|(?<bare>\S+))$/

/** The callers that the text of an error's stack names. */
export const extractStackInfoFromStackTrace = (stackTrace: string): StackInfo => ({
  frames: stackTrace.split('\n').flatMap((line) => {
    const { name = 'anonymous', file, bare } = frameShape.exec(line)?.groups ?? {}
    const filePath = file ?? bare
    return filePath === undefined ? [] : [{ name, filePath }]
  }),
})

/** The names of the callers, joined by arrows. */
export const stackInfoToString = ({ frames }: StackInfo): string =>
  frames.map(({ name }) => name).join(' > ')
