/**
 * The leader worker's entry: an app's worker file calls `makeWorker` with its schema, and that is
 * all.
 *
 * Puts together the parts: the host (locks, files, serving) and the engine's leader over the app's
 * schema. The engine arrives compiled from the page, so this bundle fetches nothing.
 */

import { type DirectoryLike, type LocksLike, type PortLike, systemClock } from '../../js/src/env.js'
import { LiveStoreError, messageOf } from '../../js/src/errors.js'
import { defaultsOf } from '../../js/src/schema/default-sources.js'
import { schemaDescriptor } from '../../js/src/schema/descriptor.js'
import { materializeWith } from '../../js/src/schema/materialize.js'
import { isLiveStoreSchema, type LiveStoreSchema } from '../../js/src/schema/schema.js'
import { leaderSyncOptions, type SyncOptions, syncSetup } from '../../js/src/sync/options.js'
import { Leader, leaderFileNames } from '../../js/src/wasm/leader.js'
import { startEngine } from '../../js/src/wasm/module.js'
import { type LeaderFactory, LeaderHost } from './leader-host.js'

export interface WorkerOptions {
  /** The same schema as on the page. */
  readonly schema: LiveStoreSchema
  /** Without it the events stay in this browser. */
  readonly sync?: SyncOptions | undefined
}

export type {
  MakeSyncBackend,
  PageInfo,
  PullCursor,
  PullOptions,
  PullPage,
  PushOptions,
  SyncBackend,
  SyncedEvent,
} from '../../js/src/sync/backend.js'
export {
  BackendIdMismatchError,
  EventRefusedError,
  IsOfflineError,
  ServerAheadError,
} from '../../js/src/sync/backend.js'
export type { SyncOptions } from '../../js/src/sync/options.js'

/**
 * The files of a store. Known before the engine is, so that they are opened while it compiles.
 */
export const storeFileNames = [
  'eventlog.db',
  'eventlog.db-wal',
  'eventlog.db-journal',
  'state.db',
  'state.db-wal',
  'state.db-journal',
] as const

interface WorkerScope extends PortLike {
  addEventListener(
    type: 'message' | 'messageerror' | 'online',
    listener: (event: { readonly data?: unknown }) => void,
  ): void
  removeEventListener(type: 'online', listener: () => void): void
  readonly navigator: {
    readonly locks: LocksLike
    readonly storage?: { getDirectory?(): Promise<DirectoryLike> }
  }
}

/**
 * Makes this worker the leader of a store when its page is elected. Called once, while the script
 * of a dedicated worker is first run.
 *
 * @throws LiveStoreError `InvalidArgument` naming the option. The page is told too.
 */
export const makeWorker = (options: WorkerOptions): void => {
  const scope = globalThis as unknown as WorkerScope
  let factory: LeaderFactory
  try {
    factory = leaderFactory(checkOptions(options))
  } catch (thrown) {
    const code = thrown instanceof LiveStoreError ? thrown.code : 'Internal'
    scope.postMessage({ type: 'error', code, message: messageOf(thrown) }, [])
    throw thrown
  }
  const { locks, storage } = scope.navigator
  new LeaderHost(
    scope,
    {
      clock: systemClock(),
      locks,
      onOnline: (listener) => {
        scope.addEventListener('online', listener)
        return () => scope.removeEventListener('online', listener)
      },
      openBroadcast: (name) => new BroadcastChannel(name),
      createChannel: () => new MessageChannel(),
      nonce: crypto.randomUUID(),
      warn: (message) => console.warn(`livestore-wasm: ${message}`),
      getDirectory: storage?.getDirectory && (() => storage.getDirectory!()),
    },
    factory,
  )
}

const checkOptions = (options: unknown): WorkerOptions => {
  if (typeof options !== 'object' || options === null) {
    throw new LiveStoreError('InvalidArgument', 'makeWorker needs an object of options')
  }
  const unknown = Object.keys(options).find((name) => name !== 'schema' && name !== 'sync')
  if (unknown !== undefined) {
    throw new LiveStoreError(
      'InvalidArgument',
      `makeWorker: the option ${unknown} is not known; the options are schema, sync`,
    )
  }
  const { schema, sync } = options as { schema?: unknown; sync?: SyncOptions | undefined }
  if (!isLiveStoreSchema(schema)) {
    throw new LiveStoreError(
      'InvalidArgument',
      'makeWorker: the option schema must be what makeSchema returned',
    )
  }
  syncSetup('makeWorker', sync)
  return { schema, sync }
}

/** @internal The engine's leader over the app's schema. */
export const leaderFactory = ({ schema, sync }: WorkerOptions): LeaderFactory => {
  const descriptor = schemaDescriptor(schema)
  const support = schema.state.hasComputedDefaults ? { defaultsOf } : undefined
  const materialize = materializeWith(schema, support)
  const setup = syncSetup('makeWorker', sync)
  return {
    fileNames: storeFileNames,
    sync: setup,
    startEngine: async (wasmModule) => {
      const engine = await startEngine(wasmModule)
      const unopened = leaderFileNames(engine).find((name) => !isStoreFile(name))
      if (unopened !== undefined) {
        throw new LiveStoreError(
          'Internal',
          `the engine needs a file that is not open: ${unopened}`,
        )
      }
      return (storage, clientId) =>
        Leader.open(engine, {
          schemaDescriptor: descriptor,
          storage,
          materialize,
          clientId,
          ...leaderSyncOptions(setup),
        })
    },
  }
}

const isStoreFile = (name: string): boolean =>
  storeFileNames.some((storeFile) => storeFile === name)
