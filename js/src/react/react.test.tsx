// @vitest-environment happy-dom
/**
 * The hooks and the provider on the real engine, with how often they render.
 */

import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react'
import {
  Component,
  memo,
  type ReactNode,
  StrictMode,
  startTransition,
  useEffect,
  useLayoutEffect,
  useState,
} from 'react'
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { events, kv, notes, schema, todos, ui, userDocument } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { REPLACEMENTS_MAX } from '../bindings/store-lifetime.js'
import { computed, queryDb, signal } from '../reactivity/definitions.js'
import { SessionIdSymbol } from '../schema/index.js'
import { createStorePromise } from '../store/create-store.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'
import {
  LiveStoreContext,
  LiveStoreProvider,
  type LiveStoreProviderProps,
  useClientDocument,
  useQuery,
  useStore,
  withReactApi,
} from './index.js'
import { RENDER_HOLD_MS } from './watched-query.js'

const created = (id: string, text = '') => events.todoCreated({ id, text })
const liveQueries = (store: Store) => store[StoreInternalsSymbol].liveQueryCount()
const settled = () => act(() => new Promise<void>((resolve) => setTimeout(resolve, 20)))

const open: Store[] = []
const openStore = async (): Promise<Store> => {
  const adapter = makeInMemoryAdapter({ sessionId: 'session1' })
  const store = await createStorePromise({ schema, adapter, storeId: 'test' })
  open.push(store)
  return store
}

/** A store of its own, and `render` inside its context. */
const setUp = async () => {
  const store = withReactApi(await openStore())
  const context = { stage: 'running', store } as const
  const wrapper = ({ children }: { readonly children: ReactNode }) => (
    <LiveStoreContext.Provider value={context}>{children}</LiveStoreContext.Provider>
  )
  return { store, show: (element: ReactNode) => render(element, { wrapper }) }
}

/** Catches what a component throws, and shows its message. */
class Boundary extends Component<{ readonly children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {}
  static getDerivedStateFromError(error: Error) {
    return { error }
  }
  override render(): ReactNode {
    return this.state.error ? `caught: ${this.state.error.message}` : this.props.children
  }
}

const text = (): string => document.body.textContent ?? ''

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
})
afterEach(async () => {
  cleanup()
  await Promise.all(open.splice(0).map((store) => store.shutdown()))
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe('useQuery', () => {
  test('renders once, and once more per commit that changes the result', async () => {
    const { store, show } = await setUp()
    const renders = vi.fn()
    const all$ = queryDb(todos.select('id'))
    const List = () => {
      const ids = useQuery(all$)
      renders()
      return <p>{ids.join()}</p>
    }
    show(<List />)
    expect(renders).toHaveBeenCalledTimes(1)
    act(() => store.commit(created('a')))
    expect(text()).toBe('a')
    expect(renders).toHaveBeenCalledTimes(2)

    act(() => store.commit(events.noteSaved({ id: 'n', body: '' })))
    act(() => store.commit(events.todoDone({ id: 'a', done: false })))
    expect(renders).toHaveBeenCalledTimes(2)

    act(() => store.commit(created('b'), created('c'), created('d')))
    expect(text()).toBe('a,b,c,d')
    expect(renders).toHaveBeenCalledTimes(3)
  })

  test('takes definitions, builders, signals and live queries', async () => {
    const { store, show } = await setUp()
    store.commit(created('a'))
    const signal$ = signal('s')
    let live$: Parameters<typeof useQuery<number>>[0] = todos.count()
    store.subscribe(todos.count(), () => undefined, {
      onSubscribe: (query$) => {
        live$ = query$
      },
    })
    const All = () => (
      <p>
        {useQuery(queryDb(todos.count()))} {useQuery(todos.count())} {useQuery(signal$)}{' '}
        {useQuery(live$)}
      </p>
    )
    show(<All />)
    expect(text()).toBe('1 1 s 1')
    act(() => store.setSignal(signal$, 't'))
    expect(text()).toBe('1 1 t 1')
    expectTypeOf(useQuery<number>).returns.toBeNumber()
  })

  test('a builder or a definition made in every render is no loop', async () => {
    const { store, show } = await setUp()
    const renders = vi.fn()
    const Inline = ({ id }: { readonly id: string }) => {
      renders()
      const rows = useQuery(todos.where({ id }))
      const length = useQuery(queryDb(todos, { map: (all) => ({ length: all.length }) })).length
      const closure = useQuery(queryDb(() => todos.where({ id }).count()))
      return <p>{`${rows.map((row) => row.text)} ${length} ${closure}`}</p>
    }
    store.commit(created('a', 'A'), created('b', 'B'))
    const { rerender } = show(<Inline id="a" />)
    expect(text()).toBe('A 2 1')
    expect(renders).toHaveBeenCalledTimes(1)
    rerender(<Inline id="b" />)
    expect(text()).toBe('B 2 1')
    expect(renders).toHaveBeenCalledTimes(2)
    act(() => store.commit(created('c')))
    expect(text()).toBe('B 3 1')
    expect(renders).toHaveBeenCalledTimes(3)
    await settled()
    expect(liveQueries(store)).toBe(3)
  })

  test('another query shows its result in the same render', async () => {
    const { store, show } = await setUp()
    store.commit(created('a', 'A'), created('b', 'B'))
    const seen: string[] = []
    const One = ({ id }: { readonly id: string }) => {
      const row = useQuery(todos.where({ id }).first())
      seen.push(`${id} ${row?.text}`)
      return null
    }
    const { rerender } = show(<One id="a" />)
    rerender(<One id="b" />)
    expect(seen).toEqual(['a A', 'b B'])
  })

  test('a signal that filters renders once per set', async () => {
    const { store, show } = await setUp()
    store.commit(created('a', 'x'), created('b', 'y'))
    const filter$ = signal('x')
    const filtered$ = queryDb((get) => todos.where({ text: get(filter$) }).select('id'))
    const count$ = computed((get) => get(filtered$).join())
    const renders = vi.fn()
    const Filtered = () => {
      renders()
      return <p>{useQuery(count$)}</p>
    }
    show(<Filtered />)
    act(() => store.setSignal(filter$, 'y'))
    expect(text()).toBe('b')
    expect(renders).toHaveBeenCalledTimes(2)
  })

  test('two components share one query, and the last one to go ends it', async () => {
    const { store, show } = await setUp()
    const Count = memo(({ name }: { readonly name: string }) => (
      <p>{`${name}${useQuery(todos.count())}`}</p>
    ))
    const { rerender, unmount } = show([<Count key="a" name="a" />, <Count key="b" name="b" />])
    expect(liveQueries(store)).toBe(1)
    rerender([<Count key="a" name="a" />])
    await settled()
    expect(liveQueries(store)).toBe(1)
    unmount()
    await settled()
    expect(liveQueries(store)).toBe(0)
  })

  test('StrictMode renders twice and queries once', async () => {
    const { store, show } = await setUp()
    const query = vi.fn()
    const count$ = queryDb(todos, {
      map: (rows) => {
        query()
        return rows.length
      },
    })
    const Count = () => <p>{useQuery(count$)}</p>
    show(
      <StrictMode>
        <Count />
      </StrictMode>,
    )
    expect(query).toHaveBeenCalledTimes(1)
    act(() => store.commit(created('a')))
    expect(text()).toBe('1')
    expect(query).toHaveBeenCalledTimes(2)
    await settled()
    expect(liveQueries(store)).toBe(1)
  })

  test('a render that is never committed leaves nothing behind', async () => {
    const { store, show } = await setUp()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const Broken = (): ReactNode => {
      useQuery(todos)
      throw new Error('broken')
    }
    show(
      <Boundary>
        <Broken />
      </Boundary>,
    )
    expect(liveQueries(store)).toBe(1)
    vi.advanceTimersByTime(RENDER_HOLD_MS)
    await Promise.resolve()
    expect(liveQueries(store)).toBe(0)
  })

  test('an error of the query goes to the boundary, with its label', async () => {
    const { store, show } = await setUp()
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const odd$ = computed(
      (get) => {
        const count = get(queryDb(todos.count()))
        if (count === 1) throw new Error('one is odd')
        return count
      },
      { label: 'even' },
    )
    const Odd = () => <p>{useQuery(odd$)}</p>
    show(
      <Boundary>
        <Odd />
      </Boundary>,
    )
    expect(text()).toBe('0')
    act(() => store.commit(created('a')))
    expect(text()).toMatch(/caught: query 'even' threw: one is odd/)
  })

  test('a transition that commits shows what it committed', async () => {
    const { store, show } = await setUp()
    const Button = () => {
      const count = useQuery(todos.count())
      return (
        <button
          type="button"
          onClick={() => startTransition(() => void store.commit(created(`todo ${count}`)))}
        >
          {count}
        </button>
      )
    }
    show(<Button />)
    fireEvent.click(screen.getByRole('button'))
    fireEvent.click(screen.getByRole('button'))
    expect(text()).toBe('2')
  })

  test('an effect and a transition may return what their commit returned', async () => {
    const told = vi.spyOn(console, 'error')
    const { store, show } = await setUp()
    const ids$ = queryDb(todos.select('id'))
    const Committing = ({ id }: { readonly id: string }) => {
      useEffect(() => store.commit(created(`effect ${id}`)), [id])
      useLayoutEffect(() => store.commit(created(`layout effect ${id}`)), [id])
      return null
    }
    const { rerender, unmount } = show(<Committing id="a" />)
    act(() => startTransition(() => store.commit(created('transition'))))
    expect(store.query(ids$)).toEqual(['effect a', 'layout effect a', 'transition'])
    rerender(<Committing id="b" />)
    unmount()
    expect(store.query(todos.count())).toBe(5)
    expect(told).not.toHaveBeenCalled()
  })

  test('another store under the same query gives its own result', async () => {
    const [first, second] = [await openStore(), await openStore()]
    first.commit(created('a'))
    const Count = ({ store }: { readonly store: Store }) => (
      <p>{useQuery(todos.count(), { store })}</p>
    )
    const { rerender } = render(<Count store={first} />)
    expect(text()).toBe('1')
    rerender(<Count store={second} />)
    expect(text()).toBe('0')
  })

  test('outside of a provider it says so', () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const Lost = () => <p>{useQuery(todos).length}</p>
    render(
      <Boundary>
        <Lost />
      </Boundary>,
    )
    expect(text()).toContain('useQuery can only be used inside LiveStoreProvider')
  })
})

describe('useClientDocument', () => {
  test('creates the document once, also in StrictMode, without a second render', async () => {
    const { store, show } = await setUp()
    const renders = vi.fn()
    const Ui = () => {
      const [value, , id] = useClientDocument(ui)
      renders()
      return <p>{`${id} ${value.filter} ${value.count}`}</p>
    }
    const { unmount } = show(<Ui />)
    await settled()
    expect(text()).toBe('session1 all 0')
    expect(renders).toHaveBeenCalledTimes(1)
    unmount()
    show(
      <StrictMode>
        <Ui />
      </StrictMode>,
    )
    await settled()
    expect(store.syncStatus().localHead).toBe('e0.1')
  })

  test('setValue takes fields, and functions that see each other', async () => {
    const { store, show } = await setUp()
    const renders = vi.fn()
    const setters = new Set<unknown>()
    const Ui = () => {
      const [{ filter, count }, setUi] = useClientDocument(ui)
      renders()
      setters.add(setUi)
      const onClick = () => {
        setUi((current) => ({ count: current.count + 1 }))
        setUi((current) => ({ count: current.count + 1 }))
      }
      return (
        <button type="button" onClick={onClick} onFocus={() => setUi({ filter: 'done' })}>
          {`${filter} ${count}`}
        </button>
      )
    }
    show(<Ui />)
    fireEvent.click(screen.getByRole('button'))
    expect(text()).toBe('all 2')
    expect(renders).toHaveBeenCalledTimes(2)
    fireEvent.focus(screen.getByRole('button'))
    expect(text()).toBe('done 2')
    act(() => store.commit(ui.set({ filter: 'all' })))
    expect(text()).toBe('all 2')
    expect(renders).toHaveBeenCalledTimes(4)
    expect(setters.size).toBe(1)
  })

  test('the very value there is commits nothing', async () => {
    const { store, show } = await setUp()
    const Ui = () => {
      const [value, setUi] = useClientDocument(ui)
      return (
        <button
          type="button"
          onClick={() => {
            setUi(value)
            setUi((current) => current)
          }}
        >
          same
        </button>
      )
    }
    show(<Ui />)
    const before = store.syncStatus().localHead
    fireEvent.click(screen.getByRole('button'))
    expect(store.syncStatus().localHead).toBe(before)
  })

  test('another id shows its document at once', async () => {
    const { store, show } = await setUp()
    store.commit(userDocument.set({ name: 'Ann' }, 'u1'), userDocument.set({ name: 'Bob' }, 'u2'))
    const seen: string[] = []
    const User = ({ id }: { readonly id: string }) => {
      const [user, , resolvedId] = useClientDocument(userDocument, id)
      seen.push(`${resolvedId} ${user.name}`)
      return null
    }
    const { rerender } = show(<User id="u1" />)
    rerender(<User id="u2" />)
    await settled()
    expect(seen).toEqual(['u1 Ann', 'u2 Bob'])
  })

  test('anything at all: null, a number, an object', async () => {
    const { store, show } = await setUp()
    const seen: unknown[] = []
    const Kv = () => {
      seen.push(useClientDocument(kv)[0])
      return null
    }
    show(<Kv />)
    act(() => store.commit(kv.set(1)))
    act(() => store.commit(kv.set({ b: 2 })))
    expect(seen).toEqual([null, 1, { b: 2 }])
  })

  test('a default written inline, as second or third argument, and the live query', async () => {
    const { store, show } = await setUp()
    const renders = vi.fn()
    const User = () => {
      const [user, , , user$] = useClientDocument(userDocument, 'u1', { default: { name: 'Ann' } })
      const [own] = useClientDocument(ui, { default: { filter: 'done' } })
      const [session] = useClientDocument(userDocument, SessionIdSymbol)
      renders()
      expect(store.query(user$)).toBe(user)
      return <p>{`${user.name} ${own.filter} ${session.name}`}</p>
    }
    show(<User />)
    await settled()
    expect(text()).toBe('Ann done nobody')
    expect(renders).toHaveBeenCalledTimes(1)
  })

  test('a table that is no client document, and a document without an id', async () => {
    const { show } = await setUp()
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const Wrong = () => <p>{useClientDocument(todos as never)[2]}</p>
    const NoId = () => <p>{useClientDocument(userDocument)[2]}</p>
    show([
      <Boundary key="a">
        <Wrong />
      </Boundary>,
      <Boundary key="b">
        <NoId />
      </Boundary>,
    ])
    expect(text()).toContain("the table 'todos' is not a client document")
    expect(text()).toContain('userDocument.get: no id is given')
  })

  test('as a method of the store, with an id, options or neither', async () => {
    const { store, show } = await setUp()
    const All = () => {
      const [own] = store.useClientDocument(ui, { default: { filter: 'open' } })
      const [ann, setAnn] = store.useClientDocument(userDocument, 'u1', {
        default: { name: 'Ann' },
      })
      const { store: same } = useStore({ store })
      return (
        <button type="button" onClick={() => setAnn({ name: 'Anna' })}>
          {`${own.filter} ${ann.name} ${same === store}`}
        </button>
      )
    }
    show(<All />)
    fireEvent.click(screen.getByRole('button'))
    expect(text()).toBe('open Anna true')
  })

  test('types follow from the document', () => {
    const typed = () => {
      const [value, set, id] = useClientDocument(ui)
      expectTypeOf(value).toEqualTypeOf<{ readonly filter: string; readonly count: number }>()
      expectTypeOf(id).toBeString()
      set({ filter: 'x' })
      set((current) => ({ count: current.count + 1 }))
      // @ts-expect-error There is no such field of this type.
      set({ filter: 7 })
      // @ts-expect-error A table is not a document.
      useClientDocument(notes)
    }
    expect(typed).toBeTypeOf('function')
  })
})

describe('LiveStoreProvider', () => {
  const adapter = makeInMemoryAdapter({ sessionId: 'session1' })
  const Count = () => {
    const { store } = useStore()
    return (
      <button type="button" onClick={() => store.commit(created(`todo ${Math.random()}`))}>
        {store.useQuery(todos.count())}
      </button>
    )
  }
  const shown = (expected: RegExp) => waitFor(() => expect(text()).toMatch(expected))
  const Provider = (props: Partial<LiveStoreProviderProps>) => (
    <LiveStoreProvider schema={schema} adapter={adapter} {...props}>
      <Count />
    </LiveStoreProvider>
  )

  test('shows how it loads, then its children, and ends the store when it goes', async () => {
    const stages: string[] = []
    let store: Store | undefined
    const { unmount } = render(
      <Provider
        renderLoading={({ stage }) => {
          stages.push(stage)
          return 'loading'
        }}
        boot={(booting) => {
          store = booting
          booting.commit(created('in boot'))
        }}
      />,
    )
    expect(text()).toBe('loading')
    await shown(/^1$/)
    expect(stages[0]).toBe('loading')
    fireEvent.click(screen.getByRole('button'))
    expect(text()).toBe('2')
    expect(store?.storeId).toBe('default')
    unmount()
    expect(() => store?.query(todos)).toThrow(expect.objectContaining({ code: 'Closed' }))
  })

  test('inline props make no new store, and StrictMode makes one', async () => {
    const boots = vi.fn()
    const inline = () => (
      <StrictMode>
        <Provider
          boot={() => {
            boots()
          }}
          renderLoading={() => <i>wait</i>}
          batchUpdates={(run) => run()}
        />
      </StrictMode>
    )
    const { rerender } = render(inline())
    await shown(/^0$/)
    fireEvent.click(screen.getByRole('button'))
    rerender(inline())
    rerender(inline())
    await settled()
    expect(text()).toBe('1')
    expect(boots).toHaveBeenCalledTimes(1)
  })

  test('another storeId is another store, after the end of the one before', async () => {
    const { rerender } = render(<Provider storeId="one" />)
    await shown(/^0$/)
    fireEvent.click(screen.getByRole('button'))
    rerender(<Provider storeId="two" />)
    expect(text()).toContain('loading')
    await shown(/^0$/)
  })

  test('an adapter made in every render is warned about, and the store is kept', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const boots = vi.fn()
    let renderAgain: () => void = () => undefined
    const App = () => {
      const [, set] = useState(0)
      renderAgain = () => set((n) => n + 1)
      return <Provider adapter={makeInMemoryAdapter()} boot={() => void boots()} />
    }
    render(<App />)
    for (let i = 0; i < REPLACEMENTS_MAX + 4; i++) {
      await shown(/^0$/)
      act(() => renderAgain())
    }
    await shown(/^0$/)
    expect(boots).toHaveBeenCalledTimes(REPLACEMENTS_MAX + 1)
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/'adapter' or 'schema'/))
  })

  test('what fails is shown, and can be rendered by the app', async () => {
    const failing = { connect: () => Promise.reject(new Error('no engine here')) }
    const { rerender } = render(<Provider adapter={failing} />)
    await shown(/no engine here/)
    rerender(<Provider adapter={failing} renderError={(error) => `mine: ${error}`} />)
    expect(text()).toMatch(/^mine: .*no engine here/)
    rerender(<Provider storeId="not valid" />)
    await shown(/not valid/)
  })

  test('a store that is shut down says so', async () => {
    let store: Store | undefined
    render(
      <Provider
        boot={(booting) => {
          store = booting
        }}
        renderShutdown={({ code, message }) => `over: ${code} ${message}`}
      />,
    )
    await shown(/^0$/)
    act(() => void store?.shutdown())
    await shown(/^over: Closed it was shut down by the app$/)
  })

  test('an aborted signal says so', async () => {
    const controller = new AbortController()
    render(<Provider signal={controller.signal} />)
    await shown(/^0$/)
    act(() => controller.abort())
    await shown(/signal was aborted/)
  })

  test('useStore outside of it says so', () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    render(
      <Boundary>
        <Count />
      </Boundary>,
    )
    expect(text()).toContain('useStore can only be used inside LiveStoreProvider')
  })
})
