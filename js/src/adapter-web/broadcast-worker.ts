/**
 * Stands in for the shared worker where the browser has none, as on Android: what does its work is
 * loaded then, and only then.
 */

import type { PortLike, SharedWorkerLike } from '../env.js'
import { messageOf } from '../errors.js'
import { createInProcessChannel } from '../protocol/in-process-channel.js'
import type { BroadcastBroker, BroadcastBrokerEnv } from './broadcast-broker.js'

type Load = () => Promise<{ readonly BroadcastBroker: typeof BroadcastBroker }>

/** `name` is the one that the shared worker would have. */
export const makeBroadcastWorker = (
  env: BroadcastBrokerEnv,
  name: string,
  load: Load = () => import('./broadcast-broker.js'),
): SharedWorkerLike => {
  const { port1, port2 } = createInProcessChannel()
  let isClosed = false
  let broker: BroadcastBroker | undefined
  let onError: (event: { readonly message?: string }) => void = () => undefined
  load().then(
    (module) => {
      if (!isClosed) broker = new module.BroadcastBroker(env, name, port2)
    },
    (thrown: unknown) => onError({ message: messageOf(thrown) }),
  )
  const port: PortLike = {
    postMessage: (message, transfer) => port1.postMessage(message, transfer),
    addEventListener: (type, listener) => port1.addEventListener(type, listener),
    start: () => port1.start?.(),
    // Unlike a shared worker it would live as long as the page.
    close: () => {
      isClosed = true
      port1.close?.()
      broker?.close()
    },
  }
  return {
    port,
    addEventListener: (_, listener) => {
      onError = listener
    },
  }
}
