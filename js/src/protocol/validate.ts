/**
 * Checks of messages that come from another context, which may run another build of this package.
 *
 * Cheap: the kind of each field, no more. The bytes inside buffers are the engine's to check. Each
 * check returns the message, typed, or a text that says what is wrong with it; it never throws.
 */

import type {
  BlocksAnswer,
  BlocksRequest,
  BrokerToLeader,
  BrokerToTab,
  LeaderToTab,
  LiveStoreDataAnswer,
  RoomMessage,
  SessionToLeader,
  TabToBroker,
  TabToWorker,
  WorkerToTab,
} from './messages.js'

/** The message, or what is wrong with it. */
export type Checked<T> =
  | { readonly ok: true; readonly message: T }
  | { readonly ok: false; readonly problem: string }

type FieldCheck = (value: unknown) => boolean
type Shape = Readonly<Record<string, FieldCheck>>

/** Ids, names and messages. Longer text in a message is a mistake of its sender. */
const textLengthMax = 100_000

const text: FieldCheck = (value) => typeof value === 'string' && value.length <= textLengthMax
const count: FieldCheck = (value) => Number.isSafeInteger(value) && (value as number) >= 0
/** The total of a progress is -1 while it is unknown. */
const total: FieldCheck = (value) => Number.isSafeInteger(value) && (value as number) >= -1
const flag: FieldCheck = (value) => typeof value === 'boolean'
const bytes: FieldCheck = (value) => value instanceof ArrayBuffer
const port: FieldCheck = (value) => isRecord(value) && typeof value.postMessage === 'function'
const module: FieldCheck = (value) => value instanceof WebAssembly.Module
const optional =
  (check: FieldCheck): FieldCheck =>
  (value) =>
    value === undefined || check(value)
const oneOf =
  (...allowed: readonly unknown[]): FieldCheck =>
  (value) =>
    allowed.includes(value)
const record =
  (shape: Shape): FieldCheck =>
  (value) =>
    isRecord(value) && firstWrong(value, shape) === undefined

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const firstWrong = (value: Record<string, unknown>, shape: Shape): string | undefined =>
  Object.keys(shape).find((field) => shape[field]?.(value[field]) !== true)

const statusShapes: Readonly<Record<string, Shape>> = {
  loading: {},
  migrating: { progress: record({ done: count, total }) },
  rehydrating: { progress: record({ done: count, total }) },
  syncing: { progress: record({ done: count, total }) },
  warning: {
    reason: oneOf(
      'private-browsing',
      'storage-unavailable',
      'state-rebuilt',
      'import-failed',
      'event-skipped',
      'event-refused',
      'leader-silent',
    ),
    message: text,
  },
  done: {},
}

const bootStatus: FieldCheck = (value) => {
  if (!isRecord(value) || typeof value.stage !== 'string') return false
  const shape = Object.hasOwn(statusShapes, value.stage) ? statusShapes[value.stage] : undefined
  return shape !== undefined && firstWrong(value, shape) === undefined
}

const error: Shape = { code: text, message: text, retrying: optional(flag) }

/** By message type: what its fields must be. */
type Shapes = Readonly<Record<string, (message: Record<string, unknown>) => Shape>>

const check = <T>(data: unknown, shapes: Shapes): Checked<T> => {
  if (!isRecord(data) || typeof data.type !== 'string') {
    return { ok: false, problem: 'a message without a type' }
  }
  const shape = Object.hasOwn(shapes, data.type) ? shapes[data.type] : undefined
  if (shape === undefined) {
    return { ok: false, problem: `a message of unknown type ${JSON.stringify(data.type)}` }
  }
  const wrong = firstWrong(data, shape(data))
  return wrong === undefined
    ? { ok: true, message: data as T }
    : { ok: false, problem: `a ${data.type} message with a wrong ${wrong}` }
}

const sessionToLeader: Shapes = {
  hello: () => ({
    protocol: count,
    sessionId: text,
    clientId: text,
    instance: text,
    schemaHash: text,
    cursor: optional(bytes),
  }),
  push: () => ({ id: count, push: bytes }),
  passing: () => ({ events: bytes }),
  ping: () => ({}),
  log: () => ({ id: count, after: count, count }),
  bye: () => ({}),
  journal: () => ({ id: count, instance: text, push: bytes }),
}

export const checkSessionToLeader = (data: unknown): Checked<SessionToLeader> =>
  check(data, sessionToLeader)

const leaderToTab: Shapes = {
  'boot-status': () => ({ status: bootStatus }),
  welcome: () => ({
    image: optional(bytes),
    history: bytes,
    storageMode: oneOf('persisted', 'in-memory'),
    clientId: optional(text),
  }),
  'push-result': (message) =>
    message.outcome === 'failed'
      ? { id: count, failedIndex: count, code: text, message: text }
      : { id: count, outcome: oneOf('accepted', 'rejected') },
  news: () => ({ news: bytes }),
  passing: () => ({ events: bytes }),
  rejoin: () => ({}),
  pong: () => ({}),
  'log-page': () => ({ id: count, events: bytes }),
  'journal-result': ({ code }) =>
    code === undefined ? { id: count } : { id: count, code: text, message: text },
  error: () => error,
}

export const checkLeaderToTab = (data: unknown): Checked<LeaderToTab> => check(data, leaderToTab)

const tabToBroker: Shapes = {
  join: () => ({ protocol: count, storeId: text, sessionId: text, lockName: text }),
  leave: () => ({}),
  lead: () => ({ protocol: count, storeId: text, lockName: text, port }),
}

export const checkTabToBroker = <Port>(data: unknown): Checked<TabToBroker<Port>> =>
  check(data, tabToBroker)

const brokerToTab: Shapes = {
  ready: () => ({ lockName: optional(text) }),
  'leader-port': () => ({ port }),
  error: () => error,
}

export const checkBrokerToTab = <Port>(data: unknown): Checked<BrokerToTab<Port>> =>
  check(data, brokerToTab)

const brokerToLeader: Shapes = {
  'session-port': () => ({ session: text, port }),
  'session-channel': () => ({ session: text, channel: text }),
  'session-gone': () => ({ session: text }),
}

export const checkBrokerToLeader = <Port>(data: unknown): Checked<BrokerToLeader<Port>> =>
  check(data, brokerToLeader)

const roomMessage: Shapes = {
  join: () => ({ session: text, channel: text }),
  leave: () => ({ session: text }),
  leads: () => ({}),
}

export const checkRoomMessage = (data: unknown): Checked<RoomMessage> => check(data, roomMessage)

const tabToWorker: Shapes = {
  init: () => ({
    protocol: count,
    storeId: text,
    clientId: text,
    directory: text,
    resetPersistence: flag,
    sessionPort: port,
  }),
  broker: () => ({ port }),
  engine: () => ({ wasmModule: module, hasLiveStoreData: flag }),
  shutdown: () => ({}),
}

export const checkTabToWorker = <Port>(data: unknown): Checked<TabToWorker<Port>> =>
  check(data, tabToWorker)

const workerToTab: Shapes = {
  started: () => ({ lockName: text }),
  leading: () => ({}),
  receiving: () => ({}),
  error: () => error,
  help: () => ({ with: text, port }),
  crashed: () => ({ message: text }),
  'shutdown-done': () => ({}),
}

export const checkWorkerToTab = (data: unknown): Checked<WorkerToTab> => check(data, workerToTab)

const listOf =
  (shape: Shape): FieldCheck =>
  (value) =>
    Array.isArray(value) && value.every(record(shape))

const liveStoreLog: Shape = { database: bytes, journal: bytes, generations: flag }

const liveStoreData: Shapes = {
  found: () => ({ logs: listOf(liveStoreLog), optional: flag }),
  error: () => ({ ...error, optional: flag }),
}

export const checkLiveStoreData = (data: unknown): Checked<LiveStoreDataAnswer> =>
  check(data, liveStoreData)

const blocksRequest: Shapes = {
  open: () => ({ directory: text, reset: flag }),
  write: () => ({
    files: listOf({ name: text, size: count, blocks: listOf({ index: count, bytes }) }),
  }),
}

export const checkBlocksRequest = (data: unknown): Checked<BlocksRequest> =>
  check(data, blocksRequest)

const blocksAnswer: Shapes = {
  opened: () => ({ files: listOf({ name: text, bytes }) }),
  written: () => ({}),
  error: () => error,
}

export const checkBlocksAnswer = (data: unknown): Checked<BlocksAnswer> => check(data, blocksAnswer)
