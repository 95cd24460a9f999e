/** The one place where an error reply of the engine becomes a thrown error. */

import type { Reply, VoidReply } from '../../../wasm/types/module.js'
import { errorFromReply } from '../errors.js'

/** @throws LiveStoreError with the engine's code. */
export const unwrap = <T>(reply: Reply<T>): T => {
  if ('code' in reply) throw errorFromReply(reply)
  return reply.value
}

/** @throws LiveStoreError with the engine's code. */
export const check = (reply: VoidReply): void => {
  if (reply.code !== undefined) throw errorFromReply(reply)
}
