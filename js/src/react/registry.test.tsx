// @vitest-environment happy-dom
/** Stores from a registry under Suspense, and the hooks that LiveStore 0.4 added. */

import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react'
import {
  Component,
  type ReactNode,
  StrictMode,
  Suspense,
  startTransition,
  useEffect,
  useState,
} from 'react'
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { events, schema, todos, ui } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { queryDb } from '../reactivity/definitions.js'
import { FAILURE_KEPT_MS } from '../store/registry-limits.js'
import type { Store } from '../store/store.js'
import {
  LiveList,
  StoreRegistry,
  StoreRegistryProvider,
  storeOptions,
  useQueryRef,
  useStore,
  useStoreRegistry,
} from './index.js'

const adapter = makeInMemoryAdapter({ sessionId: 'session1' })
const optionsOf = (storeId: string, unusedCacheTime?: number) =>
  storeOptions({ schema, adapter, storeId, unusedCacheTime })
const created = (id: string, text = '') => events.todoCreated({ id, text })
const text = (): string => document.body.textContent ?? ''
const shown = (expected: RegExp) => waitFor(() => expect(text()).toMatch(expected))

class Boundary extends Component<{ readonly children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {}
  static getDerivedStateFromError(error: Error) {
    return { error }
  }
  override render(): ReactNode {
    return this.state.error ? `caught: ${this.state.error.message}` : this.props.children
  }
}

let registry: StoreRegistry
const show = (element: ReactNode) =>
  render(element, {
    wrapper: ({ children }: { readonly children: ReactNode }) => (
      <StrictMode>
        <StoreRegistryProvider storeRegistry={registry}>
          <Boundary>
            <Suspense fallback="waiting">{children}</Suspense>
          </Boundary>
        </StoreRegistryProvider>
      </StrictMode>
    ),
  })

const Count = ({ storeId = 'a', cacheTime }: { storeId?: string; cacheTime?: number }) => {
  const store = useStore(optionsOf(storeId, cacheTime))
  expectTypeOf(store.schema).toEqualTypeOf(schema)
  const count = store.useQuery(todos.count())
  return (
    <button type="button" onClick={() => store.commit(created(`${Math.random()}`))}>
      {`${store.storeId} ${count}`}
    </button>
  )
}

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  registry = new StoreRegistry()
})
afterEach(async () => {
  cleanup()
  await registry.dispose()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe('useStore with options', () => {
  test('suspends until the store is there, and then reads it at once', async () => {
    show(<Count />)
    expect(text()).toBe('waiting')
    await shown(/^a 0$/)
    fireEvent.click(screen.getByRole('button'))
    await shown(/^a 1$/)
  })

  test('components share a store, and options written inline suspend nobody again', async () => {
    const suspended = vi.fn()
    const Fallback = () => {
      useEffect(suspended, [])
      return 'waiting'
    }
    let again: () => void = () => undefined
    const Pair = () => {
      const [n, set] = useState(0)
      again = () => set(n + 1)
      return (
        <Suspense fallback={<Fallback />}>
          <Count /> <Count />
        </Suspense>
      )
    }
    show(<Pair />)
    await shown(/^a 0 a 0$/)
    const times = suspended.mock.calls.length
    act(() => again())
    fireEvent.click(screen.getAllByRole('button')[0]!)
    await shown(/^a 1 a 1$/)
    expect(suspended).toHaveBeenCalledTimes(times)
  })

  test('another storeId suspends, and then shows the other store', async () => {
    const { rerender } = show(<Count storeId="a" />)
    await shown(/^a 0$/)
    fireEvent.click(screen.getByRole('button'))
    rerender(<Count storeId="b" />)
    await shown(/b 0$/)
    rerender(<Count storeId="a" />)
    expect(text(), 'it is still open').toBe('a 1')
  })

  test('in a transition the old store stays until the new one is there', async () => {
    let go: (storeId: string) => void = () => undefined
    const seen: string[] = []
    const Switch = () => {
      const [storeId, set] = useState('a')
      go = (next) => startTransition(() => set(next))
      return <Count storeId={storeId} />
    }
    show(<Switch />)
    await shown(/^a 0$/)
    act(() => go('b'))
    const observer = setInterval(() => seen.push(text()), 1)
    await shown(/^b 0$/)
    clearInterval(observer)
    expect(seen.filter((shownText) => shownText.includes('waiting'))).toEqual([])
  })

  test('a store that nobody uses is shut down, but not while StrictMode remounts', async () => {
    const { unmount } = show(<Count cacheTime={0} />)
    await shown(/^a 0$/)
    const store = registry.getOrLoadPromise(optionsOf('a')) as Store
    expect(store.query(todos.count())).toBe(0)
    unmount()
    await waitFor(() => expect(() => store.query(todos)).toThrow(/shut down/))
  })

  test('what fails goes to the error boundary, and may be tried again later', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const connect = vi.fn(() => Promise.reject(new Error('no engine here')))
    const failing = storeOptions({ schema, adapter: { connect }, storeId: 'a' })
    const Failing = () => <p>{useStore(failing).storeId}</p>
    show(<Failing />)
    await shown(/^caught: .*no engine here$/)
    expect(connect).toHaveBeenCalledTimes(1)
    expect(() => registry.getOrLoadPromise(failing)).toThrow(/no engine here/)
    expect(() => registry.retain(failing)()).not.toThrow()

    vi.useFakeTimers()
    const other = storeOptions({ schema, adapter: { connect }, storeId: 'b' })
    await registry.preload(other)
    expect(() => registry.getOrLoadPromise(other)).toThrow(/no engine here/)
    vi.advanceTimersByTime(FAILURE_KEPT_MS)
    await registry.preload(other)
    vi.useRealTimers()
    expect(connect).toHaveBeenCalledTimes(3)
  })

  test('without a provider of a registry it says so', () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const Lost = () => <p>{useStoreRegistry() && ''}</p>
    render(
      <Boundary>
        <Lost />
      </Boundary>,
    )
    expect(text()).toContain('must be used within <StoreRegistryProvider>')
  })

  test('a registry may be given in place of that of the provider', async () => {
    const Own = () => <p>{useStore({ ...optionsOf('own'), storeRegistry: registry }).storeId}</p>
    render(
      <Suspense>
        <Own />
      </Suspense>,
    )
    await shown(/^own$/)
  })
})

test('useSyncStatus renders when the leader has confirmed', async () => {
  const Status = () => {
    const store = useStore(optionsOf('a'))
    const { pendingCount, isSynced } = store.useSyncStatus()
    return (
      <button type="button" onClick={() => store.commit(created('x'))}>
        {`${pendingCount} ${isSynced}`}
      </button>
    )
  }
  await registry.preload(optionsOf('a'))
  const store = registry.getOrLoadPromise(optionsOf('a')) as Store
  const subscribe = vi.spyOn(store, 'subscribeSyncStatus')
  show(<Status />)
  await shown(/^0 true$/)
  await waitFor(() => expect(subscribe).toHaveBeenCalled())
  fireEvent.click(screen.getByRole('button'))
  expect(text()).toBe('1 false')
  await shown(/^0 true$/)
})

test('useQueryRef has the rendered result and the live query', async () => {
  const all$ = queryDb(todos.select('id'))
  const Ref = () => {
    const store = useStore(optionsOf('a'))
    const { valueRef, queryRcRef } = useQueryRef(all$, { store })
    return (
      <button type="button" onClick={() => store.commit(created('x'))}>
        {`${valueRef.current.join()} ${store.query(queryRcRef.value) === valueRef.current}`}
      </button>
    )
  }
  show(<Ref />)
  await shown(/^ true$/)
  fireEvent.click(screen.getByRole('button'))
  await shown(/^x true$/)
})

test('LiveList renders the rows again that changed, and no others', async () => {
  const renders: string[] = []
  const initial: boolean[] = []
  const renderItem = (
    { id, done }: typeof todos.Type,
    { isInitialListRender }: { readonly isInitialListRender: boolean },
  ) => {
    renders.push(id)
    initial.push(isInitialListRender)
    return <li>{`${id}${done ? '!' : ''}`}</li>
  }
  let store!: Store
  const List = () => {
    store = useStore(optionsOf('a'))
    return <LiveList items$={todos} getKey={({ id }) => id} renderItem={renderItem} store={store} />
  }
  await registry.preload(optionsOf('a'))
  ;(registry.getOrLoadPromise(optionsOf('a')) as Store).commit(created('a'), created('b'))
  show(<List />)
  await shown(/^ab$/)
  expect(initial.every(Boolean)).toBe(true)
  renders.length = 0
  initial.length = 0
  act(() => store.commit(events.todoDone({ id: 'b', done: true }), created('c')))
  await shown(/^ab!c$/)
  expect([...new Set(renders)]).toEqual(['b', 'c'])
  expect(initial.some(Boolean)).toBe(false)
})

test('a document in a component of a registry store is that of the session', async () => {
  const Filter = () => {
    const store = useStore(optionsOf('a'))
    const [{ filter }, set, id] = store.useClientDocument(ui)
    return (
      <button type="button" onClick={() => set({ filter: 'done' })}>
        {`${filter} ${id}`}
      </button>
    )
  }
  show(<Filter />)
  await shown(/^all session1$/)
  fireEvent.click(screen.getByRole('button'))
  await shown(/^done session1$/)
})
