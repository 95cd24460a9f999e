/** The identity of a log's history: 21 characters that fit a URL, as clients know them. */

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

const fromBytes = (bytes: Uint8Array): string =>
  Array.from(bytes.subarray(0, 21), (byte) => alphabet[byte & 63]).join('')

export const newBackendId = (): string => fromBytes(crypto.getRandomValues(new Uint8Array(21)))

/**
 * The id that the log of `storeId` has in the database `databaseId`, before anything of it is
 * stored: asking for stores that do not exist writes nothing.
 */
export const derivedBackendId = async (databaseId: string, storeId: string): Promise<string> => {
  const text = new TextEncoder().encode(`${databaseId}\0${storeId}`)
  return fromBytes(new Uint8Array(await crypto.subtle.digest('SHA-256', text)))
}
