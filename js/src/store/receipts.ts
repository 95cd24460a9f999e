/**
 * What became of commits: the promises of receipts, and of `flush`.
 *
 * A commit costs two small objects here. A promise is made when it is first read, and only then is
 * anything kept for it; the engine is asked how far it is only while a promise is open.
 *
 * Events are counted from 1, as the engine counts those of its session.
 */

import { LiveStoreError } from '../errors.js'
import type { Rejection } from '../wasm/client-session.js'
import type { Receipts } from '../wasm/values.js'

/** Rejections that promises can still be told which are first read later. The oldest go first. */
export const REJECTIONS_REMEMBERED_MAX = 10_000

/**
 * How far the events of a commit have come. A promise is made when it is read.
 *
 * Calling it does nothing. React calls what an effect returns when it cleans up, so an effect may
 * return what its commit returned.
 */
export interface CommitReceipt {
  (): void
  /**
   * Resolves when all events of the commit are flushed to disk; in a store in memory, when the
   * leader has them. While storage is full it waits: the leader goes on trying.
   *
   * Rejects with the code of an event that the leader could not take, which has been rolled back;
   * with `Closed` if the store was shut down before.
   */
  readonly persisted: Promise<void>
  /**
   * Resolves when the sync backend has put all events of the commit into its order. Offline it
   * waits.
   *
   * Rejects as `persisted` does; with `BackendRefused` and the backend's reason for an event that
   * it refused, which has been rolled back in every tab; with `Unsupported` in a store that syncs
   * with no backend.
   */
  readonly synced: Promise<void>
}

/**
 * What `commit` returns. It is `void` too, for where React or a lint rule admits no other value, as
 * the function of a transition.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: an intersection, which only void can satisfy
export type CommitResult = void & CommitReceipt

/** `flushed` is `persisted` for those who also want to hear that it takes long. */
type Stage = 'persisted' | 'synced' | 'flushed'

interface Wait {
  readonly stage: Stage
  readonly first: number
  readonly last: number
  resolve(): void
  reject(error: LiveStoreError): void
}

interface Refusal {
  /** The event was on disk before. */
  readonly persisted: boolean
  readonly error: LiveStoreError
}

export class ReceiptBook {
  readonly #ask: () => Receipts
  readonly #open = new Set<Wait>()
  readonly #refusals = new Map<number, Refusal>()
  #committed = 0
  #trouble: LiveStoreError | undefined
  #end: { readonly receipts: Receipts; readonly error: LiveStoreError } | undefined

  /** `ask` is not called any more after `end`. */
  constructor(ask: () => Receipts) {
    this.#ask = ask
  }

  /** So many events have been committed together. */
  committed(count: number): CommitResult {
    const first = this.#committed + 1
    this.#committed += count
    return new Proxy(nothing, new Receipt(this, first, this.#committed)) as CommitResult
  }

  /** Resolves when everything committed so far is on disk; rejects also while storage refuses. */
  flushed(): Promise<void> {
    return this.until('flushed', this.#receipts().persisted + 1, this.#committed)
  }

  /** Resolves when everything committed so far is on disk or rejected. */
  settled(): Promise<void> {
    return this.until('persisted', this.#committed + 1, this.#committed)
  }

  /** The events from `first` to `last` have come so far. */
  until(stage: Stage, first: number, last: number): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const wait: Wait = { stage, first, last, resolve, reject }
      for (const [counter, refusal] of this.#refusals) {
        if (concerns(wait, counter, refusal)) return reject(refusal.error)
      }
      if (settle(wait, this.#receipts())) return
      if (this.#end !== undefined) reject(this.#end.error)
      else if (stage === 'flushed' && this.#trouble !== undefined) reject(this.#trouble)
      else this.#open.add(wait)
    })
    // Who holds a promise may look at it late, or never.
    promise.catch(() => undefined)
    return promise
  }

  rejected(rejections: readonly Rejection[]): void {
    for (const { counter, event, accepted, code, message } of rejections) {
      const refusal = {
        persisted: accepted && code === 'BackendRefused',
        error: new LiveStoreError(code, `the event '${event.name}' was rejected: ${message}`),
      }
      this.#refusals.set(counter, refusal)
      for (const wait of this.#open) {
        if (!concerns(wait, counter, refusal)) continue
        this.#open.delete(wait)
        wait.reject(refusal.error)
      }
    }
    for (const counter of this.#refusals.keys()) {
      if (this.#refusals.size <= REJECTIONS_REMEMBERED_MAX) break
      this.#refusals.delete(counter)
    }
  }

  /** The leader has taken something in: it is in no trouble any more. */
  progressed(): void {
    this.#trouble = undefined
    if (this.#open.size === 0) return
    const receipts = this.#receipts()
    for (const wait of this.#open) {
      if (settle(wait, receipts)) this.#open.delete(wait)
    }
  }

  /** The leader cannot store anything at the moment. */
  troubled(error: LiveStoreError): void {
    this.#trouble = error
    for (const wait of this.#open) {
      if (wait.stage !== 'flushed') continue
      this.#open.delete(wait)
      wait.reject(error)
    }
  }

  get trouble(): LiveStoreError | undefined {
    return this.#trouble
  }

  /** Nothing will come any more: what is open is rejected with `error`. */
  end(error: LiveStoreError): void {
    this.#end = { receipts: this.#ask(), error }
    this.progressed()
    for (const wait of this.#open) wait.reject(error)
    this.#open.clear()
  }

  #receipts(): Receipts {
    return this.#end?.receipts ?? this.#ask()
  }
}

/**
 * Makes a function a receipt. As a proxy: of all that can be called and has getters it is the
 * cheapest to make, about as cheap as an object.
 */
class Receipt implements ProxyHandler<() => void> {
  readonly #book: ReceiptBook
  readonly #first: number
  readonly #last: number
  #persisted: Promise<void> | undefined
  #synced: Promise<void> | undefined

  constructor(book: ReceiptBook, first: number, last: number) {
    this.#book = book
    this.#first = first
    this.#last = last
  }

  get(target: () => void, key: string | symbol): unknown {
    if (key === 'persisted') {
      this.#persisted ??= this.#book.until(key, this.#first, this.#last)
      return this.#persisted
    }
    if (key === 'synced') {
      this.#synced ??= this.#book.until(key, this.#first, this.#last)
      return this.#synced
    }
    return Reflect.get(target, key)
  }
}

/** Shared by all receipts, so none may change it. */
const nothing = Object.freeze(() => undefined)

const concerns = ({ stage, first, last }: Wait, counter: number, refusal: Refusal): boolean =>
  first <= counter && counter <= last && (stage === 'synced' || !refusal.persisted)

/** Returns whether `wait` has come to its end. */
const settle = ({ stage, last, resolve, reject }: Wait, receipts: Receipts): boolean => {
  const { persisted, synced, hasBackend } = receipts
  if (stage === 'synced' && !hasBackend) {
    reject(new LiveStoreError('Unsupported', 'this store syncs with no backend'))
    return true
  }
  if ((stage === 'synced' ? synced : persisted) < last) return false
  resolve()
  return true
}
