/** On a server: what there is is rendered, and nothing is left behind. */

import { expect, test } from 'vitest'
import { createSSRApp, defineComponent, h } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { events, schema, todos } from '../../test/todo-schema.js'
import { makeInMemoryAdapter } from '../adapter-web/index.js'
import { createStorePromise } from '../store/create-store.js'
import { StoreInternalsSymbol } from '../store/store.js'
import { LiveStoreProvider, useQuery, useSyncStatus } from './index.js'

test('the provider renders that it loads, and opens no store that nobody would end', async () => {
  expect('window' in globalThis).toBe(false)
  const connect = () => {
    throw new Error('a server opened a store')
  }
  const options = { schema, adapter: { connect }, storeId: 'server' }
  const app = createSSRApp({ render: () => h(LiveStoreProvider, { options }) })
  expect(await renderToString(app)).toContain('Loading (loading)')
})

test('a query of a store that is given is read, and not followed', async () => {
  const adapter = makeInMemoryAdapter()
  const store = await createStorePromise({ schema, adapter, storeId: 'server' })
  store.commit(events.todoCreated({ id: 'a', text: '' }))
  const Count = defineComponent({
    setup: () => {
      const count = useQuery(todos.count(), { store: store as never })
      const status = useSyncStatus({ store: store as never })
      return () => h('p', `${count.value} ${status.value.pendingCount}`)
    },
  })
  expect(await renderToString(createSSRApp(Count))).toBe('<p>1 1</p>')
  expect(store[StoreInternalsSymbol].liveQueryCount()).toBe(0)
  await store.shutdown()
})
