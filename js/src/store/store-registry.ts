/**
 * `StoreRegistry`: the stores of an app by `storeId`, opened when they are first asked for and shut
 * down when nobody has used them for a while.
 *
 *     getOrLoadPromise ──► loading ──► open ──(last release, unusedCacheTime)──► shut down
 *                             └──► failed ──(FAILURE_KEPT_MS)──► forgotten
 *
 * Framework bindings ask in a render and retain in an effect: between the two a store is held for
 * `RENDER_HOLD_MS` whatever its cache time. A store that ended otherwise is forgotten at once, and
 * the next one for the same id is not opened before that end is over.
 */

import { LiveStoreError } from '../errors.js'
import { schemaDescriptor } from '../schema/descriptor.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import { type CreateStoreOptions, createStorePromise } from './create-store.js'
import {
  FAILURE_KEPT_MS,
  RENDER_HOLD_MS,
  TIMER_MS_MAX,
  UNUSED_CACHE_MS,
} from './registry-limits.js'
import { type Store, StoreInternalsSymbol } from './store.js'

export interface RegistryStoreOptions<
  Schema extends LiveStoreSchema = LiveStoreSchema,
  Context = Record<string, never>,
> extends CreateStoreOptions<Schema, Context> {
  /**
   * Milliseconds that a store stays open after its last user has gone. Read when the store is first
   * asked for. Default: 60 000 in a page, for ever where there is no `window`.
   */
  readonly unusedCacheTime?: number | undefined
}

export interface StoreRegistryConfig {
  /** For every store; what is given for one store comes before. */
  readonly defaultOptions?:
    | Omit<Partial<RegistryStoreOptions>, 'schema' | 'adapter' | 'storeId' | 'boot' | 'context'>
    | undefined
}

/** Returns `options`: for their type, when several places share them. */
export const storeOptions = <Schema extends LiveStoreSchema, Context = Record<string, never>>(
  options: RegistryStoreOptions<Schema, Context>,
): RegistryStoreOptions<Schema, Context> => options

type State =
  | { readonly stage: 'loading'; readonly promise: Promise<Store> }
  | { readonly stage: 'open'; readonly store: Store }
  | { readonly stage: 'failed'; readonly error: unknown }

interface Entry {
  readonly schema: LiveStoreSchema
  readonly unusedMs: number
  readonly abort: AbortController
  state: State
  users: number
  timer: ReturnType<typeof setTimeout> | undefined
}

type AnyOptions = RegistryStoreOptions<LiveStoreSchema, unknown>

export class StoreRegistry {
  readonly #defaults: Partial<AnyOptions>
  readonly #entries = new Map<string, Entry>()
  readonly #ends = new Map<string, Promise<void>>()
  #isDisposed = false

  constructor(config: StoreRegistryConfig = {}) {
    this.#defaults = { ...config.defaultOptions } as Partial<AnyOptions>
  }

  /**
   * The store, if it is open; otherwise the promise of it, the same for everybody who asks.
   *
   * @throws what the store failed with, for three seconds; LiveStoreError `InvalidArgument` for
   *   another schema than the store is open with, `Closed` after `dispose`
   */
  getOrLoadPromise<Schema extends LiveStoreSchema, Context = Record<string, never>>(
    options: RegistryStoreOptions<Schema, Context>,
  ): Store<Schema, Context> | Promise<Store<Schema, Context>> {
    const entry = this.#entry(options as unknown as AnyOptions)
    const { state } = entry
    if (state.stage === 'failed') throw state.error
    // Whoever waits for a store cannot retain it yet: its time begins when it is open.
    if (state.stage === 'loading') stopTimer(entry)
    else if (entry.users === 0) this.#endLater(options.storeId, entry, RENDER_HOLD_MS)
    const found = state.stage === 'open' ? state.store : state.promise
    return found as unknown as Store<Schema, Context> | Promise<Store<Schema, Context>>
  }

  /**
   * Keeps the store open, and opens it if need be, until the returned function is called.
   *
   * @throws as `getOrLoadPromise`
   */
  retain<Schema extends LiveStoreSchema, Context = Record<string, never>>(
    options: RegistryStoreOptions<Schema, Context>,
  ): () => void {
    const { storeId } = options
    const entry = this.#entry(options as unknown as AnyOptions)
    entry.users += 1
    stopTimer(entry)
    let isRetained = true
    return () => {
      if (!isRetained) return
      isRetained = false
      entry.users -= 1
      if (entry.users === 0) this.#endLater(storeId, entry, 0)
    }
  }

  /** Opens a store ahead of its use. Never rejects: who uses the store hears of a failure. */
  async preload<Schema extends LiveStoreSchema, Context = Record<string, never>>(
    options: RegistryStoreOptions<Schema, Context>,
  ): Promise<void> {
    try {
      await this.getOrLoadPromise(options)
    } catch {
      // It is kept for whoever asks for the store itself.
    }
  }

  /** Shuts every store down, and resolves when all have ended. Other calls throw from now on. */
  async dispose(): Promise<void> {
    this.#isDisposed = true
    for (const [storeId, entry] of [...this.#entries]) this.#end(storeId, entry)
    await Promise.all(this.#ends.values())
  }

  #entry(options: AnyOptions): Entry {
    if (this.#isDisposed) throw new LiveStoreError('Closed', 'the StoreRegistry was disposed of')
    const { storeId, schema } = options
    const known = this.#entries.get(storeId)
    if (known === undefined) return this.#load({ ...this.#defaults, ...options })
    if (known.schema === schema || isSameSchema(known.schema, schema)) return known
    throw new LiveStoreError(
      'InvalidArgument',
      `the store '${storeId}' is open with another schema; give stores of different schemas ` +
        'different storeIds',
    )
  }

  #load(options: AnyOptions): Entry {
    const { unusedCacheTime = defaultCacheTime(), ...rest } = options
    const { storeId, schema, signal } = rest
    const abort = new AbortController()
    const signals = signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal])
    const before = this.#ends.get(storeId) ?? Promise.resolve()
    const promise = before.then(() => createStorePromise({ ...rest, signal: signals }))
    const state: State = { stage: 'loading', promise }
    const entry: Entry = {
      schema,
      unusedMs: unusedCacheTime,
      abort,
      state,
      users: 0,
      timer: undefined,
    }
    this.#entries.set(storeId, entry)
    promise.then(
      (store) => {
        entry.state = { stage: 'open', store }
        const isWaitedFor = entry.users === 0 && entry.timer === undefined
        if (isWaitedFor) this.#endLater(storeId, entry, RENDER_HOLD_MS)
        store[StoreInternalsSymbol].onShutdown(() => this.#ended(storeId, entry, store.shutdown()))
      },
      (error: unknown) => {
        entry.state = { stage: 'failed', error }
        stopTimer(entry)
        entry.timer = setTimeout(() => this.#forget(storeId, entry), FAILURE_KEPT_MS)
      },
    )
    return entry
  }

  #endLater(storeId: string, entry: Entry, leastMs: number): void {
    if (entry.state.stage === 'failed') return
    stopTimer(entry)
    const delayMs = Math.max(entry.unusedMs, leastMs)
    if (delayMs > TIMER_MS_MAX) return
    entry.timer = setTimeout(() => this.#end(storeId, entry), delayMs)
  }

  #end(storeId: string, entry: Entry): void {
    const { state } = entry
    this.#forget(storeId, entry)
    if (state.stage === 'open') void state.store.shutdown()
    if (state.stage !== 'loading') return
    entry.abort.abort(new LiveStoreError('Closed', `nobody waits for the store '${storeId}'`))
    this.#ended(
      storeId,
      entry,
      state.promise.then(
        () => undefined,
        () => undefined,
      ),
    )
  }

  #ended(storeId: string, entry: Entry, end: Promise<void>): void {
    this.#forget(storeId, entry)
    const over = end.then(
      () => undefined,
      () => undefined,
    )
    this.#ends.set(storeId, over)
    void over.then(() => {
      if (this.#ends.get(storeId) === over) this.#ends.delete(storeId)
    })
  }

  #forget(storeId: string, entry: Entry): void {
    stopTimer(entry)
    if (this.#entries.get(storeId) === entry) this.#entries.delete(storeId)
  }
}

const stopTimer = (entry: Entry): void => {
  clearTimeout(entry.timer)
  entry.timer = undefined
}

const defaultCacheTime = (): number =>
  'window' in globalThis ? UNUSED_CACHE_MS : Number.POSITIVE_INFINITY

/** A hot reload makes a new object of the same schema. */
const isSameSchema = (a: LiveStoreSchema, b: LiveStoreSchema): boolean =>
  schemaDescriptor(a) === schemaDescriptor(b)
