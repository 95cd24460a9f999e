/**
 * The shared worker's script: importing it as a shared worker starts the broker, one per store.
 */

import type { LocksLike, PortLike } from '../../js/src/env.js'
import { Broker } from './broker.js'

interface SharedWorkerScope {
  readonly navigator: { readonly locks: LocksLike }
  addEventListener(
    type: 'connect',
    listener: (event: { readonly ports: readonly PortLike[] }) => void,
  ): void
}

const scope = globalThis as unknown as SharedWorkerScope
const broker = new Broker({
  locks: scope.navigator.locks,
  createChannel: () => new MessageChannel(),
  nonce: crypto.randomUUID(),
})

scope.addEventListener('connect', ({ ports: [port] }) => {
  if (port !== undefined) broker.connect(port)
})
