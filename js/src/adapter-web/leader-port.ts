/**
 * A port to a leader, as the session driver uses it.
 */

import type { PortLike } from '../env.js'
import type { LeaderToSession, SessionToLeader, StorageMode } from '../protocol/messages.js'
import { TypedPort } from '../protocol/port.js'
import { checkLeaderToSession } from '../protocol/validate.js'
import type { LeaderPort } from '../store/adapter.js'

/** `onStorageMode` runs when a welcome tells it, before the driver sees the welcome. */
export const openLeaderPort = (
  port: PortLike,
  onStorageMode: (mode: StorageMode) => void,
): LeaderPort => {
  const typed = new TypedPort<SessionToLeader, LeaderToSession>(port, checkLeaderToSession)
  return {
    post: (message, transfer) => typed.post(message, transfer),
    onMessage: (handler) =>
      typed.listen({
        onMessage: (message) => {
          if (message.type === 'welcome') onStorageMode(message.storageMode)
          handler(message)
        },
        onMalformed: (problem) =>
          handler({
            type: 'error',
            code: 'ProtocolMismatch',
            message: `the leader sent ${problem}: another tab runs another build of this app`,
          }),
      }),
    close: () => typed.close(),
  }
}
