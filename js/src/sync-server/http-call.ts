/**
 * One call over HTTP: the body is a Request, the answer a JSON array of every envelope. The array
 * is handed out in pieces as it comes to be, so that a long log needs no memory.
 */

import { type RequestId, readFrame } from '../sync-cf/wire/frames.js'
import * as reply from '../sync-cf/wire/replies.js'
import { RequestError, readPull, readPush } from '../sync-cf/wire/requests.js'
import { admitPush, appendPush, beginPull, type CallContext } from './calls.js'
import { wireError } from './errors.js'
import { quietly } from './hooks.js'
import type { Pull } from './pull.js'
import type { ServerStats } from './stats.js'

/** Nothing is thrown: a call that fails is answered so. */
export async function* answerCall(
  body: string,
  context: CallContext,
  stats: ServerStats,
): AsyncGenerator<string> {
  const frame = readFrame(body, 'SyncHttpRpc')
  if (frame.type !== 'request') {
    stats.malformedFrames += 1
    const problem = frame.type === 'malformed' ? frame.problem : 'the body must be a Request'
    yield `[${reply.defect(problem)}]`
    return
  }
  const { id, method, payload } = frame
  if (method === 'Ping') yield `[${reply.exitValue(id, { _tag: 'SyncMessage.Pong' })}]`
  else if (method === 'Push') yield `[${await push(id, payload, context, stats)}]`
  else yield* pull(id, payload, context, stats)
}

const push = async (
  id: RequestId,
  payload: Parameters<typeof readPush>[0],
  context: CallContext,
  stats: ServerStats,
): Promise<string> => {
  stats.pushes += 1
  const { onPushRes } = context.hooks
  try {
    const admitted = await admitPush(context, readPush(payload, context.limits.pushEventsMax))
    if (admitted !== undefined) {
      stats.pushedEvents += admitted.events.length
      await appendPush(admitted)
    }
    if (onPushRes) quietly(() => onPushRes({ _tag: 'SyncMessage.PushAck' }))
    return reply.exitValue(id, {})
  } catch (error) {
    stats.refusedPushes += 1
    if (onPushRes) quietly(() => onPushRes(wireError(error)))
    return failed(id, error)
  }
}

async function* pull(
  id: RequestId,
  payload: Parameters<typeof readPull>[0],
  context: CallContext,
  stats: ServerStats,
): AsyncGenerator<string> {
  stats.pulls += 1
  const { onPullRes } = context.hooks
  const pages: string[] = []
  let last: string | undefined
  let wake = (): void => {}
  let running: Pull | undefined
  try {
    const request = { ...readPull(payload), live: false }
    running = await beginPull(context, request, {
      page: (json) => {
        stats.pages += 1
        if (onPullRes) quietly(() => onPullRes(JSON.parse(json)))
        pages.push(reply.chunk(id, json))
        wake()
      },
      end: () => {
        last = reply.exitSuccess(id)
        wake()
      },
      fail: (error) => {
        last = failed(id, error)
        wake()
      },
    })
    running.wake()
    for (let opening = '['; ; ) {
      for (let page = pages.shift(); page !== undefined; page = pages.shift()) {
        yield opening + page
        opening = ','
        running.ack()
      }
      if (last !== undefined) {
        yield `${opening}${last}]`
        return
      }
      if (pages.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } catch (error) {
    yield `[${failed(id, error)}]`
  } finally {
    running?.stop()
  }
}

const failed = (id: RequestId, error: unknown): string =>
  error instanceof RequestError
    ? reply.exitDie(id, error.message)
    : reply.exitFail(id, wireError(error))
