/**
 * The calls of one client over one connection: which are open, what the server sent for which, and
 * what is to be sent. Frames in, frames out; no socket, no clock.
 *
 *     start ──► Request      chunk ──► page ──► next() ──► Ack ──► chunk ──► … ──► exit
 *                            end() ──► Interrupt
 *
 * What always holds: ids are never used again, also not over the next connection; a chunk is
 * acknowledged once its last page is taken, so a server is at most one chunk ahead of who reads;
 * what comes for a call that is over is ignored; every call ends, at the latest with its
 * connection.
 */

import { LiveStoreError } from '../../errors.js'
import type { PullPage } from '../../sync/backend.js'
import type { InOrder } from './in-order.js'
import { ackFrame, interruptFrame, requestFrame, type ServerFrame } from './wire.js'

/** Pages that nobody has taken yet, and their characters. Live ones come without being asked. */
export const pagesWaitingMax = 1_000
export const charsWaitingMax = 64 << 20
/** Calls at one time. The engine has one pull and one push. */
export const callsMax = 100

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

interface Taken {
  readonly page: PullPage
  /** Of its chunk, if it is the last one of it. */
  readonly chars: number | undefined
}

interface OpenCall {
  onPages(pages: readonly PullPage[], chars: number): void
  onEnd(failure: Error | undefined): void
}

export class Calls {
  readonly #tagPrefix: string
  /** Sends a frame, if there is a connection. */
  readonly #send: (frame: string) => void
  readonly #open = new Map<string, OpenCall>()
  #nextId = 0

  constructor(tagPrefix: string, send: (frame: string) => void) {
    this.#tagPrefix = tagPrefix
    this.#send = send
  }

  get size(): number {
    return this.#open.size
  }

  /** Resolves when the server has done it. @throws (as a rejection) the server's error. */
  ask(name: string, payload: object, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const id = this.#start(name, payload, {
        onPages: () => undefined,
        onEnd: (failure) => {
          signal.removeEventListener('abort', onAbort)
          if (failure === undefined) resolve()
          else reject(failure)
        },
      })
      const onAbort = () => {
        if (!this.#interrupt(id)) return
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The pages of a stream. Its `return` tells the server that nobody reads on. */
  stream(name: string, payload: object, inOrder: InOrder): AsyncIterator<PullPage> {
    const ready: Taken[] = []
    let waitingChars = 0
    let waiter: Waiter<IteratorResult<PullPage>> | undefined
    let end: { readonly failure: Error | undefined } | undefined
    const finish = (failure: Error | undefined): void => {
      end ??= { failure }
      const { resolve, reject } = waiter ?? {}
      waiter = undefined
      if (end.failure === undefined) resolve?.({ done: true, value: undefined })
      else reject?.(end.failure)
    }
    const handOut = ({ page, chars }: Taken): IteratorResult<PullPage> => {
      waitingChars -= chars ?? 0
      if (chars !== undefined && end === undefined) this.#send(ackFrame(id))
      return { done: false, value: page }
    }
    const id = this.#start(name, payload, {
      onPages: (pages, chars) => {
        let inTurn: PullPage[]
        try {
          inTurn = pages.flatMap((page) => inOrder.take(page, chars))
          if (inTurn.length > 0) waitingChars += chars
          if (ready.length + inTurn.length > pagesWaitingMax || waitingChars > charsWaitingMax) {
            throw new LiveStoreError('LimitExceeded', 'the sync server sent more than was taken')
          }
        } catch (thrown) {
          this.#interrupt(id)
          ready.length = 0
          finish(thrown as Error)
          return
        }
        if (inTurn.length === 0) this.#send(ackFrame(id))
        inTurn.forEach((page, index) => {
          ready.push({ page, chars: index === inTurn.length - 1 ? chars : undefined })
        })
        if (waiter === undefined || ready.length === 0) return
        const { resolve } = waiter
        waiter = undefined
        resolve(handOut(ready.shift() as Taken))
      },
      onEnd: finish,
    })
    return {
      next: () =>
        new Promise((resolve, reject) => {
          const first = ready.shift()
          if (first !== undefined) resolve(handOut(first))
          else if (end?.failure !== undefined) reject(end.failure)
          else if (end !== undefined) resolve({ done: true, value: undefined })
          else waiter = { resolve, reject }
        }),
      return: () => {
        this.#interrupt(id)
        ready.length = 0
        finish(undefined)
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  /** What the server sent. */
  receive(frame: ServerFrame): void {
    switch (frame.kind) {
      case 'chunk':
        this.#open.get(frame.requestId)?.onPages(frame.pages, frame.chars)
        break
      case 'exit':
        this.#end(frame.requestId, frame.failure)
        break
      case 'defect':
        this.failAll(frame.failure)
        break
    }
  }

  /** Ends every call with `failure`: the connection is gone, or will not answer. */
  failAll(failure: Error): void {
    for (const id of [...this.#open.keys()]) this.#end(id, failure)
  }

  #start(name: string, payload: object, call: OpenCall): string {
    if (this.#open.size >= callsMax) {
      throw new LiveStoreError('LimitExceeded', `${callsMax} calls of the sync server are open`)
    }
    const id = String(this.#nextId++)
    this.#open.set(id, call)
    this.#send(requestFrame(id, this.#tagPrefix + name, payload))
    return id
  }

  #end(id: string, failure: Error | undefined): void {
    const call = this.#open.get(id)
    this.#open.delete(id)
    call?.onEnd(failure)
  }

  /** False if the call is over already. */
  #interrupt(id: string): boolean {
    if (!this.#open.delete(id)) return false
    this.#send(interruptFrame(id))
    return true
  }
}
