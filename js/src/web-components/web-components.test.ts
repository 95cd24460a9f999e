// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { events, schema, todos } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { createStorePromise } from '../store/create-store.js'
import { type Store, StoreInternalsSymbol } from '../store/store.js'
import { provideStore, storeContext, withStore } from './index.js'

const created = (id: string) => events.todoCreated({ id, text: '' })
const live = (of: Store) => of[StoreInternalsSymbol].liveQueryCount()

const Element = withStore(HTMLElement)
const connected = vi.fn()
class TodoCount extends Element {
  override storeConnected(store: Store): void {
    connected(store)
    this.watch(todos.count(), (count) => {
      this.textContent = String(count)
    })
    this.watchSyncStatus(({ pendingCount }) => {
      this.dataset.pending = String(pendingCount)
    })
  }
}
customElements.define('todo-count', TodoCount)

let store: Store
const ends: (() => void)[] = []
beforeEach(async () => {
  store = await createStorePromise({ schema, adapter: makeInMemoryAdapter(), storeId: 'test' })
})
afterEach(async () => {
  document.body.replaceChildren()
  for (const end of ends.splice(0)) end()
  await store.shutdown()
  vi.clearAllMocks()
})

const add = (): TodoCount => {
  const element = new TodoCount()
  document.body.append(element)
  return element
}

test('an element finds the store above it, and follows it while it is connected', async () => {
  ends.push(provideStore(document.body, store))
  const element = add()
  expect(element.textContent).toBe('0')
  expect(element.store).toBe(store)
  store.commit(created('a'))
  expect([element.textContent, element.dataset.pending]).toEqual(['1', '1'])

  element.remove()
  store.commit(created('b'))
  await Promise.resolve()
  expect(element.textContent).toBe('1')
  expect(element.store).toBeUndefined()
  expect(live(store)).toBe(0)

  document.body.append(element)
  expect(element.textContent).toBe('2')
  expect(connected).toHaveBeenCalledTimes(2)
})

test('an element waits for a store that is promised, unless it is gone by then', async () => {
  let resolve: (ready: Store) => void = () => undefined
  const promise = new Promise<Store>((settle) => {
    resolve = settle
  })
  ends.push(provideStore(document.body, promise))
  const [stays, goes, returns] = [add(), add(), add()]
  expect(stays.textContent).toBe('')
  goes.remove()
  returns.remove()
  document.body.append(returns)
  resolve(store)
  await promise
  await Promise.resolve()
  expect([stays.textContent, goes.textContent, returns.textContent]).toEqual(['0', '', '0'])
  expect(connected).toHaveBeenCalledTimes(2)
})

test('the nearest store counts', async () => {
  const adapter = makeInMemoryAdapter()
  const inner = await createStorePromise({ schema, adapter, storeId: 'inner' })
  ends.push(() => void inner.shutdown())
  const section = document.createElement('section')
  document.body.append(section)
  ends.push(provideStore(document.body, store), provideStore(section, inner))
  const element = new TodoCount()
  section.append(element)
  expect(element.store).toBe(inner)
})

test('a subscription may be ended before its element', () => {
  ends.push(provideStore(document.body, store))
  const element = add()
  const seen: number[] = []
  const end = element.watch(todos.count(), (count) => void seen.push(count))
  store.commit(created('a'))
  end()
  end()
  store.commit(created('b'))
  expect(seen).toEqual([0, 1])
})

test('without a store an element says what to do', () => {
  const element = new TodoCount()
  expect(() => element.watch(todos, () => undefined)).toThrow(/<todo-count> has no store/)
  expect(() => element.connectedCallback()).toThrow(/call provideStore for an element above it/)
})

test('elements of other libraries may ask, and requests for other things pass by', () => {
  const outer = vi.fn()
  document.body.addEventListener('context-request', outer)
  const section = document.createElement('section')
  document.body.append(section)
  ends.push(provideStore(section, store))
  const ask = (context: unknown) => {
    const callback = vi.fn()
    const event = new Event('context-request', { bubbles: true, composed: true })
    section.dispatchEvent(Object.assign(event, { context, callback }))
    return callback
  }
  expect(ask(storeContext)).toHaveBeenCalledWith(store)
  expect(outer).not.toHaveBeenCalled()
  expect(ask('another')).not.toHaveBeenCalled()
  expect(outer).toHaveBeenCalledTimes(1)
  document.body.removeEventListener('context-request', outer)
})

test('a base class keeps its callbacks', () => {
  const calls: string[] = []
  class Base extends HTMLElement {
    connectedCallback(): void {
      calls.push('connected')
    }
    disconnectedCallback(): void {
      calls.push('disconnected')
    }
  }
  class Derived extends withStore(Base) {}
  customElements.define('derived-element', Derived)
  ends.push(provideStore(document.body, store))
  const element = new Derived()
  document.body.append(element)
  element.remove()
  expect(calls).toEqual(['connected', 'disconnected'])
})
