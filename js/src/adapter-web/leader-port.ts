/**
 * A port to a leader, as the session driver uses it.
 */

import type { PortLike } from '../env.js'
import type { LeaderToTab, SessionToLeader, StorageMode } from '../protocol/messages.js'
import { TypedPort } from '../protocol/port.js'
import { checkLeaderToTab } from '../protocol/validate.js'
import type { LeaderPort } from '../store/adapter.js'
import type { Journals } from './journals.js'

/**
 * `onStorageMode` runs when a welcome tells it, before the driver sees the welcome. `journals` are
 * handed over before the driver says hello.
 */
export const openLeaderPort = (
  port: PortLike,
  onStorageMode: (mode: StorageMode) => void,
  journals?: Journals,
): LeaderPort => {
  const typed = new TypedPort<SessionToLeader, LeaderToTab>(port, checkLeaderToTab)
  journals?.handOver((message, transfer) => typed.post(message, transfer))
  return {
    post: (message, transfer) => typed.post(message, transfer),
    onMessage: (handler) =>
      typed.listen({
        onMessage: (message) => {
          if (message.type === 'welcome') onStorageMode(message.storageMode)
          if (message.type === 'journal-result') journals?.taken(message)
          else handler(message)
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
