/** The leader worker of schema version 1. */

import { createBenchSchema } from './schema.js'
import { makeWorker } from './side/worker.js'

makeWorker({ schema: createBenchSchema(1) })
