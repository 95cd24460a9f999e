/** The hooks of the servers that the wire conformance runs against. */

import { EventRefusedError } from '../../sync/backend.js'
import type { SyncHooks } from '../hooks.js'

export const conformanceHooks: SyncHooks = {
  validatePayload(payload) {
    if ((payload as { token?: string } | undefined)?.token === 'wrong') {
      throw new Error('the token is wrong')
    }
  },
  onPush({ batch }) {
    if (batch.some(({ name }) => name === 'forbidden')) throw new Error('no such thing')
    if (batch[1]?.name === 'half-forbidden') {
      throw new EventRefusedError({ index: 1, reason: 'not this one' })
    }
  },
}
