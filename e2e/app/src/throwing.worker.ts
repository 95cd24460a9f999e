/** Its materializer refuses what the page's accepts: a bug that an app may have. */

import { makeWorker } from 'livestore-wasm/worker'
import { makeTestedSchema } from './schema.js'

makeWorker({ schema: makeTestedSchema({ version: 1, throwsOn: 'poison' }).schema })
