/**
 * What a push and a pull do, whichever transport they came by: the checks, the hooks, the room.
 */

import { BackendIdMismatchError, EventRefusedError, ServerAheadError } from '../sync/backend.js'
import type { PullRequest, PushRequest, WireEvent } from '../sync-cf/wire/requests.js'
import { RefusedError } from './errors.js'
import { type EventJson, eventJson } from './event-json.js'
import type { SyncHooks } from './hooks.js'
import type { Limits } from './limits.js'
import type { Caller, PayloadCheck } from './payload-check.js'
import type { Pull, PullSink } from './pull.js'
import type { Room } from './room.js'
import type { StoredEvent } from './storage.js'

/** Of one connection, or of one HTTP call. */
export interface CallContext {
  readonly caller: Caller
  readonly check: PayloadCheck
  readonly hooks: SyncHooks
  readonly limits: Limits
  readonly now: () => number
  /** @throws (as a rejection) what the storage throws */
  room(): Promise<Room>
}

/** A batch that may be appended; the storage has the last word. */
interface Admitted {
  readonly room: Room
  readonly events: readonly StoredEvent[]
  readonly json: readonly EventJson[]
}

/**
 * Everything before the append. Resolves to undefined when there is nothing to append.
 *
 * @throws (as a rejection) an error of errors.ts or backend.ts, or what a hook or the storage
 * throws
 */
export const admitPush = async (
  context: CallContext,
  request: PushRequest,
): Promise<Admitted | undefined> => {
  const payload = await admit(context, request)
  if (request.batch.length === 0) return undefined
  checkNumbers(request.batch)
  const room = await context.room()
  checkBackend(request.backendId, room)
  const createdAt = new Date(context.now()).toISOString()
  const events = request.batch.map((event, index) => stored(event, index, createdAt))
  const json = events.map(eventJson)
  const { eventBytesMax } = context.limits
  const large = json.findIndex(({ bytes }) => bytes > eventBytesMax)
  if (large >= 0) {
    const reason = `the event has ${json[large]!.bytes} bytes, more than ${eventBytesMax}`
    throw new EventRefusedError({ index: large, reason })
  }
  const { storeId, headers } = context.caller
  await context.hooks.onPush?.(request, { storeId, payload, headers })
  return { room, events, json }
}

/**
 * Appends what was admitted.
 *
 * @throws (as a rejection) ServerAheadError, or what the storage throws
 */
export const appendPush = async ({ room, events, json }: Admitted): Promise<void> => {
  const outcome = await room.push(events, json)
  if (outcome.taken) return
  const providedNum = (events[0] as StoredEvent).parentSeqNum
  throw new ServerAheadError({ minimumExpectedNum: outcome.head, providedNum })
}

/**
 * Begins a pull.
 *
 * @throws (as a rejection) an error of errors.ts or backend.ts, or what a hook or the storage
 * throws
 */
export const beginPull = async (
  context: CallContext,
  request: PullRequest,
  sink: PullSink,
): Promise<Pull> => {
  const payload = await admit(context, request)
  const { storeId, headers } = context.caller
  await context.hooks.onPull?.(request, { storeId, payload, headers })
  const room = await context.room()
  checkBackend(request.cursor?.backendId, room)
  await room.refresh()
  return room.pull(request.cursor?.eventSequenceNumber ?? 0, request.live, sink)
}

/** Whether the message may speak for this store. Resolves to its payload. */
const admit = async (
  { caller, check }: CallContext,
  { storeId, payload }: { readonly storeId: string; readonly payload: unknown },
): Promise<unknown> => {
  if (storeId !== caller.storeId) {
    throw new RefusedError(
      'WrongStoreError',
      'the message is for another store than its connection',
    )
  }
  return check.check(payload)
}

const checkBackend = (received: string | undefined, { backendId: expected }: Room): void => {
  if (received !== undefined && received !== expected) {
    throw new BackendIdMismatchError({ expected, received })
  }
}

/** Each continues the one before. The first event of a log may have any number. */
const checkNumbers = (batch: readonly WireEvent[]): void => {
  batch.forEach(({ seqNum, parentSeqNum }, index) => {
    const before = batch[index - 1]
    const follows = before === undefined || parentSeqNum === before.seqNum
    const isNext = seqNum === parentSeqNum + 1 || (index === 0 && parentSeqNum === 0)
    if (follows && isNext) return
    throw new RefusedError(
      'InvalidBatchError',
      `batch[${index}] has the number ${seqNum} and the parent ${parentSeqNum}` +
        (before === undefined ? '' : `, it comes after ${before.seqNum}`),
    )
  })
}

const stored = (event: WireEvent, index: number, createdAt: string): StoredEvent => {
  const { name, seqNum, parentSeqNum, clientId, sessionId } = event
  let args: string
  try {
    args = JSON.stringify(event.args)
  } catch {
    throw new EventRefusedError({ index, reason: 'the arguments are nested too deeply' })
  }
  return { name, args, seqNum, parentSeqNum, clientId, sessionId, createdAt }
}
