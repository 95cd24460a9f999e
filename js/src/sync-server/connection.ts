/**
 * One client over a WebSocket: reads its frames, runs its calls, writes the answers.
 *
 * Pushes are taken in the order of their frames and wait for the storage together; pulls run beside
 * them. Whatever a client sends costs at most what limits.ts says: what is too much is refused with
 * an answer, and a client that goes on, or does not read, is disconnected.
 */

import { type ClientFrame, type Json, type RequestId, readFrame } from '../sync-cf/wire/frames.js'
import * as reply from '../sync-cf/wire/replies.js'
import { RequestError, readPull, readPush } from '../sync-cf/wire/requests.js'
import { admitPush, appendPush, beginPull, type CallContext } from './calls.js'
import { RefusedError, wireError } from './errors.js'
import { quietly } from './hooks.js'
import { UnauthorizedError } from './payload-check.js'
import type { Pull, PullSink } from './pull.js'
import type { ServerStats } from './stats.js'

/** A live pull, as it goes on after the process was put to sleep: its id, and the last it sent. */
export type SavedPull = readonly [id: RequestId, sent: number]

/** What a connection needs of its socket. */
export interface Link {
  send(text: string): void
  /** `code` and `reason` as in the WebSocket protocol. Afterwards nothing is sent. */
  close(code: number, reason: string): void
  /** Bytes that were sent and have not left yet. */
  pendingBytes(): number
  /** Where connections outlive the process: told of the live pulls whenever they change. */
  save?(pulls: readonly SavedPull[]): void
}

/** Close codes of ours. */
export const closeCodes = { tooSlow: 4008, misbehaved: 4002, unauthorized: 4401 } as const

/** What runtimes that answer pings themselves answer; the exact text is the protocol's. */
export const pingText = '{"_tag":"Ping"}'

export class Connection {
  readonly #link: Link
  readonly #context: CallContext
  readonly #stats: ServerStats
  readonly #pulls = new Map<RequestId, Pull | undefined>()
  #admitting: Promise<void> = Promise.resolve()
  #pushesPending = 0
  #pushBytesPending = 0
  #malformed = 0
  #closed = false

  constructor(link: Link, context: CallContext, stats: ServerStats) {
    this.#link = link
    this.#context = context
    this.#stats = stats
  }

  /** One text frame. Nothing throws. */
  receive(text: string): void {
    if (this.#closed) return
    const frame: ClientFrame = text === pingText ? { type: 'ping' } : readFrame(text, 'SyncWsRpc')
    if (frame.type === 'ping') this.#send(reply.pong)
    else if (frame.type === 'ack') this.#pulls.get(frame.requestId)?.ack()
    else if (frame.type === 'interrupt') this.#interrupt(frame.requestId)
    else if (frame.type === 'request') this.#request(frame, text.length)
    else if (frame.type === 'malformed') this.#refuseFrame(frame.problem)
  }

  /** A frame that is no text. */
  receiveBinary(): void {
    if (!this.#closed) this.#refuseFrame('frames are text')
  }

  /** Goes on with the live pulls of a connection that was saved. */
  resume(pulls: readonly SavedPull[]): void {
    for (const [id, sent] of pulls) void this.#resume(id, sent)
  }

  async #resume(id: RequestId, sent: number): Promise<void> {
    this.#pulls.set(id, undefined)
    try {
      const room = await this.#context.room()
      if (this.#closed || !this.#pulls.has(id)) return
      const pull = room.pull(sent, true, this.#sinkOf(id), { begun: true })
      this.#pulls.set(id, pull)
      pull.wake()
      this.#save()
    } catch (error) {
      if (this.#pulls.delete(id)) this.#failPull(id, error)
    }
  }

  #save(): void {
    if (this.#closed || this.#link.save === undefined) return
    const live = [...this.#pulls].filter(([, pull]) => pull?.live === true)
    this.#link.save(live.map(([id, pull]) => [id, (pull as Pull).sent]))
  }

  /** The socket has gone. */
  gone(): void {
    if (this.#closed) return
    this.#closed = true
    for (const pull of this.#pulls.values()) pull?.stop()
    this.#pulls.clear()
  }

  /** Asks again whether the client may be here; if not, says so and closes. Called now and then. */
  async recheck(): Promise<void> {
    try {
      await this.#context.check.check(undefined)
    } catch (error) {
      if (this.#closed) return
      for (const [id] of this.#pulls) this.#send(reply.exitFail(id, wireError(error)))
      this.close(closeCodes.unauthorized, 'the payload is not valid any more')
    }
  }

  close(code: number, reason: string): void {
    if (this.#closed) return
    this.gone()
    this.#link.close(code, reason)
  }

  #send(text: string): void {
    if (this.#closed) return
    if (this.#link.pendingBytes() > this.#context.limits.sendBytesPendingMax) {
      this.#stats.slowClients += 1
      this.close(closeCodes.tooSlow, 'the client does not read')
    } else {
      this.#link.send(text)
    }
  }

  #refuseFrame(problem: string): void {
    this.#stats.malformedFrames += 1
    this.#malformed += 1
    this.#send(reply.defect(problem))
    if (this.#malformed >= this.#context.limits.malformedFramesMax) {
      this.close(closeCodes.misbehaved, 'too many frames that cannot be read')
    }
  }

  #request({ id, method, payload }: ClientFrame & { type: 'request' }, bytes: number): void {
    if (method === 'Push') this.#push(id, payload, bytes)
    else if (method === 'Pull') void this.#pull(id, payload)
    else this.#send(reply.exitValue(id, { _tag: 'SyncMessage.Pong' }))
  }

  #push(id: RequestId, payload: Json, bytes: number): void {
    const { pushesPendingMax, pushBytesPendingMax } = this.#context.limits
    if (
      this.#pushesPending >= pushesPendingMax ||
      (this.#pushesPending > 0 && this.#pushBytesPending + bytes > pushBytesPendingMax)
    ) {
      const error = new RefusedError('TooBusyError', 'too many pushes wait for their answers')
      this.#answerPush(id, error)
      return
    }
    this.#pushesPending += 1
    this.#pushBytesPending += bytes
    const done = (error?: unknown): void => {
      this.#pushesPending -= 1
      this.#pushBytesPending -= bytes
      this.#answerPush(id, error)
    }
    // One is admitted after the other, so that a slow hook does not change their order.
    this.#admitting = this.#admitting.then(() => this.#admitAndAppend(payload, done))
  }

  async #admitAndAppend(payload: Json, done: (error?: unknown) => void): Promise<void> {
    try {
      const request = readPush(payload, this.#context.limits.pushEventsMax)
      const admitted = await admitPush(this.#context, request)
      if (admitted === undefined) return done()
      this.#stats.pushedEvents += admitted.events.length
      void appendPush(admitted).then(() => done(), done)
    } catch (error) {
      done(error)
    }
  }

  #answerPush(id: RequestId, error: unknown): void {
    this.#stats.pushes += 1
    const { onPushRes } = this.#context.hooks
    if (error === undefined) {
      this.#send(reply.exitValue(id, {}))
      if (onPushRes) quietly(() => onPushRes({ _tag: 'SyncMessage.PushAck' }))
      return
    }
    this.#stats.refusedPushes += 1
    if (error instanceof RequestError) {
      this.#send(reply.exitDie(id, error.message))
      return
    }
    const answer = wireError(error)
    this.#send(reply.exitFail(id, answer))
    if (onPushRes) quietly(() => onPushRes(answer))
    this.#endIfUnauthorized(error)
  }

  async #pull(id: RequestId, payload: Json): Promise<void> {
    if (this.#pulls.has(id)) return this.#refuseFrame(`request ${id} is running already`)
    if (this.#pulls.size >= this.#context.limits.pullsPerConnectionMax) {
      const error = new RefusedError('TooBusyError', 'too many pulls run on this connection')
      return this.#send(reply.exitFail(id, wireError(error)))
    }
    this.#stats.pulls += 1
    this.#pulls.set(id, undefined)
    try {
      const pull = await beginPull(this.#context, readPull(payload), this.#sinkOf(id))
      // It may have been interrupted, or the socket may have gone, while it began.
      if (this.#closed || !this.#pulls.has(id)) return pull.stop()
      this.#pulls.set(id, pull)
      pull.wake()
      this.#save()
    } catch (error) {
      if (!this.#pulls.delete(id)) return
      if (error instanceof RequestError) return this.#send(reply.exitDie(id, error.message))
      this.#failPull(id, error)
      this.#endIfUnauthorized(error)
    }
  }

  #failPull(id: RequestId, error: unknown): void {
    const answer = wireError(error)
    this.#send(reply.exitFail(id, answer))
    const { onPullRes } = this.#context.hooks
    if (onPullRes) quietly(() => onPullRes(answer))
  }

  #sinkOf(id: RequestId): PullSink {
    const { onPullRes } = this.#context.hooks
    return {
      page: (json) => {
        this.#stats.pages += 1
        this.#send(reply.chunk(id, json))
        this.#save()
        if (onPullRes) quietly(() => onPullRes(JSON.parse(json)))
      },
      end: () => {
        this.#pulls.delete(id)
        this.#send(reply.exitSuccess(id))
      },
      fail: (error) => {
        this.#pulls.delete(id)
        this.#failPull(id, error)
      },
    }
  }

  /** A push that is interrupted is answered all the same: it may have been appended. */
  #interrupt(id: RequestId): void {
    if (!this.#pulls.has(id)) return
    const pull = this.#pulls.get(id)
    this.#pulls.delete(id)
    pull?.stop()
    this.#save()
    this.#send(reply.exitInterrupt(id))
  }

  #endIfUnauthorized(error: unknown): void {
    if (!(error instanceof UnauthorizedError)) return
    this.#stats.unauthorized += 1
    this.close(closeCodes.unauthorized, 'the payload is not valid')
  }
}
