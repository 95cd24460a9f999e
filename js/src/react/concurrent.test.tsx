// @vitest-environment happy-dom
/** Renders that React interrupts: what is shown together is of one moment. */

import { act, cleanup, render, waitFor } from '@testing-library/react'
import { type ReactNode, StrictMode, Suspense, startTransition, use, useState } from 'react'
import { afterEach, expect, test } from 'vitest'
import { events, schema, todos } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { queryDb } from '../reactivity/definitions.js'
import { createStorePromise } from '../store/create-store.js'
import type { Store } from '../store/store.js'
import { useQuery } from './index.js'

const count$ = queryDb(todos.count(), { label: 'count' })
const created = (id: string) => events.todoCreated({ id, text: '' })

let store: Store
afterEach(async () => {
  cleanup()
  await store.shutdown()
})

/** Long enough for React to give way to other tasks between two of these. */
const busy = () => {
  const end = performance.now() + 8
  while (performance.now() < end);
}

test('a commit in the middle of a transition is seen by all components, or by none', async () => {
  const adapter = makeInMemoryAdapter()
  store = (await createStorePromise({ schema, adapter, storeId: 'test' })) as unknown as Store
  const rendered: number[] = []
  let renderedBefore: number | undefined
  const Cell = ({ generation }: { readonly generation: number }) => {
    rendered.push(generation)
    if (generation === 1 && renderedBefore === undefined) {
      renderedBefore = 0
      // React gives way for it, because a cell takes longer than it works in one go.
      setImmediate(() => {
        renderedBefore = rendered.filter((of) => of === 1).length
        store.commit(created('a'))
      })
    }
    busy()
    return <i>{`${generation}:${useQuery(count$, { store })} `}</i>
  }
  let go: () => void = () => undefined
  const Grid = () => {
    const [generation, set] = useState(0)
    go = () => startTransition(() => set((n) => n + 1))
    return 'abcdefghijkl'.split('').map((key) => <Cell key={key} generation={generation} />)
  }
  const shown: string[] = []
  const cells = () => [...document.querySelectorAll('i')].map((cell) => cell.textContent)
  render(<Grid />)
  const observer = new MutationObserver(() => shown.push([...new Set(cells())].join('|')))
  observer.observe(document.body, { subtree: true, childList: true, characterData: true })

  go()
  await waitFor(() => expect(cells()).toEqual(Array(12).fill('1:1 ')), { timeout: 10_000 })
  observer.disconnect()
  expect(renderedBefore, 'the commit came in the middle').toBeLessThan(12)
  expect(shown.filter((text) => text.includes('|'))).toEqual([])
})

test('a component that suspends shows the result of when it is shown', async () => {
  const adapter = makeInMemoryAdapter()
  store = (await createStorePromise({ schema, adapter, storeId: 'test' })) as unknown as Store
  let resolve: () => void = () => undefined
  const wait = new Promise<void>((settle) => {
    resolve = settle
  })
  const Late = (): ReactNode => {
    const count = useQuery(count$, { store })
    use(wait)
    return count
  }
  await act(async () => {
    render(
      <StrictMode>
        <Suspense fallback="waiting">
          <Late />
        </Suspense>
      </StrictMode>,
    )
  })
  expect(document.body.textContent).toBe('waiting')
  await act(async () => {
    store.commit(created('a'))
    resolve()
  })
  expect(document.body.textContent).toBe('1')
})
