/**
 * Names the functions of a wasm module so that in the order of their names each follows the one it
 * is most like.
 *
 * gzip finds what is repeated only within the last 32 KiB, and the linker's order puts functions
 * beside each other that have nothing in common. Binaryen can sort functions by name
 * (`--reorder-functions-by-name`), so the wanted order is written as names, which are stripped
 * afterwards: 9.3 KB less of 343 KB, gzipped. The order depends on the module's bytes alone.
 *
 *     node name-functions-by-likeness.mjs <module.wasm> <named.wasm>
 */

import { readFileSync, writeFileSync } from 'node:fs'

// What the figure above was measured with; values near these differ by less than 1 KB.
const shingleBytes = 4
/** A shingle that more functions have tells nothing about two of them. */
const sharersMax = 60
/** What a function placed earlier still counts, for each one placed since: gzip forgets too. */
const decay = 0.99
/** Keeps tiny functions, which are like anything, from being taken first. */
const sizeOffset = 20

const SECTION = { custom: 0, import: 2, code: 10 }
const FUNCTION_NAMES = 1

/** Reads a module from `bytes`, which must be valid: the toolchain made them. */
class Reader {
  constructor(bytes, offset = 0) {
    this.bytes = bytes
    this.offset = offset
  }
  byte() {
    return this.bytes[this.offset++]
  }
  unsigned() {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte()
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  take(size) {
    this.offset += size
    return this.bytes.subarray(this.offset - size, this.offset)
  }
  text() {
    return Buffer.from(this.take(this.unsigned())).toString()
  }
}

const sectionsOf = (bytes) => {
  const headerBytes = 8
  const reader = new Reader(bytes, headerBytes)
  const sections = []
  while (reader.offset < bytes.length) {
    const start = reader.offset
    const id = reader.byte()
    const content = reader.take(reader.unsigned())
    sections.push({ id, content, whole: bytes.subarray(start, reader.offset) })
  }
  return sections
}

const skipLimits = (reader) => {
  const hasMax = (reader.byte() & 1) === 1
  reader.unsigned()
  if (hasMax) reader.unsigned()
}

const importedFunctions = (content) => {
  const reader = new Reader(content)
  let functions = 0
  for (let left = reader.unsigned(); left > 0; left--) {
    reader.text()
    reader.text()
    const kind = reader.byte()
    if (kind === 0) {
      reader.unsigned()
      functions++
    } else if (kind === 1) {
      reader.byte()
      skipLimits(reader)
    } else if (kind === 2) {
      skipLimits(reader)
    } else if (kind === 3) {
      reader.take(2)
    } else {
      throw new Error(`an import is of kind ${kind}, which is not known here`)
    }
  }
  return functions
}

const bodiesOf = (content) => {
  const reader = new Reader(content)
  return Array.from({ length: reader.unsigned() }, () => reader.take(reader.unsigned()))
}

const shinglesOf = (body) => {
  const shingles = new Set()
  for (let at = 0; at + shingleBytes <= body.length; at++) {
    shingles.add(
      ((body[at] << 24) | (body[at + 1] << 16) | (body[at + 2] << 8) | body[at + 3]) >>> 0,
    )
  }
  return shingles
}

/** Row i holds how much function i shares with each other; a rare shingle counts for more. */
const likenessOf = (shingles) => {
  const count = shingles.length
  const sharers = new Map()
  shingles.forEach((set, index) => {
    for (const shingle of set) {
      const list = sharers.get(shingle)
      if (list === undefined) sharers.set(shingle, [index])
      else list.push(index)
    }
  })
  const likeness = new Float64Array(count * count)
  for (const list of sharers.values()) {
    if (list.length < 2 || list.length > sharersMax) continue
    const weight = 1 / list.length
    for (const a of list) for (const b of list) likeness[a * count + b] += weight
  }
  return likeness
}

/** Each time the function that shares most, for its size, with those before it. */
const orderOf = (bodies) => {
  const count = bodies.length
  const shingles = bodies.map(shinglesOf)
  const likeness = likenessOf(shingles)
  const score = new Float64Array(count)
  const isPlaced = new Uint8Array(count)
  let next = bodies.reduce(
    (best, body, index) => (body.length > bodies[best].length ? index : best),
    0,
  )
  const order = []
  while (order.length < count) {
    order.push(next)
    isPlaced[next] = 1
    const row = likeness.subarray(next * count, (next + 1) * count)
    let best = -1
    for (let index = 0; index < count; index++) {
      score[index] = score[index] * decay + row[index]
      if (isPlaced[index] === 1) continue
      const rank = score[index] / (shingles[index].size + sizeOffset)
      if (rank > best) {
        best = rank
        next = index
      }
    }
  }
  return order
}

const unsigned = (value) => {
  const bytes = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left]
    bytes.push((left % 128) + 128)
  }
}
const sized = (bytes) => [...unsigned(bytes.length), ...bytes]
const text = (value) => sized([...Buffer.from(value)])

const nameSection = (imported, order) => {
  const names = order.map((_, place) => `f${String(place).padStart(6, '0')}`)
  const nameAt = new Map(order.map((index, place) => [index, names[place]]))
  const entries = order.flatMap((_, index) => [
    ...unsigned(imported + index),
    ...text(nameAt.get(index)),
  ])
  const functions = [...unsigned(order.length), ...entries]
  return Buffer.from([
    SECTION.custom,
    ...sized([...text('name'), FUNCTION_NAMES, ...sized(functions)]),
  ])
}

const [input, output] = process.argv.slice(2)
const bytes = readFileSync(input)
const sections = sectionsOf(bytes)
const content = (id) => sections.find((section) => section.id === id)?.content
const order = orderOf(bodiesOf(content(SECTION.code)))
const isNames = ({ id, content: custom }) =>
  id === SECTION.custom && new Reader(custom).text() === 'name'
writeFileSync(
  output,
  Buffer.concat([
    bytes.subarray(0, 8),
    ...sections.filter((section) => !isNames(section)).map(({ whole }) => whole),
    nameSection(importedFunctions(content(SECTION.import) ?? [0]), order),
  ]),
)
