/** Checks what a sync backend pulled, which may be anything at all, and makes it the engine's. */

import { LiveStoreError } from '../errors.js'
import type { PulledEvent } from '../wasm/codec.js'

/** A page as the engine takes it, before it gets bytes. */
export interface CheckedPage {
  readonly backendId: string
  readonly events: readonly PulledEvent[]
  /** Not persisted. */
  readonly passing: readonly PulledEvent[]
  readonly caughtUp: boolean
  /** How many events are to come after this page; undefined if the backend does not say. */
  readonly remaining: number | undefined
}

/** @throws LiveStoreError `MalformedBytes` saying what is wrong with it. */
export const checkPage = (page: unknown): CheckedPage => {
  const { batch, pageInfo, backendId = '', broadcast = [] } = record(page, 'a page')
  if (!Array.isArray(batch)) throw malformed('a page without a batch')
  if (!Array.isArray(broadcast)) throw malformed('a broadcast that is no list')
  if (typeof backendId !== 'string') throw malformed('a backendId that is no text')
  const { _tag: tag, remaining } = record(pageInfo, 'a pageInfo')
  if (tag !== 'NoMore' && tag !== 'MoreUnknown' && tag !== 'MoreKnown') {
    throw malformed('a pageInfo of no known kind')
  }
  if (tag === 'MoreKnown' && !isCount(remaining)) throw malformed('a remaining that is no count')
  return {
    backendId,
    events: batch.map(pulledEvent),
    passing: broadcast.map((eventEncoded) => pulledEvent({ eventEncoded })),
    caughtUp: tag === 'NoMore',
    remaining: tag === 'NoMore' ? 0 : tag === 'MoreKnown' ? (remaining as number) : undefined,
  }
}

const pulledEvent = (item: unknown): PulledEvent => {
  const { eventEncoded, metadata } = record(item, 'an item of a batch')
  const event = record(eventEncoded, 'an event')
  const { name, args, seqNum, parentSeqNum, clientId, sessionId } = event
  for (const [field, value] of Object.entries({ name, clientId, sessionId })) {
    if (typeof value !== 'string') throw malformed(`an event whose ${field} is no text`)
  }
  if (name === '') throw malformed('an event without a name')
  for (const [field, value] of Object.entries({ seqNum, parentSeqNum })) {
    if (!isCount(value)) throw malformed(`an event whose ${field} is no whole number`)
  }
  return {
    name: name as string,
    argsJson: json(args, 'arguments') ?? '{}',
    global: seqNum as number,
    parentGlobal: parentSeqNum as number,
    clientId: clientId as string,
    sessionId: sessionId as string,
    metadataJson: json(metadata, 'metadata') ?? '',
  }
}

/** Undefined for what JSON has no text for. */
const json = (value: unknown, what: string): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    throw malformed(`${what} that are not JSON`)
  }
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0

const record = (value: unknown, what: string): Record<string, unknown> => {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  throw malformed(`${what} that is no object`)
}

const malformed = (what: string): LiveStoreError =>
  new LiveStoreError('MalformedBytes', `the sync backend sent ${what}`)
