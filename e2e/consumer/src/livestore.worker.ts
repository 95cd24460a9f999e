import { makeWorker } from 'livestore-wasm/worker'
import { schema } from './schema'

makeWorker({ schema })
