/**
 * How a store begins and ends.
 */

import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { coded, created, endTest, openStore, settled, startTest } from '../../test/open-store.js'
import { schema, todos } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { LiveStoreError } from '../errors.js'
import { signal } from '../reactivity/definitions.js'
import type { Adapter, SessionLink } from './adapter.js'
import { createStorePromise } from './create-store.js'
import type { Store } from './store.js'

beforeEach(startTest)
afterEach(endTest)

describe('life', () => {
  test('what a store says about itself', async () => {
    const context = { user: 'u' }
    const store = await createStorePromise({
      schema,
      adapter: makeInMemoryAdapter({ sessionId: 's', clientId: 'c' }),
      storeId: 'my_Store-1',
      context,
    })
    expectTypeOf(store.context.user).toBeString()
    expect(store).toMatchObject({
      storeId: 'my_Store-1',
      sessionId: 's',
      clientId: 'c',
      storageMode: 'in-memory',
      schema,
      context,
    })
    expect(JSON.stringify(store)).toContain('my_Store-1')
    await store.shutdown()
  })

  test('boot statuses begin with loading and end with done', async () => {
    const stages: string[] = []
    await openStore({ onBootStatus: ({ stage }) => stages.push(stage) })
    expect(stages.at(0)).toBe('loading')
    expect(stages.at(-1)).toBe('done')
    expect(stages.filter((stage) => stage === 'loading' || stage === 'done')).toHaveLength(2)
  })

  test('boot may commit and wait; what it throws rejects, and nothing stays open', async () => {
    const store = await openStore({
      boot: async (booting) => {
        await settled()
        booting.commit(created('in boot'))
      },
    })
    expect(store.query(todos.count())).toBe(1)
    let failed: Store | undefined
    await expect(
      openStore({
        boot: (booting) => {
          failed = booting as Store
          throw new Error('mine')
        },
      }),
    ).rejects.toThrow('mine')
    expect(() => failed?.query(todos)).toThrow(coded('Closed'))
  })

  test('after the end every call says so, by name', async () => {
    const store = await openStore()
    const told = vi.fn()
    store.subscribe(todos, told)
    told.mockClear()
    store.commit(created('a'))
    const ending = store.shutdown()
    const calls: Record<string, () => unknown> = {
      commit: () => store.commit(created('b')),
      manualRefresh: () => store.manualRefresh(),
      query: () => store.query(todos),
      subscribe: () => store.subscribe(todos, told),
      setSignal: () => store.setSignal(signal(1), 2),
      syncStatus: () => store.syncStatus(),
      subscribeSyncStatus: () => store.subscribeSyncStatus(told),
    }
    for (const [name, call] of Object.entries(calls)) {
      expect(call, name).toThrow(coded('Closed', new RegExp(`^${name}: .*shut down`)))
    }
    expect(store.shutdown()).toBe(ending)
    expect(store.shutdownPromise()).toBe(ending)
    await ending
    for (const [name, call] of Object.entries(calls)) {
      expect(call, name).toThrow(coded('Closed', new RegExp(`^${name}: `)))
    }
    expect(told).toHaveBeenCalledOnce()
  })

  test('an aborted signal ends the store, or its creation', async () => {
    const controller = new AbortController()
    const store = await openStore({ signal: controller.signal })
    controller.abort()
    expect(() => store.query(todos)).toThrow(coded('Closed'))
    await expect(openStore({ signal: controller.signal })).rejects.toThrow(
      coded('Closed', /aborted/),
    )
    const later = new AbortController()
    const opening = openStore({ signal: later.signal })
    later.abort(new Error('changed my mind'))
    await expect(opening).rejects.toThrow(coded('Closed', /changed my mind/))
  })

  test.each(['', 'a b', 'ä', '../x', 'a/b', 'a\0b', undefined, 7])(
    'the storeId %j is refused',
    async (storeId) => {
      await expect(openStore({ storeId: storeId as string })).rejects.toThrow(
        coded('InvalidStoreId', /storeId/),
      )
    },
  )

  test('a schema or an adapter that is none is refused', async () => {
    await expect(openStore({ schema: {} as never })).rejects.toThrow(
      coded('InvalidArgument', /schema/),
    )
    await expect(openStore({ adapter: {} as never })).rejects.toThrow(
      coded('InvalidArgument', /adapter/),
    )
    await expect(createStorePromise(undefined as never)).rejects.toThrow(coded('InvalidArgument'))
  })

  test('an adapter that cannot connect rejects with its error', async () => {
    const error = new Error('no engine')
    await expect(openStore({ adapter: { connect: () => Promise.reject(error) } })).rejects.toThrow(
      error,
    )
  })

  test('a store that has lost its leader for good ends without waiting for one', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const inner = makeInMemoryAdapter()
    let fail: (error: LiveStoreError) => void = () => undefined
    const adapter: Adapter = {
      connect: async (options) => {
        const link = await inner.connect(options)
        const start: SessionLink['start'] = (handlers) => {
          fail = handlers.onFailure
          link.start(handlers)
        }
        return { ...link, start }
      },
    }
    const onError = vi.fn()
    const store = await openStore({ adapter, onError })
    fail(new LiveStoreError('SchemaMismatch', 'another build leads'))
    expect(onError.mock.calls, 'at once').toEqual([
      [coded('SchemaMismatch', /^another build leads.* waits for another leader/)],
    ])
    const { persisted } = store.commit(created('a'))
    await store.shutdown()
    await expect(persisted).rejects.toThrow(coded('Closed'))
    expect(onError.mock.calls.slice(1)).toEqual([
      [coded('SchemaMismatch', /1 event\(s\) not on disk: another build leads/)],
    ])
    expect(printed).toHaveBeenCalledTimes(2)
  })

  test('leaving the page asks only while events are pending', async () => {
    const target = new EventTarget()
    vi.stubGlobal('window', target)
    const leave = () => {
      const event = new Event('beforeunload', { cancelable: true })
      target.dispatchEvent(event)
      return event.defaultPrevented
    }
    const store = await openStore()
    expect(leave()).toBe(false)
    store.commit(created('a'))
    expect(leave()).toBe(true)
    await vi.waitFor(() => expect(store.syncStatus().isSynced).toBe(true))
    expect(leave()).toBe(false)
    store.commit(created('b'))
    const ending = store.shutdown()
    expect(leave()).toBe(true)
    await ending
    expect(leave()).toBe(false)

    const silent = await openStore({ confirmUnsavedChanges: false })
    silent.commit(created('a'))
    expect(leave()).toBe(false)
  })
})
