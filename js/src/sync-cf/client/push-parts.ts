/** Cuts a push into requests that a server takes: at most so many events, at most so many bytes. */

import { EventRefusedError, type SyncedEvent } from '../../sync/backend.js'

export const requestEventsMax = 100
/** Of a request's payload, as JSON in UTF-8. */
export const requestBytesMax = 900_000
/**
 * What a page has around a single event. An event that fits a push and not a page could be stored
 * and never be read again.
 */
export const pageOverheadBytes = 1_000

export interface PushPart {
  /** Of its first event in the whole push. */
  readonly index: number
  readonly events: readonly SyncedEvent[]
}

/**
 * @param overheadBytes what the payload of a request has beside its events
 * @throws EventRefusedError for an event that fits no request: it would block all that follow
 */
export const pushParts = (
  events: readonly SyncedEvent[],
  overheadBytes: number,
): readonly PushPart[] => {
  const parts: PushPart[] = []
  const roomBytes = requestBytesMax - Math.max(overheadBytes, pageOverheadBytes)
  let from = 0
  let bytes = 0
  const close = (end: number): void => {
    if (end > from) parts.push({ index: from, events: events.slice(from, end) })
    from = end
    bytes = 0
  }
  events.forEach((event, index) => {
    // And the comma after it.
    const size = utf8Bytes(JSON.stringify(event)) + 1
    if (size > roomBytes) {
      const reason = `it has ${size} bytes, the sync backend takes ${Math.max(roomBytes, 0)}`
      throw new EventRefusedError({ index, reason })
    }
    if (bytes + size > roomBytes || index - from >= requestEventsMax) close(index)
    bytes += size
  })
  close(events.length)
  return parts
}

/** A server counts the events of one request. */
export const inWholePush = (thrown: unknown, offset: number): unknown =>
  thrown instanceof EventRefusedError && offset > 0
    ? new EventRefusedError({ index: thrown.index + offset, reason: thrown.reason })
    : thrown

const encoder = new TextEncoder()

export const utf8Bytes = (text: string): number => encoder.encode(text).length
