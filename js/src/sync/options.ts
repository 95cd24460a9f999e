/** The option `sync` of `makeWorker` and `makeInMemoryAdapter`: what may be passed. */

import { nanoid } from 'nanoid'
import { LiveStoreError } from '../errors.js'
import type { LeaderOptions } from '../wasm/leader.js'
import type { MakeSyncBackend } from './backend.js'

export interface SyncOptions {
  readonly backend: MakeSyncBackend
  /**
   * `Blocking`: the boot waits until the backend's events are here, at most `timeout` milliseconds.
   * Default: `Skip`.
   */
  readonly initialSyncOptions?:
    | { readonly _tag: 'Skip' }
    | { readonly _tag: 'Blocking'; readonly timeout: number }
    | undefined
  /** False: pull once at the boot and after each push, not all the time. Default: true. */
  readonly livePull?: boolean | undefined
  /**
   * When the backend turns out to have another history than the one stored here. `reset`: take its
   * events in place of what the old one had ordered, and keep what was not pushed. `ignore`: keep
   * all, and stop syncing. `shutdown`: the same, and every store ends with `SyncBackendReplaced`.
   * Default: `reset`.
   */
  readonly onBackendIdMismatch?: 'reset' | 'shutdown' | 'ignore' | undefined
  /**
   * When a pull fails for another reason than a lost connection. `ignore`: warn, and try again.
   * `shutdown`: stop syncing, and every store ends with `SyncFailed`. Default: `ignore`.
   */
  readonly onSyncError?: 'shutdown' | 'ignore' | undefined
}

/** The options with their defaults. */
export interface SyncSetup {
  readonly makeBackend: MakeSyncBackend
  /** How long the boot waits for the backend; undefined: not at all. */
  readonly initialSyncMs: number | undefined
  readonly livePull: boolean
  readonly onBackendIdMismatch: 'reset' | 'shutdown' | 'ignore'
  readonly onSyncError: 'shutdown' | 'ignore'
}

const names: readonly (keyof SyncOptions)[] = [
  'backend',
  'initialSyncOptions',
  'livePull',
  'onBackendIdMismatch',
  'onSyncError',
]

/**
 * Undefined for no options at all.
 *
 * @throws LiveStoreError `InvalidArgument` naming the option
 */
export const syncSetup = (where: string, options: unknown): SyncSetup | undefined => {
  if (options === undefined) return undefined
  const invalid = (option: string, why: string): LiveStoreError =>
    new LiveStoreError('InvalidArgument', `${where}: the option ${option} ${why}`)
  if (typeof options !== 'object' || options === null) {
    throw invalid('sync', 'must be an object with a backend')
  }
  const unknown = Object.keys(options).find((name) => !names.some((known) => known === name))
  if (unknown !== undefined) {
    throw invalid(`sync.${unknown}`, `is not known; the options are ${names.join(', ')}`)
  }
  const { backend, initialSyncOptions, livePull, onBackendIdMismatch, onSyncError } =
    options as Partial<SyncOptions>
  if (typeof backend !== 'function') {
    throw invalid('sync.backend', 'must be a function that makes a sync backend')
  }
  if (livePull !== undefined && typeof livePull !== 'boolean') {
    throw invalid('sync.livePull', 'must be a boolean')
  }
  if (![undefined, 'reset', 'shutdown', 'ignore'].includes(onBackendIdMismatch)) {
    throw invalid('sync.onBackendIdMismatch', "must be 'reset', 'shutdown' or 'ignore'")
  }
  if (![undefined, 'shutdown', 'ignore'].includes(onSyncError)) {
    throw invalid('sync.onSyncError', "must be 'shutdown' or 'ignore'")
  }
  const initialSyncMs = initialSync(initialSyncOptions)
  if (initialSyncMs === 'wrong') {
    throw invalid(
      'sync.initialSyncOptions',
      "must be { _tag: 'Skip' } or { _tag: 'Blocking', timeout } with milliseconds",
    )
  }
  return {
    makeBackend: backend,
    initialSyncMs,
    livePull: livePull ?? true,
    onBackendIdMismatch: onBackendIdMismatch ?? 'reset',
    onSyncError: onSyncError ?? 'ignore',
  }
}

/** What the engine's leader is told of them. What ends the stores is up to the sync driver. */
export const leaderSyncOptions = (
  setup: SyncSetup | undefined,
): Pick<LeaderOptions, 'backend' | 'onBackendIdMismatch' | 'spareClientId'> =>
  setup === undefined
    ? {}
    : {
        backend: { livePull: setup.livePull, jitterSeed: randomSeed() },
        spareClientId: nanoid(spareIdLength),
        onBackendIdMismatch: setup.onBackendIdMismatch === 'reset' ? 'reset' : 'ignore',
      }

/** Longer than the ids that may meet. */
const spareIdLength = 12

/** Clients that lost a server at one moment must not come back at one moment. */
const randomSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0] as number

const initialSync = (options: SyncOptions['initialSyncOptions']): number | undefined | 'wrong' => {
  if (options === undefined || options?._tag === 'Skip') return undefined
  const timeout: unknown = options?._tag === 'Blocking' ? options.timeout : undefined
  return typeof timeout === 'number' && timeout >= 0 && Number.isFinite(timeout) ? timeout : 'wrong'
}
