/**
 * Pairs the client sessions of one store with its leader: for each pair a channel, one end to each.
 *
 *     tab ── join ──► broker ◄── lead, port to the worker ── leading tab
 *     tab ◄── leader-port ── broker ── session-port ──► leader worker
 *
 * That is all it does: no event passes through it, it holds no state of the store, and once two
 * ends are handed out it is not needed between them. A new leader is paired with every session
 * anew.
 *
 * Nobody says goodbye when a tab is closed or crashes. So every session and every leader names a
 * lock that it holds for as long as it lives; the broker waits in line for it and learns of the end
 * when its turn comes. Its own end is noticed in the same way: it holds a lock for its life, and
 * says so as soon as it does. All it knows the tabs know too, and they tell the next one.
 */

import type { ChannelLike, LocksLike, PortLike } from '../../js/src/env.js'
import {
  type BrokerToLeader,
  type BrokerToTab,
  brokerLockName,
  protocolVersion,
  type TabToBroker,
} from '../../js/src/protocol/messages.js'
import { TypedPort } from '../../js/src/protocol/port.js'
import { type Checked, checkTabToBroker } from '../../js/src/protocol/validate.js'

/** Tabs that are connected at one time. */
export const brokerSessionsMax = 1_000

export interface BrokerEnv {
  readonly locks: LocksLike
  createChannel(): ChannelLike
  /** Unlike that of any other broker. */
  readonly nonce: string
}

type TabPort = TypedPort<BrokerToTab<PortLike>, TabToBroker<PortLike>>

interface Member {
  readonly lockName: string
  readonly port: TabPort
}

interface Leader {
  readonly port: TypedPort<BrokerToLeader<PortLike>, never>
}

/** The leader has nothing to say to the broker. */
const nothing = (): Checked<never> => ({ ok: false, problem: 'a message to the broker' })

export class Broker {
  readonly #env: BrokerEnv
  /** By the name of the session's lock: tabs may share a session id. */
  readonly #members = new Map<string, Member>()
  #leader: Leader | undefined
  #storeId: string | undefined
  readonly #lockName: string
  readonly #lockHeld: Promise<void>

  constructor(env: BrokerEnv) {
    this.#env = env
    this.#lockName = brokerLockName(env.nonce)
    this.#lockHeld = new Promise((held) => {
      void env.locks.request(this.#lockName, {}, () => {
        held()
        return new Promise<void>(() => undefined)
      })
    })
  }

  /** A tab connected. */
  connect(port: PortLike): void {
    const tab: TabPort = new TypedPort(port, checkTabToBroker<PortLike>)
    let member: Member | undefined
    tab.listen({
      onMessage: (message) => {
        switch (message.type) {
          case 'join':
            if (!this.#accepts(tab, message)) return
            member = this.#join(tab, message.lockName)
            return
          case 'leave':
            if (member !== undefined) this.#leave(member)
            member = undefined
            return
          case 'lead':
            if (this.#accepts(tab, message)) this.#lead(message.port, message.lockName)
            return
        }
      },
      onMalformed: (problem) => refuse(tab, `the shared worker received ${problem}`),
    })
    void this.#lockHeld.then(() => tab.post({ type: 'ready', lockName: this.#lockName }))
  }

  /**
   * The worker is found by its name, which holds the store's id; a tab of another store is a bug.
   */
  #accepts(tab: TabPort, hello: { readonly protocol: number; readonly storeId: string }): boolean {
    if (hello.protocol !== protocolVersion) {
      refuse(
        tab,
        `the tab speaks protocol ${hello.protocol}, the shared worker ${protocolVersion}: ` +
          'another tab runs another build of this app. Close the other tabs and reload.',
      )
      return false
    }
    this.#storeId ??= hello.storeId
    if (this.#storeId !== hello.storeId) {
      refuse(
        tab,
        `this shared worker belongs to store ${this.#storeId}, not ${hello.storeId}: ` +
          'the factory passed as sharedWorker must hand on the name it is given',
      )
      return false
    }
    return true
  }

  #join(tab: TabPort, lockName: string): Member | undefined {
    if (this.#members.size >= brokerSessionsMax) {
      tab.post({
        type: 'error',
        code: 'LimitExceeded',
        message: `the shared worker already serves ${brokerSessionsMax} tabs`,
      })
      return undefined
    }
    const member = { lockName, port: tab }
    this.#members.set(lockName, member)
    this.#whenReleased(lockName, () => this.#leave(member))
    this.#pair(member)
    return member
  }

  #leave(member: Member): void {
    if (this.#members.get(member.lockName) !== member) return
    this.#members.delete(member.lockName)
    this.#leader?.port.post({ type: 'session-gone', session: member.lockName })
  }

  #lead(port: PortLike, lockName: string): void {
    this.#leader?.port.close()
    const leader: Leader = { port: new TypedPort(port, nothing) }
    this.#leader = leader
    this.#whenReleased(lockName, () => {
      leader.port.close()
      // Until the next leader says so, there is none: who joins meanwhile waits for it.
      if (this.#leader === leader) this.#leader = undefined
    })
    for (const member of this.#members.values()) this.#pair(member)
  }

  #pair(member: Member): void {
    if (this.#leader === undefined) return
    const { port1, port2 } = this.#env.createChannel()
    this.#leader.port.post({ type: 'session-port', session: member.lockName, port: port1 }, [
      port1 as unknown as Transferable,
    ])
    member.port.post({ type: 'leader-port', port: port2 }, [port2 as unknown as Transferable])
  }

  /** `mode: shared`, so that all who watch one lock learn of its release at once. */
  #whenReleased(lockName: string, task: () => void): void {
    void this.#env.locks.request(lockName, { mode: 'shared' }, task)
  }
}

const refuse = (tab: TabPort, message: string): void =>
  tab.post({ type: 'error', code: 'ProtocolMismatch', message })
