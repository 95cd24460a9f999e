/**
 * What the browser does to a page that is not looked at: it may freeze it, or put it into the
 * back/forward cache, and later go on with it as if nothing had happened.
 */

import type { Tab } from './tab.js'

/**
 * Lets `tab` pause while its page is frozen or put away. A page that ends needs none of it. Returns
 * what ends the watch.
 */
export const watchPageLife = (
  tab: Pick<Tab, 'pause' | 'resume'>,
  page: EventTarget = window,
): (() => void) => {
  const isKept = (event: Event): boolean =>
    (event as Partial<PageTransitionEvent>).persisted === true
  const listeners: readonly [string, (event: Event) => void][] = [
    ['freeze', () => tab.pause()],
    ['pagehide', (event) => isKept(event) && tab.pause()],
    ['resume', () => tab.resume()],
    ['pageshow', () => tab.resume()],
  ]
  const over = new AbortController()
  // While capturing: `freeze` and `resume` happen to the document.
  const options = { capture: true, signal: over.signal }
  for (const [type, listener] of listeners) page.addEventListener(type, listener, options)
  return () => over.abort()
}
