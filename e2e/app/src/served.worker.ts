import { makeWsSync } from 'livestore-wasm/sync-cf/client'
import { makeWorker } from 'livestore-wasm/worker'
import { makeTestedSchema } from './schema.js'

makeWorker({
  schema: makeTestedSchema({ version: 1 }).schema,
  sync: {
    // Only the test knows where its server is.
    backend: (args) => makeWsSync({ url: (args.payload as { syncUrl: string }).syncUrl })(args),
  },
})
