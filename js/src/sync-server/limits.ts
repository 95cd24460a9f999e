/**
 * What bounds the cost of a client, each by name. `SyncServerOptions.limits` changes them.
 *
 * Those of pages and events are the protocol's: a client of 0.4 splits its pushes by the same
 * numbers, and one event above `eventBytesMax` could never be sent to anybody in a page.
 */

export const defaultLimits = {
  /** A page of a pull. */
  pageEventsMax: 100,
  pageBytesMax: 900_000,
  /** One event as it travels in a page, in bytes of JSON. */
  eventBytesMax: 899_000,
  /** A push. Clients send 100 events and 900,000 bytes at most. */
  pushEventsMax: 1000,
  /** A frame or a body. */
  frameBytesMax: 4_000_000,
  /** Pages on their way to one pull before the server waits for an acknowledgement. */
  pagesUnackedMax: 8,
  /** A client has one, and for a moment two. */
  pullsPerConnectionMax: 4,
  /** Pushes of one connection that wait for the storage, and their frames together. */
  pushesPendingMax: 64,
  pushBytesPendingMax: 16_000_000,
  /** Frames that are not understood before the connection is closed. */
  malformedFramesMax: 16,
  /** What the transport may hold for a client that does not read. */
  sendBytesPendingMax: 16_000_000,
  /** Events that one step of the storage takes: pushes that wait are taken together. */
  appendEventsMax: 2000,
  /** What is read of the storage at once, and held for a pull whose client is slow. */
  readEventsMax: 1000,
  readBytesMax: 1_000_000,
  /** The latest events of a store that are kept in memory while anybody pulls it. */
  recentBytesMax: 2_000_000,
  /** How long a payload that was found valid is believed. */
  payloadValidMs: 60_000,
}

export type Limits = typeof defaultLimits
