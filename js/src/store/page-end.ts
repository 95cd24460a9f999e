/**
 * What a store does when its page is about to end: it asks the user, and keeps what is pending.
 *
 * A page that ends may come back: from the back/forward cache, or unfrozen. Nothing here counts on
 * it having ended.
 */

import { type Store, type StoreControl, StoreInternalsSymbol } from './store.js'

type EndingStore = Pick<Store, 'shutdown' | typeof StoreInternalsSymbol>

/** Asks for as long as something can be lost: also while a shutdown waits for the leader. */
export const confirmLeaving = (store: EndingStore, control: StoreControl): void => {
  listen(store, ['beforeunload'], (event) => {
    if (control.pendingCount() > 0) event.preventDefault()
  })
}

/** Journals what is pending when the page goes, is put away or frozen. */
export const journalAtPageEnd = (store: EndingStore, control: StoreControl): void => {
  listen(store, ['pagehide', 'freeze'], () => control.pageEnds())
}

/** While capturing: `freeze` happens to the document. */
const listen = (
  store: EndingStore,
  types: readonly string[],
  listener: (event: Event) => void,
): void => {
  if (typeof window === 'undefined') return
  const target = window
  for (const type of types) target.addEventListener(type, listener, true)
  store[StoreInternalsSymbol].onShutdown(() => {
    void store.shutdown().finally(() => {
      for (const type of types) target.removeEventListener(type, listener, true)
    })
  })
}
