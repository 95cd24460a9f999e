/**
 * The life of a provider's store: one store at a time, made anew when `storeId`, `schema` or
 * `adapter` is another one, ended when the provider goes.
 *
 *     loading ──► running ──► shutdown
 *        └──► error
 *
 * A store starts a microtask late and after the end of the one before it, so that an effect which
 * StrictMode runs twice starts one store. It knows no React.
 */

import { LiveStoreError } from '../errors.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import type { Adapter, BootStatus } from '../store/adapter.js'
import { type CreateStoreOptions, createStorePromise } from '../store/create-store.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'

export type LifetimeState =
  | { readonly stage: 'loading'; readonly status: BootStatus }
  | { readonly stage: 'error'; readonly error: unknown }
  | { readonly stage: 'running'; readonly store: Store }
  | { readonly stage: 'shutdown'; readonly cause: LiveStoreError }

/** What makes a store another one. */
export interface StoreIdentity {
  readonly storeId: string
  readonly schema: LiveStoreSchema
  readonly adapter: Adapter
}

/** New objects for one `storeId`, this often in so short a time, are a mistake. */
export const REPLACEMENTS_MAX = 3
export const REPLACEMENTS_WITHIN_MS = 10_000

const loading: LifetimeState = { stage: 'loading', status: { stage: 'loading' } }

export class StoreLifetime {
  #state: LifetimeState = loading
  #identity: StoreIdentity | undefined
  #replacedAt: number[] = []
  #isKeeping = false
  #abort: AbortController | undefined
  #previous: Promise<void> = Promise.resolve()
  readonly #listeners = new Set<() => void>()

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly getState = (): LifetimeState => this.#state

  /** Whether the current state is that of a store for `identity`. */
  accepts(identity: StoreIdentity): boolean {
    if (this.#identity?.storeId !== identity.storeId) return false
    if (this.#isKeeping) return true
    return this.#identity.schema === identity.schema && this.#identity.adapter === identity.adapter
  }

  /** Makes a store for `options`, unless there is one. */
  open(options: CreateStoreOptions<LiveStoreSchema, unknown>): void {
    if (this.#abort !== undefined) {
      if (this.accepts(options) || this.#keeps(options)) return
      this.close()
    }
    this.#identity = options
    this.#set(loading)
    const abort = new AbortController()
    this.#abort = abort
    this.#previous = this.#previous.then(() => this.#run(options, abort))
  }

  /** Ends the store. `open` may be called again. */
  close(): void {
    this.#abort?.abort(new Error('the provider was unmounted or given another store'))
    this.#abort = undefined
    this.#identity = undefined
    this.#isKeeping = false
  }

  /** Resolves when the store has ended. */
  async #run(
    options: CreateStoreOptions<LiveStoreSchema, unknown>,
    abort: AbortController,
  ): Promise<void> {
    if (abort.signal.aborted) return
    const set = (state: LifetimeState) => {
      if (this.#abort === abort) this.#set(state)
    }
    const stop = followSignal(options.signal, abort)
    try {
      const store = await createStorePromise({
        ...options,
        signal: abort.signal,
        onBootStatus: (status) => {
          options.onBootStatus?.(status)
          set({ stage: 'loading', status })
        },
      })
      set({ stage: 'running', store })
      await new Promise<void>((resolve) => store[StoreInternalsSymbol].onShutdown(resolve))
      set({ stage: 'shutdown', cause: shutdownCause(options.signal) })
      await store.shutdown()
    } catch (error) {
      if (options.signal?.aborted) set({ stage: 'shutdown', cause: shutdownCause(options.signal) })
      else set({ stage: 'error', error })
    } finally {
      stop()
    }
  }

  /** Guards against an adapter or a schema that is made in every render. */
  #keeps({ storeId }: StoreIdentity): boolean {
    if (this.#identity?.storeId !== storeId) return false
    const now = Date.now()
    this.#replacedAt = this.#replacedAt.filter((at) => now - at < REPLACEMENTS_WITHIN_MS)
    this.#replacedAt.push(now)
    if (this.#replacedAt.length <= REPLACEMENTS_MAX) return false
    this.#isKeeping = true
    console.warn(
      `LiveStoreProvider: 'adapter' or 'schema' of store '${storeId}' was a new object ` +
        `${REPLACEMENTS_MAX} times in a row, and each time the store was made anew. The present ` +
        'store is kept from now on. Create both outside of the component.',
    )
    // Nothing has changed but that the present state counts for what was asked for.
    this.#set({ ...this.#state })
    return true
  }

  #set(state: LifetimeState): void {
    this.#state = state
    for (const listener of [...this.#listeners]) listener()
  }
}

const followSignal = (signal: AbortSignal | undefined, abort: AbortController): (() => void) => {
  const onAbort = () => abort.abort(signal?.reason)
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  return () => signal?.removeEventListener('abort', onAbort)
}

const shutdownCause = (signal: AbortSignal | undefined): LiveStoreError =>
  signal?.aborted
    ? new LiveStoreError('Closed', 'its signal was aborted', { cause: signal.reason })
    : new LiveStoreError('Closed', 'it was shut down by the app')
