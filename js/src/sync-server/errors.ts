/** How the failures of a server are said on the wire. */

import { BackendIdMismatchError, EventRefusedError, ServerAheadError } from '../sync/backend.js'
import type { WireError } from '../sync-cf/wire/replies.js'

/** Something the client asked for that it may not have or that makes no sense. */
export class RefusedError extends Error {
  override readonly name: string

  constructor(name: 'WrongStoreError' | 'InvalidBatchError' | 'TooBusyError', message: string) {
    super(message)
    this.name = name
  }
}

/**
 * An event that is refused travels as an UnknownError, which clients of 0.4 can read; a client that
 * knows better finds the event's index in its payload.
 */
export const wireError = (thrown: unknown): WireError => {
  if (is<ServerAheadError>(thrown, ServerAheadError)) {
    const { minimumExpectedNum, providedNum } = thrown
    return { _tag: 'ServerAheadError', minimumExpectedNum, providedNum }
  }
  if (is<BackendIdMismatchError>(thrown, BackendIdMismatchError)) {
    const { expected, received } = thrown
    return { _tag: 'BackendIdMismatchError', expected, received }
  }
  if (is<EventRefusedError>(thrown, EventRefusedError)) {
    const { index, reason } = thrown
    return {
      _tag: 'UnknownError',
      cause: { name: 'EventRefusedError', message: reason },
      payload: { index },
    }
  }
  const { name, message } =
    thrown instanceof Error ? thrown : { name: 'Error', message: String(thrown) }
  return { _tag: 'UnknownError', cause: { name, message } }
}

/** Hooks bundle a copy of the class of their own, so its name decides. */
const is = <T extends Error & { _tag: string }>(
  thrown: unknown,
  type: abstract new (...args: never[]) => T,
): thrown is T =>
  thrown instanceof type || (thrown instanceof Error && (thrown as T)._tag === type.name)
