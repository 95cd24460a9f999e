/**
 * Opens a store: checks what was asked for, connects through the adapter, waits for the leader's
 * state, and runs the app's `boot`.
 *
 *     loading ──► adapter.connect ──► hello/welcome ──► done ──► boot ──► store
 *
 * Whatever fails on the way rejects the promise, and leaves nothing open.
 */

import { nanoid } from 'nanoid'
import { endsStores, isLiveStoreError, LiveStoreError, messageOf } from '../errors.js'
import { type BatchUpdates, reportToHost } from '../reactivity/deliveries.js'
import { type AnySchema, codecOf } from '../schema/codec.js'
import type { DefaultsSupport } from '../schema/default-sources.js'
import { schemaDescriptor } from '../schema/descriptor.js'
import { materializeWith } from '../schema/materialize.js'
import { isLiveStoreSchema, type LiveStoreSchema } from '../schema/schema.js'
import { describe, isPlainObject } from '../schema/values.js'
import { ClientSession, type Rejection } from '../wasm/client-session.js'
import type { Materialize } from '../wasm/values.js'
import type { Adapter, BootStatus, SessionLink } from './adapter.js'
import { confirmLeaving, journalAtPageEnd } from './page-end.js'
import { SessionDriver } from './session-driver.js'
import {
  Store,
  type StoreControl,
  type StoreInternals,
  StoreInternalsSymbol,
  type StoreParams,
} from './store.js'

export interface CreateStoreOptions<Schema extends LiveStoreSchema, Context> {
  readonly schema: Schema
  readonly adapter: Adapter
  /** Names the data. Letters, digits, `_` and `-`. */
  readonly storeId: string
  /** Runs before the store is handed out. It may commit; if it fails, there is no store. */
  readonly boot?: ((store: Store<Schema, Context>, context: BootContext) => unknown) | undefined
  /** Wraps every round of telling subscribers, e.g. `unstable_batchedUpdates` of react-dom 17. */
  readonly batchUpdates?: BatchUpdates | undefined
  readonly onBootStatus?: ((status: BootStatus) => void) | undefined
  /** Ask before the page is left while events are pending. Default: true. */
  readonly confirmUnsavedChanges?: boolean | undefined
  /** For the sync backend: handed on to it by the tab that leads. JSON. */
  readonly syncPayload?: unknown
  /** Encodes `syncPayload`, which need not be JSON then. */
  readonly syncPayloadSchema?: AnySchema | undefined
  /** Accepted for compatibility, and not looked at: the engine sizes its batches itself. */
  readonly params?: StoreParams | undefined
  /** Accepted for compatibility, and not looked at. */
  readonly disableDevtools?: boolean | 'auto' | undefined
  /** Accepted for compatibility, and not looked at. */
  readonly debug?: { readonly instanceId?: string | undefined } | undefined
  /** Accepted for compatibility, and not looked at. */
  readonly logger?: unknown
  /** Accepted for compatibility, and not looked at. */
  readonly logLevel?: unknown
  /** Accepted for compatibility, and not looked at. */
  readonly otelOptions?: unknown
  /** Aborting ends the store, or its creation. */
  readonly signal?: AbortSignal | undefined
  /** Anything; found again as `store.context`. */
  readonly context?: Context | undefined
  /**
   * Events of this tab that the leader could not take, or that the sync backend refused for good
   * (`accepted`). They have been rolled back.
   */
  readonly onRejected?: ((rejected: readonly Rejection[]) => void) | undefined
  /** Told of what no call can throw, besides the console: events that may be lost, and why. */
  readonly onError?: ((error: LiveStoreError) => void) | undefined
}

/** What `boot` is told besides the store. */
export interface BootContext {
  /** What the boot made of the tables: nothing that an app would have to look at. */
  readonly migrationsReport: { readonly migrations: readonly never[] }
  readonly parentSpan: undefined
}

/**
 * Creates a store.
 *
 * @throws (as a rejection) LiveStoreError `InvalidStoreId` `InvalidArgument` `InvalidSchema`
 *   `EngineLoad` `SchemaMismatch` `Unsupported`, errors of storage, and what `boot` throws
 */
export const createStorePromise = async <
  Schema extends LiveStoreSchema,
  Context = Record<string, never>,
>(
  options: CreateStoreOptions<Schema, Context>,
): Promise<Store<Schema, Context>> => {
  checkOptions(options)
  const { schema, adapter, storeId, signal } = options
  const status = bootStatusReporter(options.onBootStatus)
  const aborted = abortWatch(signal, storeId)
  const defaults = schema.state.hasComputedDefaults
    ? await import('../schema/default-sources.js')
    : undefined
  const gate = materializeGate(schema, defaults)
  const descriptor = schemaDescriptor(schema)
  const syncPayload = asJson(encodePayload(options))
  const report = errorReporter(options.onError)
  status.report({ stage: 'loading' })

  const cleanUp: (() => unknown)[] = [aborted.forget]
  try {
    const connecting = adapter.connect({
      storeId,
      schema,
      schemaDescriptor: descriptor,
      materialize: gate.materialize,
      syncPayload,
      onBootStatus: status.report,
      onError: report,
    })
    const link = await aborted.race(connecting, (late) => late.close())
    cleanUp.push(() => link.close())
    const session = ClientSession.open(link.engine, {
      clientId: link.clientId,
      sessionId: link.sessionId,
      instance: instanceName(link.sessionId),
      schemaDescriptor: descriptor,
      materialize: gate.materialize,
    })
    cleanUp.push(() => session.close())

    const { store, control } = Store.open<Schema, Context>({
      storeId,
      schema,
      context: (options.context ?? {}) as Context,
      params: options.params ?? {},
      session,
      link,
      isMaterializing: gate.isRunning,
      defaults,
      onRejected: options.onRejected,
      report,
    })
    const driving = drive(session, link, control, status.report, report)
    cleanUp.push(() => driving.driver.close())
    await aborted.race(driving.ready)
    control.attach(driving.driver)
    if (link.journal !== undefined) journalAtPageEnd(store, control)
    status.report({ stage: 'done' })
    status.end()

    // From here on the store itself closes everything.
    cleanUp.length = 1
    cleanUp.push(() => store.shutdown())
    await aborted.race(Promise.resolve(options.boot?.(store, bootContext)))
    if (options.batchUpdates !== undefined) control.setBatchUpdates(options.batchUpdates)
    const internals = store[StoreInternalsSymbol]
    if (options.confirmUnsavedChanges !== false) confirmLeaving(store, control)
    if (signal !== undefined) endOnAbort(internals, signal, () => void store.shutdown())
    aborted.forget()
    return store
  } catch (thrown) {
    status.end()
    for (const close of cleanUp.reverse()) await Promise.resolve().then(close).catch(reportToHost)
    throw thrown
  }
}

/** Long enough that no two session objects ever share a name, however many this session id had. */
const instanceIdLength = 21
/** A session id may fill all the bytes that a name may have. */
const instancePrefixLength = 40

const instanceName = (sessionId: string): string =>
  `${[...sessionId].slice(0, instancePrefixLength).join('')}-${nanoid(instanceIdLength)}`

const drive = (
  session: ClientSession,
  link: SessionLink,
  control: StoreControl,
  onBootStatus: (status: BootStatus) => void,
  report: (error: LiveStoreError) => void,
): { readonly driver: SessionDriver; readonly ready: Promise<void> } => {
  let isReady = false
  let isWelcome = false
  let fail: (error: LiveStoreError) => void = () => undefined
  let succeed: () => void = () => undefined
  const ready = new Promise<void>((resolve, reject) => {
    succeed = resolve
    fail = reject
  })
  const onFailure = (error: LiveStoreError) => {
    if (!isReady) fail(error)
    else if (!isWelcome) {
      // Its state is an image that no leader stands for.
      report(error)
      control.end(error)
    } else {
      const { code, message } = error
      const what = 'This tab goes on by itself; what it commits waits for another leader.'
      report(new LiveStoreError(code, `${message} ${what}`, { cause: error }))
      control.onTrouble(error)
    }
  }
  const ids = { clientId: link.clientId, sessionId: link.sessionId }
  const driver = new SessionDriver(session, ids, {
    onReady: () => {
      isReady = true
      succeed()
    },
    onWelcome: (storageMode) => {
      isWelcome = true
      control.setStorageMode(storageMode)
    },
    onFollow: control.onFollow,
    onStatus: control.onStatus,
    onClientId: control.setClientId,
    onBootStatus: (status) => {
      // After the boot nobody listens any more; what the leader warns of then must not be lost.
      if (isReady && status.stage === 'warning') console.warn(`livestore: ${status.message}`)
      else onBootStatus(status)
    },
    onTrouble: (error) => {
      if (endsStores(error.code)) return control.end(error)
      const { code, message } = error
      console.error(`livestore: the leader cannot store events at the moment (${code}): ${message}`)
      control.onTrouble(error)
    },
    onSilence: (error) => {
      const { message } = error
      if (!isReady) return onBootStatus({ stage: 'warning', reason: 'leader-silent', message })
      console.warn(`livestore: ${message}`)
      control.onTrouble(error)
    },
    onFailure,
  })
  startFromBootImage(driver, link)
  link.start({
    onPort: (port) => driver.attach(port),
    onFailure: (error) => driver.fail(error),
  })
  return { driver, ready }
}

/** An image that cannot be used, of another schema for one, is none: the leader has the state. */
const startFromBootImage = (driver: SessionDriver, link: SessionLink): void => {
  const bootImage = link.takeBootImage?.()
  if (bootImage === undefined) return
  try {
    driver.start(bootImage)
  } catch (thrown) {
    if (!isLiveStoreError(thrown) || thrown.code === 'Internal') throw thrown
  }
}

const checkOptions = (options: unknown): void => {
  const invalid = (message: string): never => {
    throw new LiveStoreError('InvalidArgument', `createStorePromise: ${message}`)
  }
  const { storeId, schema, adapter } = isPlainObject(options)
    ? options
    : invalid(`expected options, got ${describe(options)}`)
  if (typeof storeId !== 'string' || !/^[A-Za-z0-9_-]+$/.test(storeId)) {
    throw new LiveStoreError(
      'InvalidStoreId',
      `storeId ${describe(storeId)} must consist of letters, digits, "_" and "-"`,
    )
  }
  if (!isLiveStoreSchema(schema)) invalid(`schema is ${describe(schema)}, not from makeSchema`)
  if (typeof (adapter as Adapter | undefined)?.connect !== 'function') {
    invalid(`adapter is ${describe(adapter)}, not from makePersistedAdapter or makeInMemoryAdapter`)
  }
}

const bootContext: BootContext = { migrationsReport: { migrations: [] }, parentSpan: undefined }

const encodePayload = (options: {
  readonly syncPayload?: unknown
  readonly syncPayloadSchema?: AnySchema | undefined
}): unknown => {
  const { syncPayload, syncPayloadSchema } = options
  if (syncPayloadSchema === undefined) return syncPayload
  const { encode, decode, encodeValidates } = codecOf(syncPayloadSchema, 'syncPayload')
  try {
    const encoded = encode(syncPayload)
    if (!encodeValidates) decode(encoded)
    return encoded
  } catch (cause) {
    const text = `createStorePromise: syncPayload does not fit its schema: ${messageOf(cause)}`
    throw new LiveStoreError('InvalidArgument', text, { cause })
  }
}

/** As the worker will have it: plain data, and no part of the app's objects. */
const asJson = (payload: unknown): unknown => {
  if (payload === undefined) return undefined
  try {
    return JSON.parse(JSON.stringify(payload))
  } catch (cause) {
    const text = `createStorePromise: syncPayload is not JSON: ${messageOf(cause)}`
    throw new LiveStoreError('InvalidArgument', text, { cause })
  }
}

/** Each status once; `loading` first, `done` last, both said here and by nobody else. */
const bootStatusReporter = (onBootStatus: ((status: BootStatus) => void) | undefined) => {
  let isOpen = true
  const seen = new Set<string>()
  return {
    report: (status: BootStatus): void => {
      if (!isOpen || onBootStatus === undefined) return
      if (seen.has(status.stage) && (status.stage === 'loading' || status.stage === 'done')) return
      seen.add(status.stage)
      try {
        onBootStatus(status)
      } catch (error) {
        reportToHost(error)
      }
    },
    end: (): void => {
      isOpen = false
    },
  }
}

/** For what no call can throw: the console, and the app if it wants to know. */
const errorReporter =
  (onError: ((error: LiveStoreError) => void) | undefined) =>
  (error: LiveStoreError): void => {
    console.error(`livestore: ${error.message} (${error.code})`)
    try {
      onError?.(error)
    } catch (thrown) {
      reportToHost(thrown)
    }
  }

/** Rejects what is waited for when `signal` aborts. `onLate` closes what arrives after that. */
const abortWatch = (signal: AbortSignal | undefined, storeId: string) => {
  let reject: (error: LiveStoreError) => void = () => undefined
  const whenAborted = new Promise<never>((_, rejectPromise) => {
    reject = rejectPromise
  })
  whenAborted.catch(() => undefined)
  const onAbort = () => {
    const cause = signal?.reason
    const text = `the creation of store '${storeId}' was aborted: ${messageOf(cause)}`
    reject(new LiveStoreError('Closed', text, { cause }))
  }
  if (signal?.aborted) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  return {
    forget: (): void => signal?.removeEventListener('abort', onAbort),
    race: async <T>(work: Promise<T>, onLate?: (late: T) => unknown): Promise<T> => {
      let isAborted = false
      whenAborted.catch(() => {
        isAborted = true
      })
      work.then(
        (late) => (isAborted ? onLate?.(late) : undefined),
        () => undefined,
      )
      return Promise.race([whenAborted, work])
    },
  }
}

/** Knows when a materializer runs: a store must not be used from inside one. */
const materializeGate = (schema: LiveStoreSchema, defaults: DefaultsSupport | undefined) => {
  const inner = materializeWith(schema, defaults)
  let running = 0
  const materialize: Materialize = (event, reader) => {
    running += 1
    try {
      return inner(event, reader)
    } finally {
      running -= 1
    }
  }
  return { materialize, isRunning: () => running > 0 }
}

const endOnAbort = ({ onShutdown }: StoreInternals, signal: AbortSignal, end: () => void): void => {
  signal.addEventListener('abort', end, { once: true })
  onShutdown(() => signal.removeEventListener('abort', end))
}
