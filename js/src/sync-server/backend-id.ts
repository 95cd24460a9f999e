/** The identity of a log's history: 21 characters that fit a URL, as clients know them. */

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Of at least 21 bytes that are random, or a hash. */
export const backendIdFrom = (bytes: Uint8Array): string =>
  Array.from(bytes.subarray(0, 21), (byte) => alphabet[byte & 63]).join('')

export const newBackendId = (): string => backendIdFrom(crypto.getRandomValues(new Uint8Array(21)))

export const derivedFrom = (databaseId: string, storeId: string): string =>
  `${databaseId}\0${storeId}`

/**
 * The id that the log of `storeId` has in the database `databaseId`, before anything of it is
 * stored: asking for stores that do not exist writes nothing.
 */
export const derivedBackendId = async (databaseId: string, storeId: string): Promise<string> => {
  const text = new TextEncoder().encode(derivedFrom(databaseId, storeId))
  return backendIdFrom(new Uint8Array(await crypto.subtle.digest('SHA-256', text)))
}
