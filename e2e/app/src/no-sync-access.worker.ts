import './no-sync-access.js'
import { makeWorker } from 'livestore-wasm/worker'
import { makeTestedSchema } from './schema.js'

makeWorker({ schema: makeTestedSchema({ version: 1 }).schema })
