/** All that holds for tabs holds where there are no shared workers, too. */

import { TestOrigin } from '../../test/origin.js'

TestOrigin.hasSharedWorkers = false
await import('./tab.test.js')
await import('./leader-worker-ends.test.js')
await import('./tabs-at-random.test.js')
