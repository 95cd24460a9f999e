/**
 * Commits events whose materializers may insert rows without the columns that have a function for
 * their default.
 *
 * The first try finds out which values are needed, and is undone; the second commits events that
 * carry them. A commit that needs none is committed by the first.
 */

import { DefaultsCollector } from '../schema/carried-defaults.js'
import type { DraftEvent } from '../schema/materialize.js'
import type { CommitEvent } from '../wasm/client-session.js'

/** Returns what `commit` returns. @throws what `commit` throws; nothing has changed then */
export const commitWithDefaults = <T>(
  events: readonly CommitEvent[],
  commit: (events: readonly CommitEvent[]) => T,
): T => {
  const collector = new DefaultsCollector(events.length)
  const draft = (index: number): DraftEvent => ({ collector, index })
  try {
    return commit(events.map((event, index) => ({ ...event, note: draft(index) })))
  } catch (thrown) {
    if (!collector.isInterrupted) throw thrown
  }
  return commit(
    events.map((event, index) => ({
      ...event,
      argsJson: collector.carriedIn(index, event.name, event.argsJson),
    })),
  )
}
