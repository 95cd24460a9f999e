/** Spans of a store, as a tracer of the app sees them. */

import {
  type Context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { events, schema, todos } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { computed, queryDb } from '../reactivity/definitions.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'
import { createTracedStorePromise, type OtelOptions, traceStore } from './index.js'

interface Recorded {
  readonly name: string
  readonly parent: string | undefined
  readonly attributes: Record<string, unknown>
  readonly links: number
  status?: unknown
  ended: number
}

const adapter = makeInMemoryAdapter()
const created = (id: string, text = 'a secret') => events.todoCreated({ id, text })
const names = new Map<string, string>()
let recorded: Recorded[]
let store: Store

const tracer = {
  startSpan: (
    name: string,
    options: { attributes?: Record<string, unknown>; links?: Link[] } = {},
    parent: Context = ROOT_CONTEXT,
  ): Span => {
    const spanId = String(names.size)
    names.set(spanId, name)
    const parentId = trace.getSpan(parent)?.spanContext().spanId ?? ''
    const span: Recorded = {
      name,
      parent: names.get(parentId),
      attributes: { ...options.attributes },
      links: options.links?.length ?? 0,
      ended: 0,
    }
    recorded.push(span)
    return {
      spanContext: () => ({ traceId: '1', spanId, traceFlags: 1 }),
      setAttribute: (key: string, value: unknown) => {
        span.attributes[key] = value
      },
      setStatus: (status: unknown) => {
        span.status = status
      },
      end: () => {
        span.ended += 1
      },
    } as unknown as Span
  },
} as unknown as Tracer

const open = async (options: Partial<OtelOptions> = {}) => {
  store = (await createTracedStorePromise({
    schema,
    adapter,
    storeId: 'test',
    boot: (booting) => void booting.commit(created('in boot')),
    otelOptions: { tracer, ...options },
  })) as unknown as Store
}
const find = (name: string) => recorded.find((span) => span.name === name)

beforeEach(() => {
  recorded = []
})
afterEach(() => store.shutdown())

test('the creation, and what it consists of', async () => {
  await open()
  expect(recorded.map(({ name, parent }) => [name, parent])).toEqual([
    ['createStore', undefined],
    ['createStore:makeAdapter', 'createStore'],
    ['createStore:boot', 'createStore'],
    ['LiveStore:commits', undefined],
    ['LiveStore:queries', undefined],
  ])
  expect(recorded.map(({ ended }) => ended)).toEqual([1, 1, 1, 0, 0])
  expect(find('createStore')?.attributes).toEqual({ 'livestore.storeId': 'test' })
})

test('a creation that fails says with which code, and not why', async () => {
  await open()
  const failing = { connect: () => Promise.reject(new Error('a secret')) }
  const options = { schema, adapter: failing, storeId: 'failing', otelOptions: { tracer } }
  await expect(createTracedStorePromise(options)).rejects.toThrow('a secret')
  const failed = recorded.filter(({ status }) => status !== undefined)
  expect(failed.map(({ name, ended }) => [name, ended])).toEqual([
    ['createStore', 1],
    ['createStore:makeAdapter', 1],
  ])
  expect(JSON.stringify(recorded)).not.toContain('secret')
})

test('a commit is a root with a link, or belongs under the context that it is given', async () => {
  await open()
  store.commit({ label: 'two' }, created('a'), created('b'))
  expect(find('LiveStore:commit')).toEqual({
    name: 'LiveStore:commit',
    parent: undefined,
    attributes: {
      'livestore.eventsCount': 2,
      'livestore.eventTags': ['v1.TodoCreated', 'v1.TodoCreated'],
      'livestore.commitLabel': 'two',
    },
    links: 1,
    ended: 1,
  })
  const otelContext = trace.setSpan(ROOT_CONTEXT, tracer.startSpan('the click'))
  const spanLinks = [{ context: tracer.startSpan('other').spanContext() }]
  store.commit({ otelContext, spanLinks }, (commit) => commit(created('c')))
  expect(recorded.at(-1)).toMatchObject({ parent: 'the click', links: 2 })
  expect(() => store.commit(created('a'))).toThrow(expect.objectContaining({ code: 'Constraint' }))
  expect(recorded.at(-1)?.status).toEqual({ code: 2, message: 'Constraint' })
  expect(JSON.stringify(recorded)).not.toContain('secret')
})

test('a query is named by its label, and by its SQL only if that is asked for', async () => {
  await open()
  const all$ = queryDb(todos.where({ text: 'a secret' }), { label: 'all' })
  store.query(all$)
  store.query(queryDb(todos.where({ text: 'a secret' })))
  store.query(computed((get) => get(all$).length, { label: 'length' }))
  store.query({ query: "SELECT * FROM todos WHERE text = 'a secret'" })
  expect(recorded.slice(5).map(({ name }) => name)).toEqual([
    'db:all',
    'db:unnamed',
    'js:length',
    'db:unnamed',
  ])
  expect(find('db:all')).toMatchObject({
    parent: 'LiveStore:queries',
    attributes: { 'sql.rowsCount': 1 },
  })
  expect(JSON.stringify(recorded)).not.toMatch(/secret|select/i)
  await store.shutdown()

  recorded = []
  await open({ includeSql: true })
  store.query(todos.where({ id: 'a' }))
  store.query(todos.where({ id: 'a', text: 'b', done: true }))
  store.query(all$)
  expect(recorded.slice(5).map(({ name }) => name)).toEqual([
    `db:SELECT * FROM 'todos' WHERE "id" = ?`,
    expect.stringMatching(/^db:SELECT .{43}$/),
    'db:all',
  ])
  expect(recorded.at(-1)?.attributes).toHaveProperty(['sql.query'])
})

test('subscriptions and hooks last as long as they do, and at most to the end', async () => {
  await open()
  const end = store.subscribe(todos.count(), () => undefined)
  let isTold = false
  const endOther = store.subscribe(todos.count(), {
    onUpdate: () => undefined,
    onUnsubsubscribe: () => {
      isTold = true
    },
  })
  const iterator = store.subscribe(todos.count())
  const subscriptions = () => recorded.filter(({ name }) => name === 'LiveStore.subscribe')
  expect(subscriptions().map(({ ended }) => ended)).toEqual([0, 0, 0])
  end()
  endOther()
  await iterator.return?.()
  expect(isTold).toBe(true)
  expect(subscriptions().map(({ ended }) => ended)).toEqual([1, 1, 1])
  const failing = () =>
    store.subscribe(queryDb({ query: 'nothing', schema: null as never }), () => 0)
  expect(failing).toThrow()

  const internals = store[StoreInternalsSymbol]
  const count$ = queryDb(todos.count(), { label: 'count' })
  const unwatch = internals.watch(internals.instance(count$), () => undefined)
  internals.watch(internals.instance(count$), () => undefined)
  unwatch()
  const hooks = () => recorded.filter(({ name }) => name === 'LiveStore:useQuery:count')
  expect(hooks().map(({ ended }) => ended)).toEqual([1, 0])

  await store.shutdown()
  expect(recorded.every(({ ended }) => ended === 1)).toBe(true)
  expect(find('@livestore/livestore:shutdown')).toBeDefined()
})

test('a store is traced once, also one that was created otherwise', async () => {
  await open()
  const { commit } = store
  expect(traceStore(store, { tracer }).commit).toBe(commit)
  expect(recorded).toHaveLength(5)
})
