/** The boot's part of syncing: waits for the backend's events, and says how far they are. */

import type { Clock } from '../env.js'
import type { BootStatus } from '../protocol/messages.js'
import type { SyncDriver } from './sync-driver.js'

/**
 * Starts the driver. With `initialSyncMs` it resolves when the backend's events are here or the
 * time is over; else at once.
 *
 * @throws (as a rejection) what `signal` is aborted with
 */
export const startSync = async (
  driver: SyncDriver,
  {
    clock,
    initialSyncMs,
    report,
    signal,
  }: {
    readonly clock: Clock
    readonly initialSyncMs: number | undefined
    readonly report: (status: BootStatus) => void
    readonly signal: AbortSignal
  },
): Promise<void> => {
  signal.throwIfAborted()
  if (initialSyncMs === undefined) {
    driver.start()
    return
  }
  let isWaiting = true
  report({ stage: 'syncing', progress: { done: 0, total: -1 } })
  driver.start((progress) => {
    if (isWaiting) report({ stage: 'syncing', progress })
  })
  let cancel: () => void = () => undefined
  try {
    await new Promise<void>((resolve, reject) => {
      cancel = clock.after(initialSyncMs, resolve)
      void driver.caughtUp.then(resolve)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  } finally {
    isWaiting = false
    cancel()
  }
}
