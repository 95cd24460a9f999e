/**
 * Events as the JSON of a page's item. A page is put together of these texts: what comes out of a
 * storage is never parsed.
 */

import type { StoredEvent } from './storage.js'

export interface EventJson {
  readonly seqNum: number
  readonly text: string
  /** Of the text in UTF-8; never less than it has, and exact where the text is ASCII. */
  readonly bytes: number
}

export const eventJson = (event: StoredEvent): EventJson => {
  const text =
    `{"eventEncoded":{"name":${JSON.stringify(event.name)},"args":${event.args},` +
    `"seqNum":${event.seqNum},"parentSeqNum":${event.parentSeqNum},` +
    `"clientId":${JSON.stringify(event.clientId)},` +
    `"sessionId":${JSON.stringify(event.sessionId)}},` +
    '"metadata":{"_tag":"Some","value":{"_tag":"SyncMessage.SyncMetadata",' +
    `"createdAt":${JSON.stringify(event.createdAt)}}}}`
  return { seqNum: event.seqNum, text, bytes: utf8Room(text) }
}

// Every other character; a plain scan, which V8 does faster than a loop over char codes.
const beyondAscii = /[^\0-\x7f]/

/** At least the UTF-8 bytes of `text`. */
const utf8Room = (text: string): number => (beyondAscii.test(text) ? utf8Bytes(text) : text.length)

const utf8Bytes = (text: string): number => {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    // A surrogate pair has two units and four bytes.
    if (code > 0x7ff) bytes += code >= 0xd800 && code <= 0xdfff ? 1 : 2
    else if (code > 0x7f) bytes += 1
  }
  return bytes
}

/** The page of `events` as JSON: one item of a pull's stream. */
export const pageJson = (
  events: readonly EventJson[],
  { remaining, backendId }: { readonly remaining: number; readonly backendId: string },
): string => {
  const info =
    remaining === 0 ? '{"_tag":"NoMore"}' : `{"_tag":"MoreKnown","remaining":${remaining}}`
  const batch = events.map(({ text }) => text).join(',')
  return `{"batch":[${batch}],"pageInfo":${info},"backendId":${JSON.stringify(backendId)}}`
}
