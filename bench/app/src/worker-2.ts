/** The leader worker of schema version 2, as a new release of the app would ship it. */

import { createBenchSchema } from './schema.js'
import { makeWorker } from './side/worker.js'

makeWorker({ schema: createBenchSchema(2) })
