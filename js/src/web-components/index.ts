/**
 * Custom elements: `provideStore` gives a store to all elements below one, and `withStore` makes
 * elements that find it and subscribe to it while they are connected.
 *
 * The two speak the context protocol of the web components community: an element asks with a
 * bubbling `context-request` event, so that elements of other libraries (Lit, for one) can ask for
 * `storeContext` as well.
 */

import { LiveStoreError } from '../errors.js'
import type { Queryable } from '../reactivity/definitions.js'
import type { Store, SyncStatus, Unsubscribe } from '../store/store.js'

/** What an element asks for with a `context-request` event. */
export const storeContext: unique symbol = Symbol.for('livestore-wasm/store-context')

type StoreCallback = (store: Store, unsubscribe?: () => void) => void

interface ContextRequest extends Event {
  readonly context: unknown
  readonly callback: StoreCallback
}

/**
 * Gives `store` to every element below `root` that asks for it, until the returned function is
 * called. Call it before the elements are defined: who asks earlier gets no answer. Of a promise
 * they hear when it is fulfilled; one that rejects is the caller's to handle.
 */
export const provideStore = (root: EventTarget, store: Store | Promise<Store>): (() => void) => {
  const answer = (event: Event): void => {
    const { context, callback } = event as ContextRequest
    if (context !== storeContext || typeof callback !== 'function') return
    event.stopImmediatePropagation()
    event.preventDefault()
    if (store instanceof Promise) store.then(callback, () => undefined)
    else callback(store)
  }
  root.addEventListener('context-request', answer)
  return () => root.removeEventListener('context-request', answer)
}

/** What `withStore` adds to an element. */
export interface StoreElement {
  /** The store, from `storeConnected` on and until the element is disconnected. */
  readonly store: Store | undefined
  /**
   * Override it: called when the element is in the document and the store is there, each time it
   * is connected anew.
   */
  storeConnected(store: Store): void
  /**
   * Calls `onUpdate` with the result of `query` now and after every change, until the element is
   * disconnected or the returned function is called.
   *
   * @throws LiveStoreError if the query cannot be run, or before `storeConnected`
   */
  watch<Result>(query: Queryable<Result>, onUpdate: (result: Result) => void): Unsubscribe
  /** As `watch`, for how far the leader has confirmed what this tab has committed. */
  watchSyncStatus(onUpdate: (status: SyncStatus) => void): Unsubscribe
  connectedCallback(): void
  disconnectedCallback(): void
}

type ElementClass = new (
  // biome-ignore lint/suspicious/noExplicitAny: TypeScript asks a mixin's constructor to say so
  ...args: any[]
) => HTMLElement & {
  connectedCallback?(): void
  disconnectedCallback?(): void
}

// biome-ignore lint/suspicious/noExplicitAny: as above
type StoreElementClass = new (...args: any[]) => StoreElement

/** A class of elements that use the store which is provided above them. */
export const withStore = <Base extends ElementClass>(Base: Base): Base & StoreElementClass => {
  class WithStore extends Base implements StoreElement {
    #store: Store | undefined
    #connection = 0
    readonly #ends = new Set<Unsubscribe>()

    get store(): Store | undefined {
      return this.#store
    }

    storeConnected(_store: Store): void {}

    override connectedCallback(): void {
      super.connectedCallback?.()
      this.#connection += 1
      const connection = this.#connection
      const isAnswered = requestStore(this, (store) => {
        if (this.#connection !== connection || this.#store !== undefined) return
        this.#store = store
        this.storeConnected(store)
      })
      if (isAnswered) return
      throw new LiveStoreError(
        'InvalidArgument',
        `<${this.localName}> found no store: call provideStore for an element above it, before ` +
          'the element is defined',
      )
    }

    override disconnectedCallback(): void {
      super.disconnectedCallback?.()
      this.#connection += 1
      this.#store = undefined
      for (const end of [...this.#ends]) end()
    }

    watch<Result>(query: Queryable<Result>, onUpdate: (result: Result) => void): Unsubscribe {
      return this.#keep(this.#connected('watch').subscribe(query, onUpdate))
    }

    watchSyncStatus(onUpdate: (status: SyncStatus) => void): Unsubscribe {
      return this.#keep(this.#connected('watchSyncStatus').subscribeSyncStatus(onUpdate))
    }

    #connected(operation: string): Store {
      if (this.#store !== undefined) return this.#store
      throw new LiveStoreError(
        'InvalidArgument',
        `${operation}: <${this.localName}> has no store; call it in storeConnected or later, ` +
          'while the element is connected',
      )
    }

    #keep(unsubscribe: Unsubscribe): Unsubscribe {
      const end = () => {
        this.#ends.delete(end)
        unsubscribe()
      }
      this.#ends.add(end)
      return end
    }
  }
  return WithStore
}

/** Whether somebody answers, now or later: our providers prevent the default. */
const requestStore = (element: HTMLElement, callback: StoreCallback): boolean => {
  const event = new Event('context-request', { bubbles: true, composed: true, cancelable: true })
  let isAnswered = false
  const answered: StoreCallback = (store) => {
    isAnswered = true
    callback(store)
  }
  Object.assign(event, { context: storeContext, callback: answered, contextTarget: element })
  return !element.dispatchEvent(event) || isAnswered
}
