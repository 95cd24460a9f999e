import { makeWorker } from '../node_modules/livestore-wasm/dist/worker.jsx'
import { schema } from './schema.js'

makeWorker({ schema })
