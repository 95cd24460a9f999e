/**
 * The boot image: the state as the leader last had it at rest, in a file beside its databases. A
 * tab starts from it while its leader still boots, and joins the leader with where it stands, as it
 * would with any leader that is new to it: what the log has had since then, it is told.
 *
 *     file := magic:8 sha256:32 log-size:f64 log-modified:f64 image-bytes:u32 history-bytes:u32
 *             image history client-id
 *
 * Little endian; the hash is of all that follows it. The parts are a leader's answer to a session
 * that knows nothing (Leader::Join). Size and time are those of the log's files when the image was
 * made: an image of another log would show a state that has passed, so it is not used. Whatever is
 * wrong with an image, there is none.
 */

import type { DirectoryLike } from '../env.js'

/** In the directory of the store. */
export const bootImageName = 'boot-image'
/** What is committed is in one or the other. */
const logNames = ['eventlog.db', 'eventlog.db-wal']

/** A larger one is not kept: reading it would take longer than asking the leader. */
export const bootImageBytesMax = 32_000_000

/** No session has this name, so there is nothing that it has pushed. */
export const bootImageInstance = 'boot-image'

export interface BootImage {
  readonly image: Uint8Array
  readonly history: Uint8Array
  /** What this client's events say; empty if that is not known. */
  readonly clientId: string
}

/** Of the log's files. It differs after every transaction. */
export interface LogStamp {
  /** Of all, in bytes. */
  readonly size: number
  /** Of the last one that was, in milliseconds. */
  readonly lastModified: number
}

/** Undefined where files cannot be looked at. Rejects where one is missing. */
export const stampOfLog = async (store: DirectoryLike): Promise<LogStamp | undefined> => {
  const stamp = { size: 0, lastModified: 0 }
  const find = async (name: string) =>
    (await store.getFileHandle(name, { create: false })).getFile?.()
  for (const file of await Promise.all(logNames.map(find))) {
    if (file === undefined) return undefined
    stamp.size += file.size
    stamp.lastModified = Math.max(stamp.lastModified, file.lastModified)
  }
  return stamp
}

const magic = 'LSBOOT01'
const hashAt = 8
const stampAt = 40
const imageSizeAt = 56
/** Bytes before the image. */
export const bootImageHeaderBytes = 64

export const encodeBootImage = async (
  { image, history, clientId }: BootImage,
  log: LogStamp,
): Promise<Uint8Array<ArrayBuffer>> => {
  const parts = [image, history, new TextEncoder().encode(clientId)]
  const bytes = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, bootImageHeaderBytes),
  )
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < magic.length; i++) bytes[i] = magic.charCodeAt(i)
  view.setFloat64(stampAt, log.size, true)
  view.setFloat64(stampAt + 8, log.lastModified, true)
  view.setUint32(imageSizeAt, image.length, true)
  view.setUint32(imageSizeAt + 4, history.length, true)
  let at = bootImageHeaderBytes
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  bytes.set(await hashOf(bytes), hashAt)
  return bytes
}

/** Does the file that begins with `header` hold an image of this log? Its hash is not looked at. */
export const isBootImageOf = (header: Uint8Array<ArrayBuffer>, log: LogStamp): boolean => {
  if (header.length < bootImageHeaderBytes) return false
  const view = new DataView(header.buffer, header.byteOffset)
  return (
    [...magic].every((character, i) => header[i] === character.charCodeAt(0)) &&
    view.getFloat64(stampAt, true) === log.size &&
    view.getFloat64(stampAt + 8, true) === log.lastModified
  )
}

/** Undefined where `file` holds no sound image of this log. */
export const decodeBootImage = async (
  file: ArrayBuffer,
  log: LogStamp,
): Promise<BootImage | undefined> => {
  const bytes = new Uint8Array(file)
  if (!isBootImageOf(bytes, log)) return undefined
  const hash = await hashOf(bytes)
  if (hash.some((byte, i) => byte !== bytes[hashAt + i])) return undefined
  const view = new DataView(file)
  const historyAt = bootImageHeaderBytes + view.getUint32(imageSizeAt, true)
  const clientIdAt = historyAt + view.getUint32(imageSizeAt + 4, true)
  return {
    image: bytes.subarray(bootImageHeaderBytes, historyAt),
    history: bytes.subarray(historyAt, clientIdAt),
    clientId: new TextDecoder().decode(bytes.subarray(clientIdAt)),
  }
}

const hashOf = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.subarray(stampAt)))
