/**
 * The envelopes of LiveStore's Cloudflare protocol, as 0.4.0 speaks it, and later ones as far as
 * they differ. Over a WebSocket a text frame holds one envelope, over HTTP a reply holds an array.
 *
 *     client ──► Request { id, tag, payload }   Ack { requestId }   Interrupt { requestId }   Ping
 *     server ──► Chunk { requestId, values }   Exit { requestId, exit }   Defect { defect }   Pong
 *
 * Trusts nothing that a server says: what has no known form is a `MalformedBytes`, and never more
 * than that. Knows no connection and no time.
 */

import { LiveStoreError } from '../../errors.js'
import {
  BackendIdMismatchError,
  EventRefusedError,
  type PullPage,
  ServerAheadError,
  type SyncedEvent,
} from '../../sync/backend.js'

/** Longer frames are refused unread: a page has at most a megabyte. */
export const frameCharsMax = 64 << 20
/** The same for replies over HTTP, which hold all that there is. */
export const replyCharsMax = 256 << 20
/** Steps through a cause, which is a tree and may be as deep as the server likes. */
export const causeNodesMax = 10_000
const reasonCharsMax = 1_000

/** Byte for byte what the runtime of a hibernating Durable Object answers without waking it. */
export const pingFrame = '{"_tag":"Ping"}'
export const ackFrame = (requestId: string): string => JSON.stringify({ _tag: 'Ack', requestId })
export const interruptFrame = (requestId: string): string =>
  JSON.stringify({ _tag: 'Interrupt', requestId })
export const requestFrame = (id: string, tag: string, payload: object): string =>
  JSON.stringify({ _tag: 'Request', id, tag, payload, headers: [] })

/** What every request is about. The server authorizes by `payload`; left out if undefined. */
export interface Subject {
  readonly storeId: string
  readonly payload: unknown
}

const option = (value: unknown): object =>
  value === undefined ? { _tag: 'None' } : { _tag: 'Some', value }

export const pullPayload = (
  { storeId, payload }: Subject,
  cursor: { readonly backendId: string; readonly eventSequenceNumber: number } | undefined,
  live?: boolean,
): object => ({ storeId, payload, live, cursor: option(cursor) })

export const pushPayload = (
  { storeId, payload }: Subject,
  batch: readonly SyncedEvent[],
  backendId: string | undefined,
): object => ({ storeId, payload, batch, backendId: option(backendId) })

export type ServerFrame =
  | {
      readonly kind: 'chunk'
      readonly requestId: string
      readonly pages: readonly PullPage[]
      /** Of the frame: what the pages take in memory, more or less. */
      readonly chars: number
    }
  /** `failure`: why the request failed; undefined if it did not. */
  | { readonly kind: 'exit'; readonly requestId: string; readonly failure: Error | undefined }
  | { readonly kind: 'defect'; readonly failure: Error }
  /** A Pong, or what a later version may send. */
  | { readonly kind: 'other' }

/** @throws LiveStoreError `MalformedBytes` */
export const decodeFrame = (text: unknown): ServerFrame => {
  const envelope = parse(text, frameCharsMax)
  return frameOf(envelope, (text as string).length)
}

/** The envelopes of a reply over HTTP. @throws LiveStoreError `MalformedBytes` */
export const decodeReply = (text: unknown): readonly ServerFrame[] => {
  const envelopes = parse(text, replyCharsMax)
  if (!Array.isArray(envelopes)) throw malformed('a reply that is no list')
  return envelopes.map((envelope) => frameOf(envelope, 0))
}

const parse = (text: unknown, charsMax: number): unknown => {
  if (typeof text !== 'string') throw malformed('a frame that is no text')
  if (text.length > charsMax) throw malformed(`a frame of ${text.length} characters`)
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('a frame that is not JSON')
  }
}

const frameOf = (envelope: unknown, chars: number): ServerFrame => {
  const { _tag, requestId, values, exit, defect } = record(envelope, 'an envelope')
  switch (_tag) {
    case 'Chunk':
      if (!Array.isArray(values)) throw malformed('a chunk without values')
      return { kind: 'chunk', requestId: idOf(requestId), pages: values.map(pageOf), chars }
    case 'Exit':
      return { kind: 'exit', requestId: idOf(requestId), failure: exitFailure(exit) }
    case 'Defect':
      return { kind: 'defect', failure: serverError('broke', defect) }
    default:
      if (typeof _tag !== 'string') throw malformed('an envelope without a tag')
      return { kind: 'other' }
  }
}

/** Text or, in later versions, also a number. */
const idOf = (requestId: unknown): string => {
  if (typeof requestId === 'string' || typeof requestId === 'number') return String(requestId)
  throw malformed('an envelope without a requestId')
}

/** What it holds is checked where all pages of backends are; here is only made what differs. */
const pageOf = (value: unknown): PullPage => {
  const page = record(value, 'a page')
  if (!Array.isArray(page.batch)) throw malformed('a page without a batch')
  const batch = page.batch.map((item) => {
    const { eventEncoded, metadata } = record(item, 'an item of a page')
    const event = record(eventEncoded, 'an event')
    for (const number of [event.seqNum, event.parentSeqNum]) {
      if (!Number.isSafeInteger(number)) throw malformed('an event without numbers')
    }
    return { eventEncoded: event as unknown as SyncedEvent, metadata: optionValue(metadata) }
  })
  const { _tag } = record(page.pageInfo, 'a pageInfo')
  if (_tag !== 'NoMore' && _tag !== 'MoreKnown' && _tag !== 'MoreUnknown') {
    throw malformed('a pageInfo of no known kind')
  }
  return { ...(page as unknown as PullPage), batch }
}

const optionValue = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && (value as { _tag?: unknown })._tag === 'Some'
    ? (value as { value?: unknown }).value
    : undefined

const exitFailure = (exit: unknown): Error | undefined => {
  const { _tag, cause } = record(exit, 'an exit')
  if (_tag === 'Success') return undefined
  if (_tag === 'Failure') return causeFailure(cause)
  throw malformed('an exit of no known kind')
}

/**
 * The error in a cause: the first `Fail`, else the first `Die`. 0.4.0 sends a tree (`Sequential`,
 * `Parallel`), later versions a list.
 */
const causeFailure = (cause: unknown): Error => {
  const open: unknown[] = [cause]
  let defect: { readonly text: string } | undefined
  for (let left = causeNodesMax; open.length > 0 && left > 0; left--) {
    const node = open.pop()
    if (Array.isArray(node)) {
      // A list longer than that is not looked through to its end.
      for (let i = Math.min(node.length, causeNodesMax) - 1; i >= 0; i--) open.push(node[i])
    } else if (typeof node === 'object' && node !== null) {
      const { _tag, error, defect: died, left, right } = node as Record<string, unknown>
      if (_tag === 'Fail') return errorOf(error)
      if (_tag === 'Die') defect ??= { text: textOf(died) }
      open.push(right, left)
    }
  }
  return serverError('failed', defect?.text ?? 'it interrupted the request')
}

const errorOf = (error: unknown): Error => {
  if (typeof error !== 'object' || error === null) return serverError('failed', error)
  const { _tag, ...fields } = error as Record<string, unknown>
  switch (_tag) {
    case 'ServerAheadError':
      return new ServerAheadError({
        minimumExpectedNum: Number(fields.minimumExpectedNum),
        providedNum: Number(fields.providedNum),
      })
    case 'BackendIdMismatchError':
      // The server speaks of what it expected: itself.
      return new BackendIdMismatchError({
        expected: textOf(fields.received),
        received: textOf(fields.expected),
      })
    default:
      return refusalOf(fields) ?? serverError('failed', fields.cause)
  }
}

/**
 * A server that refuses one event says so in a form that clients of LiveStore understand as well:
 * `UnknownError` with a cause of this name, and a payload that names the event.
 */
const refusalOf = ({ cause, payload }: Record<string, unknown>): Error | undefined => {
  if (typeof cause !== 'object' || cause === null) return undefined
  const { name, message } = cause as Record<string, unknown>
  if (name !== 'EventRefusedError') return undefined
  const index = (payload as { index?: unknown } | null | undefined)?.index
  if (!Number.isSafeInteger(index) || (index as number) < 0) return undefined
  return new EventRefusedError({ index: index as number, reason: textOf(message) })
}

/** What may pass: the call is tried again. By the name that LiveStore gives to such errors. */
const serverError = (what: 'broke' | 'failed', cause: unknown): Error =>
  Object.assign(new Error(`the sync server ${what}: ${textOf(cause)}`), { name: 'UnknownError' })

/** A defect is any JSON; of an error its message is enough. */
const textOf = (value: unknown): string => {
  const message = (value as { message?: unknown } | null | undefined)?.message
  const text =
    typeof value === 'string'
      ? value
      : typeof message === 'string'
        ? message
        : (JSON.stringify(value) ?? 'it gave no reason')
  return text.slice(0, reasonCharsMax)
}

const record = (value: unknown, what: string): Record<string, unknown> => {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  throw malformed(`${what} that is no object`)
}

const malformed = (what: string): LiveStoreError =>
  new LiveStoreError('MalformedBytes', `the sync server sent ${what}`)
