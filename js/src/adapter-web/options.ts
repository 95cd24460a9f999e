/**
 * The options of the web adapters: what may be passed, checked at the call.
 */

import { LiveStoreError } from '../errors.js'
import { type SyncOptions, syncSetup } from '../sync/options.js'
import { checkIdOption } from './ids.js'
import type { WorkerSource } from './spawn.js'

export type LiveStoreDataOption = 'import' | 'import-if-readable' | 'ignore'

export interface PersistedAdapterOptions {
  /**
   * The class of the leader worker, or a function that makes one: `import W from './w.ts?worker'`.
   */
  readonly worker: WorkerSource<Worker>
  /** The same for `livestore-wasm/shared-worker?sharedworker`. */
  readonly sharedWorker: WorkerSource<SharedWorker>
  /**
   * Where the store is kept. `directory` replaces the default, which contains the store's id: two
   * stores must not share one.
   */
  readonly storage: { readonly type: 'opfs'; readonly directory?: string | undefined }
  /**
   * Removes what is stored before the store is opened. Done by the tab that becomes leader at once;
   * where another tab leads already, nothing is removed.
   */
  readonly resetPersistence?: boolean | undefined
  /**
   * What to do with the data that LiveStore 0.3 or 0.4 has left for this store, when it is opened
   * here for the first time. It stays where it is in any case.
   *
   * - `import`, the default: its events are taken over, those that are not synced yet included.
   *   Data that cannot be read fails the boot with `ImportFailed`, each time, until it can be.
   * - `import-if-readable`: the same, but data that cannot be read is told by a boot status
   *   `warning` (`import-failed`), and the store begins empty. Once something is committed to it,
   *   nothing is taken over any more.
   * - `ignore`: it is not looked for.
   */
  readonly liveStoreData?: LiveStoreDataOption | undefined
  /**
   * Asks the browser, when a store is opened, never to clear this origin's storage by itself, as it
   * may when the disk runs full. Some ask the user. A refusal is told once, on the console.
   */
  readonly requestPersistentStorage?: boolean | undefined
  /** Default: kept in localStorage, one per device. Given here it is not stored. */
  readonly clientId?: string | undefined
  /** Default: kept in sessionStorage, one per tab. Given here it is not stored. */
  readonly sessionId?: string | undefined
  /**
   * Where `livestore.wasm` is served, for bundlers that do not carry the file along by themselves.
   */
  readonly wasmUrl?: string | URL | undefined
  readonly experimental?:
    | {
        /**
         * Wait for the leader's state, instead of starting from the one that a leader left behind
         * and following from there. Default: false.
         */
        readonly disableFastPath?: boolean | undefined
      }
    | undefined
}

export interface InMemoryAdapterOptions {
  /** Without it the events stay in this store. With the persisted adapter the worker has it. */
  readonly sync?: SyncOptions | undefined
  readonly clientId?: string | undefined
  readonly sessionId?: string | undefined
  /** As for the persisted adapter. */
  readonly wasmUrl?: string | URL | undefined
}

const persistedOptionNames: readonly (keyof PersistedAdapterOptions)[] = [
  'worker',
  'sharedWorker',
  'storage',
  'resetPersistence',
  'liveStoreData',
  'requestPersistentStorage',
  'clientId',
  'sessionId',
  'wasmUrl',
  'experimental',
]
const liveStoreDataOptions: readonly unknown[] = [
  undefined,
  'import',
  'import-if-readable',
  'ignore',
] satisfies (LiveStoreDataOption | undefined)[]
const inMemoryOptionNames: readonly (keyof InMemoryAdapterOptions)[] = [
  'sync',
  'clientId',
  'sessionId',
  'wasmUrl',
]

/** Directory names of file systems end at 255 bytes; ours gets a suffix. */
const directoryLengthMax = 200

/** @throws LiveStoreError `InvalidArgument` naming the option. */
export const checkPersistedOptions = (options: PersistedAdapterOptions): void => {
  checkNames('makePersistedAdapter', options, persistedOptionNames)
  for (const name of ['worker', 'sharedWorker'] as const) {
    if (typeof options[name] !== 'function') {
      throw invalid(
        'makePersistedAdapter',
        name,
        `must be a class or a function that makes one: import it with ?${name.toLowerCase()}`,
      )
    }
  }
  const storage: unknown = options.storage
  if (typeof storage !== 'object' || storage === null || options.storage.type !== 'opfs') {
    throw invalid('makePersistedAdapter', 'storage', "must be { type: 'opfs' }")
  }
  checkNames('makePersistedAdapter: storage', options.storage, ['type', 'directory'])
  storageDirectory(options.storage.directory)
  for (const name of ['resetPersistence', 'requestPersistentStorage'] as const) {
    if (!['undefined', 'boolean'].includes(typeof options[name])) {
      throw invalid('makePersistedAdapter', name, 'must be a boolean')
    }
  }
  checkExperimental(options.experimental)
  if (!liveStoreDataOptions.includes(options.liveStoreData)) {
    const known = liveStoreDataOptions.slice(1).join(', ')
    throw invalid('makePersistedAdapter', 'liveStoreData', `must be one of ${known}`)
  }
  checkCommon('makePersistedAdapter', options)
}

const checkExperimental = (experimental: PersistedAdapterOptions['experimental']): void => {
  if (experimental === undefined) return
  checkNames('makePersistedAdapter: experimental', experimental, ['disableFastPath'])
  if (!['undefined', 'boolean'].includes(typeof experimental.disableFastPath)) {
    throw invalid('makePersistedAdapter', 'experimental.disableFastPath', 'must be a boolean')
  }
}

/** @throws LiveStoreError `InvalidArgument` naming the option. */
export const checkInMemoryOptions = (options: InMemoryAdapterOptions): void => {
  checkNames('makeInMemoryAdapter', options, inMemoryOptionNames)
  syncSetup('makeInMemoryAdapter', options.sync)
  checkCommon('makeInMemoryAdapter', options)
}

/**
 * The directory option as a name; undefined stands for the default, as do the empty string and `/`.
 *
 * @throws LiveStoreError `InvalidArgument`
 */
export const storageDirectory = (directory: unknown): string | undefined => {
  if (directory === undefined || directory === '' || directory === '/') return undefined
  const what = 'storage.directory'
  if (typeof directory !== 'string') throw invalid('makePersistedAdapter', what, 'must be a string')
  if (directory.includes('/')) {
    throw invalid('makePersistedAdapter', what, `${quoted(directory)}: it cannot be nested`)
  }
  const hasControl = [...directory].some((character) => character < ' ')
  if (hasControl || directory.includes('\\') || directory.length > directoryLengthMax) {
    throw invalid(
      'makePersistedAdapter',
      what,
      `${quoted(directory)}: a name of at most ${directoryLengthMax} characters without ` +
        'backslash or control characters is needed',
    )
  }
  return directory
}

const checkCommon = (where: string, options: Omit<InMemoryAdapterOptions, 'sync'>): void => {
  checkIdOption(options.clientId, `${where}: clientId`)
  checkIdOption(options.sessionId, `${where}: sessionId`)
  const { wasmUrl } = options
  if (wasmUrl !== undefined && typeof wasmUrl !== 'string' && !(wasmUrl instanceof URL)) {
    throw invalid(where, 'wasmUrl', 'must be a string or a URL')
  }
}

const checkNames = (where: string, options: unknown, known: readonly string[]): void => {
  if (typeof options !== 'object' || options === null) {
    throw new LiveStoreError('InvalidArgument', `${where} needs an object of options`)
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw invalid(where, unknown, `is not known; the options are ${known.join(', ')}`)
  }
}

const invalid = (where: string, option: string, why: string): LiveStoreError =>
  new LiveStoreError('InvalidArgument', `${where}: the option ${option} ${why}`)

const quoted = (text: string): string =>
  JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
