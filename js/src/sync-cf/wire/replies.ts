/**
 * What a server of the sync-cf 0.4 protocol sends: envelopes as text.
 *
 *     cause (0.4)      { _tag: 'Fail', error } · { _tag: 'Die', defect } · { _tag: 'Interrupt' }
 *     cause (later)    [ one of them ]          told apart by the type of the request's id
 *
 * Events are put in as the JSON they are stored as, so a page costs no parsing.
 */

import type { RequestId } from './frames.js'

/** An answer that a client knows what to do with, as the protocol names it. */
export type WireError =
  | {
      readonly _tag: 'ServerAheadError'
      readonly minimumExpectedNum: number
      readonly providedNum: number
    }
  | {
      readonly _tag: 'BackendIdMismatchError'
      readonly expected: string
      readonly received: string
    }
  | {
      readonly _tag: 'UnknownError'
      readonly cause: { readonly name: string; readonly message: string }
      readonly payload?: unknown
    }

export const pong = '{"_tag":"Pong"}'

export const defect = (problem: string): string =>
  JSON.stringify({ _tag: 'Defect', defect: problem })

/** `page` is one stream item, already JSON. */
export const chunk = (id: RequestId, page: string): string =>
  `{"_tag":"Chunk","requestId":${JSON.stringify(id)},"values":[${page}]}`

/** A stream that ended, or a call without a result. */
export const exitSuccess = (id: RequestId): string =>
  exit(id, typeof id === 'number' ? { _tag: 'Success', value: null } : { _tag: 'Success' })

export const exitValue = (id: RequestId, value: unknown): string =>
  exit(id, { _tag: 'Success', value })

export const exitFail = (id: RequestId, error: WireError): string =>
  failure(id, { _tag: 'Fail', error })

export const exitDie = (id: RequestId, problem: string): string =>
  failure(id, { _tag: 'Die', defect: problem })

export const exitInterrupt = (id: RequestId): string =>
  failure(
    id,
    typeof id === 'number'
      ? { _tag: 'Interrupt' }
      : { _tag: 'Interrupt', fiberId: { _tag: 'None' } },
  )

const failure = (id: RequestId, cause: unknown): string =>
  exit(id, { _tag: 'Failure', cause: typeof id === 'number' ? [cause] : cause })

const exit = (id: RequestId, value: unknown): string =>
  JSON.stringify({ _tag: 'Exit', requestId: id, exit: value })
