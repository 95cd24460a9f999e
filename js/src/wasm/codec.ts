/**
 * Packed bytes: how binds, rows, statements and events cross the wasm boundary.
 *
 * The formats are those of core/sqlite/row_codec.h, core/state/materializer.h and
 * core/event/event_codec.h; this file is their only other reader and writer. Everything is written
 * straight into wasm memory and read straight out of it: one copy, one call.
 *
 * Views of wasm memory are taken anew in every function, because any engine call may move it.
 */

import type { PackedModule } from '../../../wasm/types/module.js'
import { LiveStoreError } from '../errors.js'
import type {
  Binds,
  BindValue,
  EventRecord,
  RowShape,
  SeqNum,
  SqlValue,
  StatementInfo,
} from './values.js'

const encoder = new TextEncoder()
/** A byte order mark is text like any other: were it dropped, all texts after it would shift. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const TAG_NULL = 0
const TAG_NUMBER = 1
const TAG_TEXT = 2
const TAG_INT64 = 3
const TAG_BLOB = 4

/** Below this many characters a loop over char codes beats encodeInto (measured: 64). */
const SHORT_TEXT = 64

const align8 = (size: number): number => (size + 7) & ~7

/** Where a writer puts its bytes: `reserve` returns the address of at least that many. */
export interface Target {
  readonly module: PackedModule
  reserve(bytes: number): number
}

/** Writes `text` at `address`, which has room for three bytes per character; returns its bytes. */
const writeText = (heap: Uint8Array, address: number, text: string): number => {
  const length = text.length
  if (length < SHORT_TEXT) {
    let i = 0
    for (; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) break
      heap[address + i] = code
    }
    if (i === length) return length
  }
  return encoder.encodeInto(text, heap.subarray(address, address + length * 3)).written
}

/** Writes `sql` as the whole input; returns its bytes. */
export const writeSql = (target: Target, sql: string): number => {
  const address = target.reserve(sql.length * 3)
  return writeText(target.module.HEAPU8, address, sql)
}

const bindRoom = (value: BindValue | undefined): number =>
  typeof value === 'string'
    ? 16 + value.length * 3
    : value instanceof Uint8Array
      ? 16 + value.byteLength
      : 16

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/** Binds in the order of the statement's parameters. Names that it does not use are ignored. */
export const positionalBinds = (
  binds: Binds,
  info: StatementInfo,
  sql: string,
): readonly BindValue[] => {
  if (isPositional(binds)) {
    if (binds.length !== info.parameters.length) {
      throw new LiveStoreError(
        'InvalidBind',
        `${info.parameters.length} values are needed and ${binds.length} were given: ${sql}`,
      )
    }
    return binds
  }
  return info.parameters.map((parameter) => {
    if (parameter === '') {
      throw new LiveStoreError('InvalidBind', `values given by name do not fit a plain "?": ${sql}`)
    }
    const bare = parameter.slice(1)
    if (Object.hasOwn(binds, bare)) return binds[bare] as BindValue
    if (Object.hasOwn(binds, parameter)) return binds[parameter] as BindValue
    throw new LiveStoreError('InvalidBind', `no value was given for ${parameter}: ${sql}`)
  })
}

const isPositional = (binds: Binds): binds is readonly BindValue[] => Array.isArray(binds)

/** The bytes that writing `values` may need at most. */
const bindsRoom = (values: readonly BindValue[]): number => {
  let room = 8
  for (const value of values) room += align8(bindRoom(value))
  return room
}

/** Writes packed binds at `address`, which has `bindsRoom(values)` bytes; returns the end. */
const writeBinds = (
  module: PackedModule,
  address: number,
  values: readonly BindValue[],
): number => {
  const heap = module.HEAPU8
  const words = module.HEAPU32
  const doubles = module.HEAPF64
  words[address >> 2] = values.length
  words[(address >> 2) + 1] = 0
  let at = address + 8
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    const head = at >> 2
    at += 8
    if (typeof value === 'string') {
      const bytes = writeText(heap, at, value)
      words[head] = TAG_TEXT
      words[head + 1] = bytes
      at += align8(bytes)
    } else if (typeof value === 'number' || typeof value === 'boolean') {
      words[head] = TAG_NUMBER
      words[head + 1] = 8
      doubles[at >> 3] = Number(value)
      at += 8
    } else if (value === null) {
      words[head] = TAG_NULL
      words[head + 1] = 8
      doubles[at >> 3] = 0
      at += 8
    } else if (typeof value === 'bigint') {
      if (value < INT64_MIN || value > INT64_MAX) {
        throw new LiveStoreError('InvalidBind', `bind ${i + 1} is beyond 64 bits: ${value}`)
      }
      words[head] = TAG_INT64
      words[head + 1] = 8
      new DataView(heap.buffer).setBigInt64(at, value, true)
      at += 8
    } else if (value instanceof Uint8Array) {
      words[head] = TAG_BLOB
      words[head + 1] = value.byteLength
      heap.set(value, at)
      at += align8(value.byteLength)
    } else {
      throw new LiveStoreError(
        'InvalidBind',
        `bind ${i + 1} is ${describe(value)}, which SQLite cannot hold`,
      )
    }
  }
  return at
}

const describe = (value: unknown): string =>
  value === undefined ? 'undefined' : typeof value === 'object' ? 'an object' : `a ${typeof value}`

/** Writes `values` as the whole input; returns the bytes. */
export const writeInputBinds = (target: Target, values: readonly BindValue[]): number => {
  const address = target.reserve(bindsRoom(values))
  return writeBinds(target.module, address, values) - address
}

/** A statement of a batch, its number and its binds in order. */
export interface BoundStatement {
  readonly id: number
  readonly values: readonly BindValue[]
}

/** Writes a statement batch; returns the bytes. */
export const writeStatements = (target: Target, statements: readonly BoundStatement[]): number => {
  let room = 8
  for (const { values } of statements) room += 8 + bindsRoom(values)
  const address = target.reserve(room)
  const { module } = target
  module.HEAPU32[address >> 2] = statements.length
  module.HEAPU32[(address >> 2) + 1] = 0
  let at = address + 8
  for (const { id, values } of statements) {
    const end = writeBinds(module, at + 8, values)
    module.HEAPU32[at >> 2] = id
    module.HEAPU32[(at >> 2) + 1] = end - at - 8
    at = end
  }
  return at - address
}

/** Writes an error for the engine; returns the bytes. */
export const writeError = (target: Target, code: number, message: string): number => {
  const address = target.reserve(8 + message.length * 3)
  const bytes = writeText(target.module.HEAPU8, address + 8, message)
  target.module.HEAPU32[address >> 2] = code
  target.module.HEAPU32[(address >> 2) + 1] = bytes
  return 8 + bytes
}

/** An event on its way into a commit. */
export interface NewEvent {
  readonly name: string
  readonly argsJson: string
  readonly clientOnly: boolean
  readonly schemaHash: number
}

/** Writes new events as the whole input; returns the bytes. */
export const writeNewEvents = (
  target: Target,
  events: readonly NewEvent[],
  persisted = true,
): number => {
  let room = 8
  for (const event of events) room += 32 + align8((event.name.length + event.argsJson.length) * 3)
  const address = target.reserve(room)
  const { HEAPU8: heap, HEAPU32: words } = target.module
  const view = new DataView(heap.buffer)
  words[address >> 2] = events.length
  words[(address >> 2) + 1] = persisted ? 0 : 1
  let at = address + 8
  for (const event of events) {
    const nameBytes = writeText(heap, at + 24, event.name)
    const argsBytes = writeText(heap, at + 24 + nameBytes, event.argsJson)
    words[at >> 2] = event.clientOnly ? 1 : 0
    words[(at >> 2) + 1] = nameBytes
    words[(at >> 2) + 2] = argsBytes
    words[(at >> 2) + 3] = 0
    view.setBigInt64(at + 16, BigInt(event.schemaHash), true)
    at += 24 + align8(nameBytes + argsBytes)
  }
  return at - address
}

/** Reads the error that a raw export left in the output. */
export const readError = (module: PackedModule): { code: number; message: string } => {
  const output = module._ls_output()
  const bytes = module.HEAPU32[(output >> 2) + 1] as number
  return {
    code: module.HEAPU32[output >> 2] as number,
    message: decoder.decode(module.HEAPU8.subarray(output + 8, output + 8 + bytes)),
  }
}

/** Reads what `ls_prepare` left in the output for statement `id`. */
export const readStatementInfo = (module: PackedModule, id: number): StatementInfo => {
  const output = module._ls_output()
  const words = module.HEAPU32
  let at = output + 16
  const texts = (count: number): string[] =>
    Array.from({ length: count }, () => {
      const bytes = words[at >> 2] as number
      const text = decoder.decode(module.HEAPU8.subarray(at + 4, at + 4 + bytes))
      at += 4 + ((bytes + 3) & ~3)
      return text
    })
  const [columns, parameters, reads, writes] = words.subarray(output >> 2, (output >> 2) + 4)
  return {
    id,
    columns: texts(columns as number),
    parameters: texts(parameters as number),
    reads: texts(reads as number),
    writes: texts(writes as number),
  }
}

/** Reads a list of numbers from the output. */
export const readIds = (module: PackedModule): number[] => {
  const output = module._ls_output() >> 2
  const count = module.HEAPU32[output] as number
  return count === 0 ? [] : Array.from(module.HEAPU32.subarray(output + 1, output + 1 + count))
}

/** Below this many bytes of ASCII, char codes beat the decoder (measured: 96). */
const SHORT_RESULT = 96

/**
 * An object with `columns` as own keys, in order. Rows are clones of it, so they share one hidden
 * class that holds all values inside the object (10,000 rows of 8 columns: 10.9 ms instead of 12.1,
 * decoders included, Node 20). Parsed JSON, because that alone makes `__proto__` an ordinary key.
 */
const rowTemplate = (columns: readonly string[]): Record<string, unknown> =>
  JSON.parse(`{${columns.map((name) => `${JSON.stringify(name)}:null`).join()}}`)

/**
 * Turns the rows in the output into objects with `columns` as keys, or into plucked values.
 *
 * All is read before the first decoder runs: a decoder is the app's and may query, which would
 * overwrite the output.
 *
 * @throws whatever a decoder of `shape` throws.
 */
export const readRows = (
  module: PackedModule,
  columns: readonly string[],
  { decoders, pluck = false }: RowShape,
): unknown[] => {
  const output = module._ls_output()
  const heap = module.HEAPU8
  const [rowCount = 0, columnCount = 0, textBytes = 0, flags = 0] = module.HEAPU32.subarray(
    output >> 2,
    (output >> 2) + 4,
  )
  const cellCount = rowCount * columnCount
  // The packer's buffer is 8-aligned, so the cells are too.
  const cells = module.HEAPF64.subarray((output + 16) >> 3, ((output + 16) >> 3) + cellCount)
  const tags = heap.subarray(output + 16 + cellCount * 8, output + 16 + cellCount * 9)
  const textAt = output + 16 + cellCount * 9
  const text = readText(heap, textAt, textBytes, (flags & 1) === 1)
  let textStart = 0
  let blobAt = textAt + textBytes

  const template = pluck ? {} : rowTemplate(columns)
  const rows = new Array<unknown>(rowCount)
  let index = 0
  for (let row = 0; row < rowCount; row++) {
    const object: Record<string, unknown> = { ...template }
    for (let column = 0; column < columnCount; column++) {
      let value: SqlValue = null
      switch (tags[index]) {
        case TAG_NUMBER:
          value = cells[index] as number
          break
        case TAG_TEXT: {
          const end = textStart + (cells[index] as number)
          value = text.substring(textStart, end)
          textStart = end
          break
        }
        case TAG_INT64:
          value = new DataView(heap.buffer).getBigInt64(cells.byteOffset + index * 8, true)
          break
        case TAG_BLOB: {
          const end = blobAt + (cells[index] as number)
          value = heap.slice(blobAt, end)
          blobAt = end
        }
      }
      index++
      if (!pluck) object[columns[column] as string] = value
      else if (column === 0) rows[row] = value
    }
    if (!pluck) rows[row] = object
  }
  return decodeRows(rows, columns, decoders, pluck)
}

const readText = (heap: Uint8Array, at: number, bytes: number, ascii: boolean): string => {
  if (!ascii || bytes >= SHORT_RESULT) return decoder.decode(heap.subarray(at, at + bytes))
  let text = ''
  for (let i = at; i < at + bytes; i++) text += String.fromCharCode(heap[i] as number)
  return text
}

/** Applies the decoders in place. */
const decodeRows = (
  rows: unknown[],
  columns: readonly string[],
  decoders: RowShape['decoders'],
  pluck: boolean,
): unknown[] => {
  decoders?.forEach((decode, column) => {
    if (decode === undefined) return
    if (pluck) {
      if (column === 0)
        rows.forEach((value, row) => {
          rows[row] = decode(value as SqlValue)
        })
      return
    }
    const name = columns[column] as string
    for (const row of rows as Record<string, unknown>[]) row[name] = decode(row[name] as SqlValue)
  })
  return rows
}

/**
 * Reads an event batch (core/event/event_codec.h).
 *
 * @throws LiveStoreError `ProtocolMismatch` for another version. The bytes come from the engine,
 * which
 *   checked them; they are not checked again.
 */
export const decodeEvents = (bytes: Uint8Array): EventRecord[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] as number
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  const text = (): string => {
    const length = varint()
    at += length
    return decoder.decode(bytes.subarray(at - length, at))
  }
  const table = (): string[] => Array.from({ length: varint() }, text)
  const seqNum = (): SeqNum => ({ global: varint(), client: varint(), generation: varint() })

  const version = bytes[at++]
  if (version !== 1)
    throw new LiveStoreError('ProtocolMismatch', `event batch of version ${version}`)
  const count = varint()
  const names = table()
  const origins = table()
  return Array.from({ length: count }, () => {
    const seq = seqNum()
    const parentSeqNum = seqNum()
    const name = names[varint()] as string
    const origin = varint() * 2
    view.getBigInt64(at, true)
    at += 8
    return {
      name,
      argsJson: text(),
      seqNum: seq,
      parentSeqNum,
      clientId: origins[origin] as string,
      sessionId: origins[origin + 1] as string,
    }
  })
}

/** A synced event as a sync backend gives it. */
export interface PulledEvent {
  readonly name: string
  readonly argsJson: string
  readonly global: number
  readonly parentGlobal: number
  readonly clientId: string
  readonly sessionId: string
  /** What the backend says of the event, as JSON text; empty for nothing. */
  readonly metadataJson: string
}

/**
 * Writes a page of a pull (core/event/event_codec.h). The engine checks it: whatever the events
 * are, this only gives them bytes. `backendId` is empty for a backend without one.
 */
export const encodePage = (backendId: string, events: readonly PulledEvent[]): Uint8Array => {
  const batch = encodeBatch(events)
  const page = new ByteList()
  page.byte(1)
  page.text(backendId)
  page.varint(batch.byteLength)
  page.raw(batch)
  for (const { metadataJson } of events) page.text(metadataJson)
  return page.take()
}

/** A batch of synced events by itself, as `ClientSession.onPassing` takes it. */
export const encodeBatch = (events: readonly PulledEvent[]): Uint8Array => {
  const names = new Map<string, number>()
  const origins = new Map<string, { readonly index: number; readonly ids: readonly string[] }>()
  for (const { name, clientId, sessionId } of events) {
    if (!names.has(name)) names.set(name, names.size)
    const key = JSON.stringify([clientId, sessionId])
    if (!origins.has(key)) origins.set(key, { index: origins.size, ids: [clientId, sessionId] })
  }
  const batch = new ByteList()
  batch.byte(1)
  batch.varint(events.length)
  batch.varint(names.size)
  for (const name of names.keys()) batch.text(name)
  batch.varint(origins.size * 2)
  for (const { ids } of origins.values()) for (const id of ids) batch.text(id)
  for (const { name, argsJson, global, parentGlobal, clientId, sessionId } of events) {
    for (const number of [global, 0, 0, parentGlobal, 0, 0]) batch.varint(number)
    batch.varint(names.get(name) as number)
    batch.varint(origins.get(JSON.stringify([clientId, sessionId]))?.index as number)
    // The hash of an event whose definition is not known here: -1 in 64 bits.
    batch.raw(unknownSchemaHash)
    batch.text(argsJson)
  }
  return batch.take()
}

const unknownSchemaHash = new Uint8Array(8).fill(255)

/** Bytes that grow as they are written. */
class ByteList {
  #bytes = new Uint8Array(1024)
  #size = 0

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#size++] = value
  }

  /** REQUIRES: a safe integer of 0 or more. */
  varint(value: number): void {
    let rest = value
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 128)
    this.byte(rest)
  }

  text(text: string): void {
    const bytes = encoder.encode(text)
    this.varint(bytes.byteLength)
    this.raw(bytes)
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength)
    this.#bytes.set(bytes, this.#size)
    this.#size += bytes.byteLength
  }

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#size)
  }

  #reserve(more: number): void {
    if (this.#size + more <= this.#bytes.byteLength) return
    const grown = new Uint8Array(Math.max(this.#bytes.byteLength * 2, this.#size + more))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}
