/**
 * The address of a sync connection: any path, and a query that says everything.
 *
 *     ?storeId=<store>&payload=<JSON, URI-encoded, and then once more by the query>&transport=ws
 */

export interface SyncAddress {
  readonly storeId: string
  /** JSON; undefined if there is none. */
  readonly payload: unknown
  readonly transport: 'ws' | 'http'
}

/** Undefined if the query is none of a sync connection. */
export const readSyncAddress = (query: URLSearchParams): SyncAddress | undefined => {
  const storeId = query.get('storeId')
  const transport = query.get('transport')
  if (storeId === null || !isStoreId(storeId)) return undefined
  if (transport !== 'ws' && transport !== 'http') return undefined
  const encoded = query.get('payload')
  if (encoded === null) return { storeId, payload: undefined, transport }
  try {
    return { storeId, payload: JSON.parse(decodeURIComponent(encoded)), transport }
  } catch {
    return undefined
  }
}

const storeIdCharsMax = 200

/** Anything that can be read aloud: no control characters, no halves of a character. */
const isStoreId = (storeId: string): boolean =>
  storeId.length > 0 &&
  storeId.length <= storeIdCharsMax &&
  !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(storeId)
