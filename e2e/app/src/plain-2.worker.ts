import { makeWorker } from 'livestore-wasm/worker'
import { makeTestedSchema } from './schema.js'

makeWorker({ schema: makeTestedSchema({ version: 2 }).schema })
