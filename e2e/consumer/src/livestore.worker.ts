import { makeWsSync } from 'livestore-wasm/sync-cf/client'
import { makeWorker } from 'livestore-wasm/worker'
import { schema } from './schema'

// There is no server: what counts is that the worker is found and bundled with what it imports.
const isDeployed = location.hostname === 'example.com'

makeWorker({
  schema,
  sync: isDeployed ? { backend: makeWsSync({ url: 'wss://sync.example.com' }) } : undefined,
})
