import { makeWorker } from 'livestore-wasm/worker'
import { makeHttpBackend } from './http-backend.js'
import { makeTestedSchema } from './schema.js'

makeWorker({ schema: makeTestedSchema({ version: 1 }).schema, sync: { backend: makeHttpBackend } })
