/**
 * The envelopes of the sync-cf 0.4 protocol, as a server reads them.
 *
 *     client → server   Request { id, tag, payload } · Ack { requestId } · Interrupt { requestId }
 *                       Ping · Eof
 *     server → client   Chunk { requestId, values } · Exit { requestId, exit } · Defect · Pong
 *
 * Over a WebSocket a text frame is one envelope; over HTTP the body is one Request and the answer
 * an array of envelopes. Ids are strings of digits in 0.4 and may be numbers in later versions;
 * they are given back as they came. Unknown fields are ignored.
 *
 * What is read here comes from strangers: nothing throws, and every refusal says what was wrong.
 */

export type RequestId = string | number

export type Method = 'Pull' | 'Push' | 'Ping'

export type ClientFrame =
  | { readonly type: 'request'; readonly id: RequestId; readonly method: Method; payload: Json }
  | { readonly type: 'ack'; readonly requestId: RequestId }
  | { readonly type: 'interrupt'; readonly requestId: RequestId }
  | { readonly type: 'ping' }
  | { readonly type: 'eof' }
  /** Answered by a Defect: it cannot be told which request it is about. */
  | { readonly type: 'malformed'; readonly problem: string }

/** An object as JSON.parse made it. Keys are looked at by name only, so `__proto__` is harmless. */
export type Json = { readonly [key: string]: unknown }

/** How long an id may be. Clients count up from 0. */
const idCharsMax = 20

export const isJsonObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a stranger sent, short enough for an answer and a log line. */
export const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

const malformed = (problem: string): ClientFrame => ({ type: 'malformed', problem })

const readId = (id: unknown): RequestId | undefined => {
  if (typeof id === 'number') return Number.isSafeInteger(id) && id >= 0 ? id : undefined
  if (typeof id !== 'string' || id.length > idCharsMax || !/^\d+$/.test(id)) return undefined
  return id
}

/** Reads one frame of a WebSocket (`prefix` SyncWsRpc) or the body of a POST (SyncHttpRpc). */
export const readFrame = (text: string, prefix: 'SyncWsRpc' | 'SyncHttpRpc'): ClientFrame => {
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return malformed('the frame is no JSON')
  }
  if (!isJsonObject(frame)) return malformed('a frame is one JSON object')
  switch (frame._tag) {
    case 'Ping':
      return { type: 'ping' }
    case 'Eof':
      return { type: 'eof' }
    case 'Ack':
    case 'Interrupt': {
      const requestId = readId(frame.requestId)
      if (requestId === undefined) return malformed(`requestId ${shown(frame.requestId)} is no id`)
      return { type: frame._tag === 'Ack' ? 'ack' : 'interrupt', requestId }
    }
    case 'Request':
      return readRequest(frame, prefix)
    default:
      return malformed(`unknown frame tag: ${shown(frame._tag)}`)
  }
}

const readRequest = (frame: Json, prefix: string): ClientFrame => {
  const id = readId(frame.id)
  if (id === undefined) return malformed(`request id ${shown(frame.id)} is no string of digits`)
  const method = typeof frame.tag === 'string' ? methods.get(frame.tag) : undefined
  if (method === undefined || !(frame.tag as string).startsWith(`${prefix}.`)) {
    return malformed(`Unknown request tag: ${shown(frame.tag)}`)
  }
  if (!isJsonObject(frame.payload)) return malformed(`request ${id} has no payload`)
  return { type: 'request', id, method, payload: frame.payload }
}

const methods = new Map<string, Method>(
  (['Pull', 'Push', 'Ping'] as const).flatMap((method) =>
    ['SyncWsRpc', 'SyncHttpRpc'].map((prefix): [string, Method] => [`${prefix}.${method}`, method]),
  ),
)
