/** In Node, without a document: nothing crashes, and what can be rendered is. */

import { Suspense } from 'react'
import { renderToReadableStream, renderToString } from 'react-dom/server'
import { afterAll, expect, test } from 'vitest'
import { events, schema, todos } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import {
  LiveStoreProvider,
  StoreRegistry,
  StoreRegistryProvider,
  storeOptions,
  useStore,
} from './index.js'

const adapter = makeInMemoryAdapter()
const registry = new StoreRegistry()
afterAll(() => registry.dispose())

test('LiveStoreProvider renders that it loads', () => {
  expect('document' in globalThis).toBe(false)
  const html = renderToString(
    <LiveStoreProvider schema={schema} adapter={adapter}>
      <p>children</p>
    </LiveStoreProvider>,
  )
  expect(html).toContain('LiveStore is loading')
})

test('a store of a registry is waited for by a streaming render', async () => {
  const options = storeOptions({
    schema,
    adapter,
    storeId: 'server',
    boot: (store) => void store.commit(events.todoCreated({ id: 'a', text: '' })),
  })
  const Count = () => <p>{useStore(options).useQuery(todos.count())} todo</p>
  const stream = await renderToReadableStream(
    <StoreRegistryProvider storeRegistry={registry}>
      <Suspense fallback="waiting">
        <Count />
      </Suspense>
    </StoreRegistryProvider>,
  )
  await stream.allReady
  const html = await new Response(stream).text()
  expect(html.replaceAll('<!-- -->', '')).toContain('1 todo')
})
