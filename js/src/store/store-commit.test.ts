/**
 * What `commit` does, and what it leaves untouched when it fails.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { coded, created, endTest, openStore, settled, startTest } from '../../test/open-store.js'
import { events, oddMaterializer, todos, ui } from '../../test/todo-schema.js'
import { queryDb } from '../reactivity/definitions.js'
import { SessionIdSymbol } from '../schema/index.js'
import type { Store } from './store.js'

beforeEach(startTest)
afterEach(endTest)

describe('commit', () => {
  test('is visible in every query when it returns', async () => {
    const store = await openStore()
    const count$ = queryDb(todos.count())
    store.subscribe(count$, () => undefined)
    store.commit(created('a', 'first'))
    expect(store.query(todos)).toEqual([{ id: 'a', text: 'first', done: false }])
    expect(store.query(count$)).toBe(1)
    expect(store.query({ query: 'SELECT done FROM todos' })).toEqual([{ done: 0 }])
    expect(store.query(todos.count())).toBe(1)
  })

  test('events of one commit see each other, and are told once', async () => {
    const store = await openStore()
    const told: number[] = []
    store.subscribe(todos.where({ done: true }), (rows) => told.push(rows.length))
    store.commit(created('a'), created('b'), events.todoDone({ id: 'a', done: true }))
    expect(told).toEqual([0, 1])
  })

  test('a transaction function collects its events, in both forms and with options', async () => {
    const store = await openStore()
    store.commit((commit) => {
      commit(created('a'))
      expect(store.query(todos.count())).toBe(0)
      commit(created('b'), created('c'))
    })
    store.commit(() => [created('d')])
    store.commit({ label: 'more' }, (commit) => commit(created('e')))
    store.commit({ label: 'last' }, created('f'))
    expect(store.query(todos.select('id'))).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  test('nothing at all is no commit', async () => {
    const store = await openStore()
    store.commit()
    store.commit(undefined)
    store.commit(() => [])
    expect(store.syncStatus().localHead).toBe('e0')
  })

  test('the session id is filled in, and the event of the caller stays as it was', async () => {
    const store = await openStore()
    const event = ui.set({ filter: 'done' }, SessionIdSymbol)
    store.commit(event)
    expect(event.args.id).toBe(SessionIdSymbol)
    expect(store.query(ui.get())).toEqual({ filter: 'done', count: 0 })
    expect(store.query(ui.select('id'))).toEqual(['session1'])
  })

  test('with skipRefresh queries see it at once, subscribers when they are told to', async () => {
    const store = await openStore()
    const told: number[] = []
    const count$ = queryDb(todos.count())
    store.subscribe(count$, (count) => told.push(count))
    store.commit({ skipRefresh: true }, created('a'))
    await settled()
    expect(told).toEqual([0])
    expect(store.query(count$)).toBe(1)
    store.manualRefresh()
    store.manualRefresh()
    expect(told).toEqual([0, 1])
  })

  test('is confirmed by the leader', async () => {
    const store = await openStore()
    store.commit(created('a'), created('b'))
    expect(store.syncStatus()).toEqual({
      localHead: 'e2',
      upstreamHead: 'e0',
      pendingCount: 2,
      isSynced: false,
    })
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
    expect(store.syncStatus()).toMatchObject({ upstreamHead: 'e2', pendingCount: 0 })
  })
})

describe('a commit that fails leaves everything as it was', () => {
  const failing = async (commit: (store: Store) => void, expected: unknown) => {
    const store = await openStore()
    store.commit(created('first'))
    const told = vi.fn()
    store.subscribe(todos, told)
    told.mockClear()
    const before = store.syncStatus().localHead
    expect(() => commit(store)).toThrow(expected as Error)
    expect(store.syncStatus().localHead).toBe(before)
    expect(store.query(todos.select('id'))).toEqual(['first'])
    expect(told).not.toHaveBeenCalled()
    store.commit(created('last'))
    expect(store.query(todos.count())).toBe(2)
    expect(told).toHaveBeenCalledOnce()
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
  }

  test('an event the schema does not know', () =>
    failing(
      (store) => store.commit(created('x'), { name: 'v9.Unknown', args: {} }),
      coded('UnknownEvent', /v9\.Unknown/),
    ))

  test('an event called __proto__ or constructor', () =>
    failing(
      (store) => {
        expect(() => store.commit({ name: '__proto__', args: {} })).toThrow(coded('UnknownEvent'))
        store.commit({ name: 'constructor', args: {} })
      },
      coded('UnknownEvent', /constructor/),
    ))

  test('arguments that fail their schema', () =>
    failing(
      (store) => store.commit(created('x'), { name: 'v1.TodoCreated', args: { id: 7 } }),
      coded('InvalidEventArgs', /v1\.TodoCreated.*id/s),
    ))

  test('__proto__ as a key of the arguments', () =>
    failing(
      (store) =>
        store.commit({
          name: 'v1.TodoCreated',
          args: JSON.parse('{"id":"x","text":"","__proto__":{"polluted":1}}'),
        }),
      coded('InvalidEventArgs', /__proto__/),
    ))

  test('a constraint violation in the last of several events', () =>
    failing(
      (store) => store.commit(created('x'), created('first')),
      coded('Constraint', /v1\.TodoCreated|todos/),
    ))

  test('a materializer that throws', () => {
    oddMaterializer.run = () => {
      throw new Error('no luck today')
    }
    return failing(
      (store) => store.commit(created('x'), events.odd({ text: '' })),
      coded('MaterializerThrew', /v1\.Odd.*no luck today/),
    )
  })

  test('a materializer that returns nonsense', () => {
    oddMaterializer.run = () => 42
    return failing(
      (store) => store.commit(events.odd({ text: '' })),
      coded('InvalidMaterializerResult', /v1\.Odd/),
    )
  })

  test('a materializer with an unknown column, a wrong type or broken SQL', async () => {
    oddMaterializer.run = () => todos.insert({ id: 'x', nope: 1 } as never)
    await failing((store) => store.commit(events.odd({ text: '' })), coded('InvalidQuery', /nope/))
    oddMaterializer.run = () => todos.insert({ id: 7 } as never)
    await failing((store) => store.commit(events.odd({ text: '' })), coded('InvalidQuery', /id/))
    oddMaterializer.run = () => 'INSERT INTO nowhere VALUES (1)'
    await failing((store) => store.commit(events.odd({ text: '' })), coded('Sql', /nowhere/))
  })

  test('a materializer that commits, queries or shuts the store down', async () => {
    const store = await openStore()
    for (const use of [
      () => store.commit(created('x')),
      () => store.query(todos),
      () => void store.shutdown(),
    ]) {
      oddMaterializer.run = () => {
        use()
        return []
      }
      expect(() => store.commit(events.odd({ text: '' }))).toThrow(coded('Nested', /materializer/))
    }
    expect(store.query(todos)).toEqual([])
  })

  test('a transaction function that throws', () =>
    failing((store) => {
      store.commit((commit) => {
        commit(created('x'))
        throw new Error('mine')
      })
    }, new Error('mine')))

  test('things that are no events', () =>
    failing((store) => store.commit(7 as never), coded('InvalidArgument', /7/)))
})

describe('sync status', () => {
  test('subscribers are told now and when it changes', async () => {
    const store = await openStore()
    const told: string[] = []
    const end = store.subscribeSyncStatus(({ localHead, upstreamHead, pendingCount }) =>
      told.push(`${localHead} ${upstreamHead} ${pendingCount}`),
    )
    store.commit(created('a'))
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
    end()
    store.commit(created('b'))
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
    expect(told).toEqual(['e0 e0 0', 'e1 e0 1', 'e1 e1 0'])
  })
})
