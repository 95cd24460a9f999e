/**
 * What an app decides about its sync server: who may connect, what may be pushed.
 *
 * A hook that throws refuses: `validatePayload` the connection or the message, `onPush` the batch,
 * and with an `EventRefusedError` one event of it, which the client then takes out of its log.
 */

import type { WireError } from '../sync-cf/wire/replies.js'
import type { PullRequest, PushRequest } from '../sync-cf/wire/requests.js'

/** Who asks. The payload is the message's, and was found valid. */
export interface HookContext {
  readonly storeId: string
  readonly payload: unknown
  /** Those that the server was told to forward, names in lower case. */
  readonly headers: ReadonlyMap<string, string>
}

type Answer = void | Promise<void>

export interface SyncHooks {
  /**
   * Called for a connection, and again for a message with another payload, or once the last answer
   * is older than a minute: a token that expires ends what was begun with it.
   */
  readonly validatePayload?: (
    payload: unknown,
    context: { readonly storeId: string; readonly headers: ReadonlyMap<string, string> },
  ) => Answer
  /** Before a batch is appended. It may still be refused, because others were quicker. */
  readonly onPush?: (message: PushRequest, context: HookContext) => Answer
  readonly onPushRes?: (message: { readonly _tag: 'SyncMessage.PushAck' } | WireError) => Answer
  readonly onPull?: (message: PullRequest, context: HookContext) => Answer
  /** For each page, and for an error. */
  readonly onPullRes?: (message: unknown) => Answer
}

/** Headers that `names` lets through, in lower case; a function chooses itself. */
export type ForwardHeaders =
  | readonly string[]
  | ((request: { readonly headers: Headers }) => Record<string, string>)

export const forwarded = (
  headers: Headers,
  names: ForwardHeaders | undefined,
): ReadonlyMap<string, string> => {
  if (names === undefined) return new Map()
  if (typeof names === 'function') return new Map(Object.entries(names({ headers })))
  const found = new Map<string, string>()
  for (const name of names) {
    const value = headers.get(name)
    if (value !== null) found.set(name.toLowerCase(), value)
  }
  return found
}

/** For hooks that only look on: what they throw changes no answer that was given already. */
export const quietly = (call: () => unknown): void => {
  void (async () => call())().catch(() => {})
}
