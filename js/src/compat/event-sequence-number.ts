/**
 * `EventSequenceNumber`: an event's place in the log, as tools and sync backends of
 * apps handle it. Nothing else in this package uses it.
 */

// biome-ignore-all lint/style/noNamespace: apps find these types in namespaces.

import { LiveStoreError } from '../errors.js'
import type { StandardSchema } from '../schema/codec.js'
import { describe, isPlainObject } from '../schema/values.js'

/** The place of an event: `client` counts client-only events after the synced event `global`. */
export interface Composite {
  readonly global: number
  readonly client: number
  /** How often the session has rebased its events. */
  readonly rebaseGeneration: number
}

type SeqNum = Composite

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

const schemaOf = <T>(expected: string, is: (value: unknown) => boolean): StandardSchema<T> => ({
  '~standard': {
    version: 1,
    vendor: 'livestore-wasm',
    validate: (value) =>
      is(value)
        ? { value: value as T }
        : { issues: [{ message: `expected ${expected}, got ${describe(value)}` }] },
  },
})

const isComposite = (value: unknown): boolean =>
  isPlainObject(value) &&
  isCount(value.global) &&
  isCount(value.client) &&
  (value.rebaseGeneration === undefined || isCount(value.rebaseGeneration))

/** Before the first event. */
const ROOT: Composite = { global: 0, client: 0, rebaseGeneration: 0 }

/** The client part of an event that is not client-only. */
const clientDefault = 0

/** Makes a place; what is missing is 0. */
const make = (given: Partial<Composite>): Composite => ({ ...ROOT, ...given })

/** Negative, 0 or positive, as `a` is before, at or after `b`. */
const compare = (a: Composite, b: Composite): number =>
  a.global - b.global || a.client - b.client || a.rebaseGeneration - b.rebaseGeneration

/** How far `a` is after `b`. */
const diff = (
  a: Composite,
  b: Composite,
): { readonly global: number; readonly client: number } => ({
  global: a.global - b.global,
  client: a.client - b.client,
})

/** `e3`, `e3.1` for a client-only event, `e3r1` after a rebase. */
const textOf = ({ global, client, rebaseGeneration }: Composite): string =>
  `e${global}${client > 0 ? `.${client}` : ''}${rebaseGeneration > 0 ? `r${rebaseGeneration}` : ''}`

/** The place that `textOf` wrote. @throws LiveStoreError `InvalidArgument` */
const fromString = (text: string): Composite => {
  const [, global, client = 0, generation = 0] = /^e(\d+)(?:\.(\d+))?(?:r(\d+))?$/.exec(text) ?? []
  if (global === undefined) {
    throw new LiveStoreError(
      'InvalidArgument',
      `${describe(text)} is no place like e3, e3.1 or e3r1`,
    )
  }
  return { global: Number(global), client: Number(client), rebaseGeneration: Number(generation) }
}

/** The place of the synced event `global`. */
export const fromGlobal = (global: number): Composite => make({ global })

const isEqual = (a: Composite, b: Composite): boolean => compare(a, b) === 0
const isGreaterThan = (a: Composite, b: Composite): boolean => compare(a, b) > 0
const isGreaterThanOrEqual = (a: Composite, b: Composite): boolean => compare(a, b) >= 0

/** The later of the two. */
const max = (a: Composite, b: Composite): Composite => (isGreaterThan(a, b) ? a : b)

/** The place of the event after `seqNum`, and the place that event is to name as its parent. */
const nextPair = (options: {
  readonly seqNum: Composite
  readonly isClient: boolean
  readonly rebaseGeneration?: number | undefined
}): { readonly seqNum: Composite; readonly parentSeqNum: Composite } => {
  const { seqNum, isClient } = options
  const rebaseGeneration = options.rebaseGeneration ?? seqNum.rebaseGeneration
  const { global, client } = seqNum
  return isClient
    ? { seqNum: { global, client: client + 1, rebaseGeneration }, parentSeqNum: seqNum }
    : {
        seqNum: { global: global + 1, client: 0, rebaseGeneration },
        // Client-only events of this client are not there for others.
        parentSeqNum: { global, client: 0, rebaseGeneration: seqNum.rebaseGeneration },
      }
}

const compositeSchema = /* @__PURE__ */ schemaOf<Composite>('{ global, client }', isComposite)
const numberSchema = /* @__PURE__ */ schemaOf<number>('a whole number', isCount)

/** Places as a client knows them. */
const Client = {
  Composite: { make },
  DEFAULT: clientDefault,
  REBASE_GENERATION_DEFAULT: 0,
  ROOT,
  Schema: compositeSchema,
  compare,
  diff,
  fromGlobal,
  fromString,
  isEqual,
  isGreaterThan,
  isGreaterThanOrEqual,
  make,
  max,
  nextPair,
  toString: textOf,
}

const asItIs = (count: number): number => count

/**
 * Functions on the places of events in the log. Each `Schema` is a Standard Schema. What is not in
 * `Client` and `Global` are the names of 0.3.
 */
export const EventSequenceNumber = {
  Client,
  Global: { Schema: numberSchema, make: asItIs },
  GlobalEventSequenceNumber: numberSchema,
  ClientEventSequenceNumber: numberSchema,
  EventSequenceNumber: compositeSchema,
  ROOT,
  clientDefault,
  globalEventSequenceNumber: asItIs,
  localEventSequenceNumber: asItIs,
  make,
  compare,
  diff,
  fromString,
  toString: textOf,
  isEqual,
  isGreaterThan,
  isGreaterThanOrEqual,
  max,
  nextPair,
}

export declare namespace EventSequenceNumber {
  /** As a client numbers an event. */
  type EventSequenceNumber = SeqNum
  namespace Client {
    type Type = SeqNum
    type Composite = SeqNum
  }
  namespace Global {
    type Type = number
  }
}
