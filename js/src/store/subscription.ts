/**
 * One subscriber of a live query: is told after a change has settled, and only if the result is
 * another one.
 */

import type { Deliveries, Receiver } from '../reactivity/deliveries.js'
import type { Instance } from '../reactivity/query-instance.js'

let orderCount = 0
/** Subscribers are told in the order in which they came. */
export const nextOrder = (): number => {
  orderCount += 1
  return orderCount
}

/** Watches `instance` until `end` is called. `onChange` runs in a delivery. */
export class Subscription implements Receiver {
  readonly order = nextOrder()
  readonly #deliveries: Deliveries
  readonly #onChange: () => void
  readonly #unobserve: () => void
  #isOpen = true

  constructor(instance: Instance<unknown>, deliveries: Deliveries, onChange: () => void) {
    this.#deliveries = deliveries
    this.#onChange = onChange
    this.#unobserve = instance.observe(() => deliveries.add(this))
  }

  deliver(): void {
    if (this.#isOpen) this.#onChange()
  }

  /** Idempotent. */
  end(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#deliveries.remove(this)
    this.#unobserve()
  }
}
