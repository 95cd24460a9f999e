/**
 * What the requests of the sync-cf 0.4 protocol carry.
 *
 *     Pull   storeId, payload?, cursor: Option<{ backendId, eventSequenceNumber }>, live?
 *     Push   storeId, payload?, batch: Event[], backendId: Option<string>
 *     Ping   storeId, payload?
 *
 * An Option is `{ _tag: 'None' }` or `{ _tag: 'Some', value }`. The texts of an event have to
 * survive every storage: UTF-8 keeps no lone surrogate, and PostgreSQL no NUL.
 */

import { isJsonObject, type Json, shown } from './frames.js'

export interface PullRequest {
  readonly storeId: string
  readonly payload: unknown
  readonly cursor: { readonly backendId: string; readonly eventSequenceNumber: number } | undefined
  readonly live: boolean
}

export interface PushRequest {
  readonly storeId: string
  readonly payload: unknown
  readonly batch: readonly WireEvent[]
  readonly backendId: string | undefined
}

/** An event as it travels. `args` is JSON, null if the client left it out. */
export interface WireEvent {
  readonly name: string
  readonly args: unknown
  readonly seqNum: number
  readonly parentSeqNum: number
  readonly clientId: string
  readonly sessionId: string
}

/** A request that cannot be read, and which part of it. Answered as Exit Failure Die. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
}

const wrong = (where: string, what: string, value: unknown): RequestError =>
  new RequestError(`${where} ${what}, it is ${shown(value)}`)

const readOption = (option: unknown, where: string): { value: unknown } | undefined => {
  if (isJsonObject(option)) {
    if (option._tag === 'None') return undefined
    if (option._tag === 'Some') return { value: option.value }
  }
  throw wrong(where, 'must be an Option', option)
}

const textCharsMax = 1000

const readText = (text: unknown, where: string): string => {
  if (typeof text !== 'string') throw wrong(where, 'must be a string', text)
  if (text.length > textCharsMax) {
    throw new RequestError(`${where} has ${text.length} characters, more than ${textCharsMax}`)
  }
  if (loneSurrogate.test(text) || text.includes('\0')) {
    throw new RequestError(`${where} holds a lone surrogate or a NUL`)
  }
  return text
}

const loneSurrogate = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/

const readNumber = (number: unknown, where: string, least: number): number => {
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < least) {
    throw wrong(where, `must be an integer from ${least} on`, number)
  }
  return number
}

/** @throws RequestError */
export const readStoreId = (payload: Json): string => readText(payload.storeId, 'storeId')

/** @throws RequestError naming the part that is wrong. */
export const readPull = (payload: Json): PullRequest => {
  const some = readOption(payload.cursor, 'cursor')
  let cursor: PullRequest['cursor']
  if (some !== undefined) {
    if (!isJsonObject(some.value)) throw wrong('cursor', 'must hold an object', some.value)
    cursor = {
      backendId: readText(some.value.backendId, 'cursor.backendId'),
      eventSequenceNumber: readNumber(some.value.eventSequenceNumber, 'cursor', 0),
    }
  }
  const { live = false } = payload
  if (typeof live !== 'boolean') throw wrong('live', 'must be a boolean', live)
  return { storeId: readStoreId(payload), payload: payload.payload, cursor, live }
}

/** @throws RequestError naming the part that is wrong. */
export const readPush = (payload: Json, eventsMax: number): PushRequest => {
  const { batch } = payload
  if (!Array.isArray(batch)) throw wrong('batch', 'must be an array', batch)
  if (batch.length > eventsMax) {
    throw new RequestError(`batch has ${batch.length} events, more than ${eventsMax}`)
  }
  const some = readOption(payload.backendId, 'backendId')
  return {
    storeId: readStoreId(payload),
    payload: payload.payload,
    batch: batch.map(readEvent),
    backendId: some === undefined ? undefined : readText(some.value, 'backendId'),
  }
}

const readEvent = (event: unknown, index: number): WireEvent => {
  const where = `batch[${index}]`
  if (!isJsonObject(event)) throw wrong(where, 'must be an event', event)
  return {
    name: readText(event.name, `${where}.name`),
    args: event.args === undefined ? null : event.args,
    seqNum: readNumber(event.seqNum, `${where}.seqNum`, 1),
    parentSeqNum: readNumber(event.parentSeqNum, `${where}.parentSeqNum`, 0),
    clientId: readText(event.clientId, `${where}.clientId`),
    sessionId: readText(event.sessionId, `${where}.sessionId`),
  }
}
