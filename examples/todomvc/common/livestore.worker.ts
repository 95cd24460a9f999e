/** The leader worker of this app: it keeps the eventlog and the tables in OPFS. */

import { makeWorker } from 'livestore-wasm/worker'
import { schema } from './schema.js'

makeWorker({ schema })
