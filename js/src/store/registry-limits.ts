/** The times of `StoreRegistry`. */

/** How long a store that nobody uses stays open in a page. */
export const UNUSED_CACHE_MS = 60_000
/** How long a render that asked for a store may take to be committed. */
export const RENDER_HOLD_MS = 5_000
/** A failed store is not opened again sooner, so that whoever waited for it hears of it. */
export const FAILURE_KEPT_MS = 3_000
/** Longer times than this are for ever to the browser's timers, which would fire at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1
