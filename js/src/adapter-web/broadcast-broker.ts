/**
 * What the shared worker does, where there is none: each tab has one of these, and they find each
 * other in a broadcast channel of the store, the room.
 *
 *     following tab ── join, name of a channel ──► room ──► leading tab ── name ──► leader worker
 *     following tab ◄══════ a port over the channel of that name ══════════════════► leader worker
 *     leading tab   ── leads ──► room ──► every following tab joins anew
 *
 * Whoever enters the room listens before it speaks, so that of a follower and a leader who come at
 * the same time at least one hears the other. As in the shared worker, ends are noticed by locks,
 * and a new leader is paired with every session anew.
 *
 * Loaded only where it is needed. The tab speaks to it as it does to the shared worker.
 */

import type { BroadcastLike, LocksLike, PortLike } from '../env.js'
import { BroadcastPort } from '../protocol/broadcast-port.js'
import {
  type BrokerToLeader,
  type BrokerToTab,
  protocolVersion,
  type RoomMessage,
  type TabToBroker,
} from '../protocol/messages.js'
import { TypedPort } from '../protocol/port.js'
import { type Checked, checkRoomMessage, checkTabToBroker } from '../protocol/validate.js'

export interface BroadcastBrokerEnv {
  readonly locks: LocksLike
  openBroadcast(name: string): BroadcastLike
}

interface Leader {
  readonly port: TypedPort<BrokerToLeader<PortLike>, never>
  /** The channel of each session, by the name of its lock. */
  readonly channels: Map<string, string>
}

/** The leader has nothing to say to a broker. */
const nothing = (): Checked<never> => ({ ok: false, problem: 'a message to the broker' })

export class BroadcastBroker {
  readonly #env: BroadcastBrokerEnv
  readonly #tab: TypedPort<BrokerToTab<PortLike>, TabToBroker<PortLike>>
  readonly #room: BroadcastLike
  readonly #over = new AbortController()
  /** The session of this tab, while it follows. */
  #session: string | undefined
  #pairings = 0
  /** Until its other end is there. */
  #pairing: BroadcastPort | undefined
  #leader: Leader | undefined

  /** `name` is the one that the shared worker would have; `port` leads to the tab. */
  constructor(env: BroadcastBrokerEnv, name: string, port: PortLike) {
    this.#env = env
    // Of another version nothing is understood: it has a room of its own.
    this.#room = env.openBroadcast(`${name}-${protocolVersion}`)
    this.#room.addEventListener('message', ({ data }) => {
      const checked = checkRoomMessage(data)
      if (checked.ok) this.#hear(checked.message)
    })
    this.#tab = new TypedPort(port, checkTabToBroker<PortLike>)
    this.#tab.listen({
      onMessage: (message) => this.#take(message),
      onMalformed: (problem) =>
        this.#tab.post({ type: 'error', code: 'ProtocolMismatch', message: problem }),
    })
    this.#tab.post({ type: 'ready' })
  }

  close(): void {
    this.#take({ type: 'leave' })
    this.#over.abort()
    this.#leader?.port.close()
    this.#leader = undefined
    this.#tab.close()
    this.#room.close()
  }

  #take(message: TabToBroker<PortLike>): void {
    switch (message.type) {
      case 'join':
        this.#session = message.lockName
        this.#pair(message.lockName)
        break
      case 'leave':
        if (this.#session === undefined) return
        this.#say({ type: 'leave', session: this.#session })
        this.#session = undefined
        this.#pairing?.close()
        this.#pairing = undefined
        break
      case 'lead':
        this.#lead(message.port, message.lockName)
    }
  }

  #hear(message: RoomMessage): void {
    switch (message.type) {
      case 'join':
        this.#admit(message.session, message.channel)
        break
      case 'leave':
        this.#dismiss(message.session)
        break
      case 'leads':
        if (this.#session !== undefined) this.#pair(this.#session)
    }
  }

  // --- following --------------------------------------------------------------------------------

  #pair(session: string): void {
    this.#pairing?.close()
    this.#pairings += 1
    // No other tab has a lock of this name, so none has a channel of it.
    const channel = `${session}-${this.#pairings}`
    const port = BroadcastPort.connect(this.#env.openBroadcast(channel), () => {
      this.#pairing = undefined
      this.#tab.post({ type: 'leader-port', port }, [port as unknown as Transferable])
    })
    this.#pairing = port
    this.#say({ type: 'join', session, channel })
  }

  // --- leading ----------------------------------------------------------------------------------

  #lead(port: PortLike, lockName: string): void {
    this.#leader?.port.close()
    const leader: Leader = { port: new TypedPort(port, nothing), channels: new Map() }
    this.#leader = leader
    this.#whenReleased(lockName, () => {
      leader.port.close()
      if (this.#leader === leader) this.#leader = undefined
    })
    this.#say({ type: 'leads' })
  }

  #admit(session: string, channel: string): void {
    const leader = this.#leader
    if (leader === undefined) return
    const isNew = !leader.channels.has(session)
    leader.channels.set(session, channel)
    leader.port.post({ type: 'session-channel', session, channel })
    if (isNew) this.#whenReleased(session, () => this.#dismiss(session))
  }

  #dismiss(session: string): void {
    if (this.#leader?.channels.delete(session) !== true) return
    this.#leader.port.post({ type: 'session-gone', session })
  }

  #whenReleased(lockName: string, task: () => void): void {
    const { signal } = this.#over
    this.#env.locks.request(lockName, { mode: 'shared', signal }, task).catch(() => undefined)
  }

  #say(message: RoomMessage): void {
    this.#room.postMessage(message)
  }
}
