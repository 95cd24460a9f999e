/**
 * The browser in memory, for tests: locks, channels, workers, storage and a clock by hand.
 *
 * Locks grant in order as the Web Locks specification says. Ports deliver asynchronously and in
 * order, clone what is posted and detach what is transferred; a killed context neither sends nor
 * receives, and its locks are released. Nothing here waits on real time.
 */

import type {
  BroadcastLike,
  ChannelLike,
  Clock,
  DirectoryLike,
  FileHandle,
  LocksLike,
  PortLike,
  SharedWorkerLike,
  WorkerLike,
} from '../src/env.js'
import type { LiveStoreLog } from '../src/protocol/messages.js'
import type { SyncedLeader } from '../src/sync/sync-driver.js'
import type { SeqNum } from '../src/wasm/values.js'

// --- engine --------------------------------------------------------------------------------------

/** The syncing side of a leader that was opened without a backend; its log seems empty. */
export class UnsyncedLeader implements SyncedLeader {
  localHead(): SeqNum {
    return { global: 0, client: 0, generation: 0 }
  }
  importLiveStore(_?: LiveStoreLog): number {
    return 0
  }
  settledAfter(): Uint8Array {
    return new Uint8Array()
  }
  hasWork(): boolean {
    return false
  }
  nextRequests(): [] {
    return []
  }
  wakeAt(): undefined {}
  onPulled(): void {}
  onPullEnded(): void {}
  onPullFailed(): void {}
  onPushTaken(): void {}
  onPushFailed(): void {}
  onPushRefused(): void {}
  onBackendReplaced(): void {}
  onConnection(): void {}
  syncStatus(): { caughtUp: boolean; halted: boolean } {
    return { caughtUp: false, halted: false }
  }
}

// --- clock --------------------------------------------------------------------------------------

/** Time that passes when the test says so. Turns run by themselves, after pending messages. */
export class TestClock implements Clock {
  #now = 0
  #timers: { at: number; task: () => void }[] = []

  now(): number {
    return this.#now
  }

  after(delayMs: number, task: () => void): () => void {
    const timer = { at: this.#now + delayMs, task }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  nextTurn(task: () => void): void {
    setImmediate(task)
  }

  /** Lets `ms` pass, running every timer at its time, and what each sets in motion. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settle()
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.at <= until)
        .sort((a, b) => a.at - b.at)
        .at(0)
      if (next === undefined) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = next.at
      next.task()
      await settle()
    }
    this.#now = until
  }
}

/** Resolves when messages, turns and promises in flight have come to rest. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** How many turns too late all comes that crosses contexts. Set at random to look for races. */
export const delays: { turns: (() => number) | undefined } = { turns: undefined }

/** Runs `task` as what comes from another context does. */
export const later = (task: () => void): void => {
  let turns = delays.turns?.() ?? 0
  const wait = (): void => {
    if (turns-- > 0) setImmediate(wait)
    else task()
  }
  setImmediate(wait)
}

/** The same, for what comes on one way: in the order in which it was sent. */
const inOrder = (): typeof later => {
  const waiting: (() => void)[] = []
  return (task) => {
    waiting.push(task)
    later(() => waiting.shift()?.())
  }
}

// --- contexts -----------------------------------------------------------------------------------

/** A tab or worker that can die. What belongs to it dies with it, in the way a browser does it. */
export class TestContext {
  #alive = true
  #frozen = false
  #waiting: (() => void)[] = []
  readonly #onDeath: (() => void)[] = []

  get alive(): boolean {
    return this.#alive
  }

  onDeath(task: () => void): void {
    if (this.#alive) this.#onDeath.push(task)
    else task()
  }

  /** Nothing runs in it, and what it holds it keeps. */
  freeze(): void {
    this.#frozen = true
  }

  /** It goes on, with all that has come meanwhile, in order. */
  thaw(): void {
    this.#frozen = false
    for (const task of this.#waiting.splice(0)) setImmediate(() => this.run(task))
  }

  /** Runs `task` as soon as anything runs here. */
  run(task: () => void): void {
    if (this.#frozen) this.#waiting.push(task)
    else if (this.#alive) task()
  }

  /** As closing a tab or terminating a worker: at once, with no chance to say a word. */
  kill(): void {
    if (!this.#alive) return
    this.#alive = false
    for (const task of this.#onDeath.splice(0)) task()
  }
}

// --- locks --------------------------------------------------------------------------------------

interface LockRequest {
  readonly name: string
  readonly mode: 'exclusive' | 'shared'
  readonly context: TestContext
  grant(): void
  onGrant?: () => void
}

/** The lock manager of one origin. Each context gets its own view of it by `for`. */
export class TestLocks {
  readonly #queues = new Map<string, LockRequest[]>()
  readonly #held = new Map<string, LockRequest[]>()

  heldNames(): string[] {
    return [...this.#held].filter(([, holders]) => holders.length > 0).map(([name]) => name)
  }

  queueLength(name: string): number {
    return this.#queues.get(name)?.length ?? 0
  }

  for(context: TestContext): LocksLike {
    const [toManager, fromManager] = [inOrder(), inOrder()]
    return {
      request: (name, options, callback) =>
        this.#request(context, { toManager, fromManager }, name, options, callback),
      query: async () => ({ held: this.heldNames().map((name) => ({ name })) }),
    }
  }

  #request<T>(
    context: TestContext,
    { toManager, fromManager }: { toManager: typeof later; fromManager: typeof later },
    name: string,
    options: { mode?: 'exclusive' | 'shared'; ifAvailable?: boolean; signal?: AbortSignal },
    callback: (lock: { readonly name: string } | null) => Promise<T> | T,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = async (lock: { name: string } | null): Promise<void> => {
        try {
          const value = await callback(lock)
          if (context.alive) resolve(value)
        } catch (thrown) {
          if (context.alive) reject(thrown)
        }
      }
      const request: LockRequest = {
        name,
        mode: options.mode ?? 'exclusive',
        context,
        grant: () => {
          let held = true
          const release = (): void => {
            if (!held) return
            held = false
            this.#held.set(name, without(this.#held.get(name), request))
            this.#grantNext(name)
          }
          context.onDeath(release)
          const grant = (): void => context.run(() => void run({ name }).then(release))
          if (delays.turns === undefined) queueMicrotask(grant)
          else fromManager(grant)
        },
      }
      if (options.signal?.aborted === true) return reject(options.signal.reason)
      // Requests reach the manager later, in order, as they cross a process in a browser.
      toManager(() => {
        if (!context.alive) return
        if (options.ifAvailable === true && !this.#grantable(request)) {
          void run(null)
          return
        }
        const queue = this.#queues.get(name) ?? []
        this.#queues.set(name, queue)
        if (options.signal?.aborted === true) return reject(options.signal.reason)
        queue.push(request)
        const onAbort = (): void => {
          this.#queues.set(name, without(this.#queues.get(name), request))
          reject(options.signal?.reason)
          this.#grantNext(name)
        }
        options.signal?.addEventListener('abort', onAbort)
        request.onGrant = () => options.signal?.removeEventListener('abort', onAbort)
        context.onDeath(() => {
          this.#queues.set(name, without(this.#queues.get(name), request))
          this.#grantNext(name)
        })
        this.#grantNext(name)
      })
    })
  }

  #grantable(request: LockRequest): boolean {
    const queue = this.#queues.get(request.name) ?? []
    if (queue.length > 0 && queue[0] !== request) return false
    const held = this.#held.get(request.name) ?? []
    return (
      held.length === 0 ||
      (request.mode === 'shared' && held.every((holder) => holder.mode === 'shared'))
    )
  }

  #grantNext(name: string): void {
    for (;;) {
      const queue = this.#queues.get(name) ?? []
      const first = queue[0]
      if (first === undefined || !this.#grantable(first)) return
      queue.shift()
      this.#held.set(name, [...(this.#held.get(name) ?? []), first])
      first.onGrant?.()
      first.grant()
    }
  }
}

const without = <T>(list: readonly T[] | undefined, item: T): T[] =>
  (list ?? []).filter((other) => other !== item)

// --- ports --------------------------------------------------------------------------------------

type Listener = (event: { readonly data?: unknown; readonly message?: string }) => void

/**
 * One end of a channel. It belongs to the context that made it or that received it last, and is
 * dead when that one dies.
 */
export class TestPort implements PortLike {
  #peer: TestPort | undefined
  #inbox: unknown[] = []
  #started = false
  #closed = false
  #owner: TestContext | undefined
  readonly #listeners = new Map<string, Listener[]>()
  readonly #autoStart: boolean

  constructor(options: { autoStart?: boolean } = {}) {
    this.#autoStart = options.autoStart ?? false
  }

  static channel(options: { autoStart?: boolean } = {}): { port1: TestPort; port2: TestPort } {
    const port1 = new TestPort(options)
    const port2 = new TestPort(options)
    port1.#peer = port2
    port2.#peer = port1
    return { port1, port2 }
  }

  /** Belongs to `owner` from now on; what it receives then does too. Returns itself. */
  ownedBy(owner: TestContext): this {
    this.#owner = owner
    owner.onDeath(() => {
      if (this.#owner === owner) this.close()
    })
    return this
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    const copy = cloneWithPorts(message, transfer)
    const peer = this.#peer
    if (this.#closed || peer === undefined || peer.#closed) return
    peer.#inbox.push(copy)
    if (peer.#started) peer.#deliverOne()
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener])
    if (type === 'message' && this.#autoStart) this.start()
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    for (const _ of this.#inbox) this.#deliverOne()
  }

  close(): void {
    this.#closed = true
    this.#inbox = []
  }

  get closed(): boolean {
    return this.#closed
  }

  dispatch(type: string, event: { data?: unknown; message?: string }): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event)
  }

  /** A task for each message, in line with all others: a turn asked for now comes after it. */
  #deliverOne(): void {
    later(() => {
      if (this.#owner === undefined) this.#deliver()
      else this.#owner.run(() => this.#deliver())
    })
  }

  #deliver(): void {
    if (this.#closed || this.#inbox.length === 0) return
    const data = this.#inbox.shift()
    if (this.#owner !== undefined) for (const port of portsIn(data)) port.ownedBy(this.#owner)
    this.dispatch('message', { data })
  }
}

const portsIn = (data: unknown): TestPort[] =>
  typeof data === 'object' && data !== null
    ? Object.values(data).filter((value) => value instanceof TestPort)
    : []

/** `structuredClone`, but for our ports, which pass through if they are transferred. */
const cloneWithPorts = (message: unknown, transfer: readonly Transferable[]): unknown => {
  const ports = transfer.filter((item) => (item as unknown) instanceof TestPort)
  const others = transfer.filter((item) => !((item as unknown) instanceof TestPort))
  if (typeof message !== 'object' || message === null) return structuredClone(message)
  const fields = Object.entries(message)
  const plain = fields.filter(([, value]) => !(value instanceof TestPort))
  for (const [name, value] of fields) {
    if (value instanceof TestPort && !ports.includes(value as never)) {
      throw new DOMException(`the port in ${name} was not transferred`, 'DataCloneError')
    }
  }
  const modules = plain.filter(([, value]) => value instanceof WebAssembly.Module)
  const cloneable = plain.filter(([, value]) => !(value instanceof WebAssembly.Module))
  const copy = structuredClone(Object.fromEntries(cloneable), { transfer: others as never[] })
  return {
    ...copy,
    ...Object.fromEntries(modules),
    ...Object.fromEntries(fields.filter(([, value]) => value instanceof TestPort)),
  }
}

// --- workers ------------------------------------------------------------------------------------

/**
 * A dedicated worker whose script is the function given; it runs in a later task, as a real one.
 */
export class TestWorker implements WorkerLike {
  readonly context = new TestContext()
  readonly #outside: TestPort
  readonly scope: TestPort

  constructor(tab: TestContext, script: (worker: TestWorker) => void) {
    const { port1, port2 } = TestPort.channel({ autoStart: true })
    this.#outside = port1.ownedBy(tab)
    this.scope = port2.ownedBy(this.context)
    tab.onDeath(() => {
      if (delays.turns === undefined) this.terminate()
      else later(() => this.terminate())
    })
    later(() => {
      if (!this.context.alive) return
      try {
        script(this)
      } catch (thrown) {
        this.fail(String(thrown))
      }
    })
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    this.#outside.postMessage(message, transfer)
  }

  addEventListener(type: 'message' | 'messageerror' | 'error', listener: Listener): void {
    this.#outside.addEventListener(type, listener)
  }

  terminate(): void {
    this.#outside.close()
    this.context.kill()
  }

  /** As an uncaught error in the script; without a message, as one that could not be fetched. */
  fail(message?: string): void {
    this.#outside.dispatch('error', message === undefined ? {} : { message })
  }
}

/**
 * One shared worker for a name, as a browser keeps it; `start` runs its script and returns what
 * gets a port for each connection. It ends with the last page; the next one starts it anew.
 */
export class TestSharedWorkers {
  readonly #running = new Map<string, RunningSharedWorker>()
  readonly #start: (name: string, context: TestContext) => (port: TestPort) => void
  /** How often a script was started. */
  starts = 0

  constructor(start: (name: string, context: TestContext) => (port: TestPort) => void) {
    this.#start = start
  }

  connect(name: string, context: TestContext): SharedWorkerLike {
    const { port1, port2 } = TestPort.channel()
    const worker = this.#running.get(name) ?? this.#run(name)
    port2.ownedBy(worker.context)
    worker.pages.add(context)
    context.onDeath(() => {
      worker.pages.delete(context)
      if (worker.pages.size === 0) worker.context.kill()
    })
    later(() => worker.context.alive && worker.connect(port2))
    return { port: port1.ownedBy(context), addEventListener: () => undefined }
  }

  /** As when the process dies that it runs in. */
  kill(): void {
    for (const { context } of this.#running.values()) context.kill()
  }

  /** As when the process is suspended that it runs in. */
  freeze(): void {
    for (const { context } of this.#running.values()) context.freeze()
  }

  thaw(): void {
    for (const { context } of this.#running.values()) context.thaw()
  }

  #run(name: string): RunningSharedWorker {
    this.starts += 1
    const context = new TestContext()
    const pages = new Set<TestContext>()
    const worker = { context, pages, connect: this.#start(name, context) }
    this.#running.set(name, worker)
    context.onDeath(() => this.#running.delete(name))
    return worker
  }
}

interface RunningSharedWorker {
  readonly context: TestContext
  /** It ends with the last of them. */
  readonly pages: Set<TestContext>
  connect(port: TestPort): void
}

/** The broadcast channels of an origin. */
export class TestBroadcasts {
  readonly #open = new Map<string, Set<TestPort>>()

  open(name: string, context: TestContext): BroadcastLike {
    const group = this.#open.get(name) ?? new Set()
    this.#open.set(name, group)
    // What comes to it is posted to the other end of this channel.
    const { port1, port2 } = TestPort.channel({ autoStart: true })
    port1.ownedBy(context)
    group.add(port2)
    let isClosed = false
    const close = (): void => {
      isClosed = true
      group.delete(port2)
      port1.close()
    }
    context.onDeath(close)
    return {
      postMessage: (message) => {
        if (!context.alive) return
        if (isClosed) throw new DOMException('the channel is closed', 'InvalidStateError')
        for (const other of group) if (other !== port2) other.postMessage(message)
      },
      addEventListener: (type, listener) => port1.addEventListener(type, listener),
      close,
    }
  }
}

/** `new MessageChannel()` in `context`. */
export const channelIn = (context: TestContext): ChannelLike => {
  const { port1, port2 } = TestPort.channel()
  return { port1: port1.ownedBy(context), port2: port2.ownedBy(context) }
}

// --- storage ------------------------------------------------------------------------------------

/** `localStorage` of an origin, or `sessionStorage` of a tab. */
export class TestStorage {
  readonly texts = new Map<string, string>()
  /** Characters, of keys and values. */
  limit = 5_000_000
  /** Thrown by every call, where storage is blocked. */
  refusal: DOMException | undefined
  /** Called for every text that is set, as the event `storage` of the other tabs. */
  onSet: (key: string) => void = () => undefined

  get length(): number {
    return this.#open().size
  }
  key(index: number): string | null {
    return [...this.#open().keys()][index] ?? null
  }
  getItem(key: string): string | null {
    return this.#open().get(key) ?? null
  }
  setItem(key: string, value: string): void {
    const others = [...this.#open()].filter(([other]) => other !== key)
    const used = [...others, [key, value]].reduce((sum, texts) => sum + texts.join('').length, 0)
    if (used > this.limit) throw new DOMException('the quota is used up', 'QuotaExceededError')
    this.texts.set(key, value)
    this.onSet(key)
  }
  removeItem(key: string): void {
    this.#open().delete(key)
  }

  #open(): Map<string, string> {
    if (this.refusal !== undefined) throw this.refusal
    return this.texts
  }
}

/** The origin private file system: one sync handle per file, which dies with its context. */
interface TestFile {
  bytes: Uint8Array<ArrayBuffer>
  open: boolean
  lastModified: number
}

export class TestOpfs {
  readonly files = new Map<string, TestFile>()
  /** Thrown by `getDirectory`, as a browser in private mode does. */
  refusal: DOMException | undefined
  /** Thrown when a handle is asked for. */
  handleRefusal: DOMException | undefined
  /** Nothing more can be written. */
  full = false
  syncAccess = true
  #changes = 0

  /** A clock that only changes of files move. */
  #now(): number {
    this.#changes += 1
    return this.#changes
  }

  async getDirectory(context: TestContext): Promise<DirectoryLike> {
    if (this.refusal !== undefined) throw this.refusal
    return this.#directory('', context)
  }

  #directory(path: string, context: TestContext): DirectoryLike {
    return {
      getDirectoryHandle: async (name) => this.#directory(`${path}${name}/`, context),
      getFileHandle: async (name, { create }) => {
        if (!this.syncAccess) return {}
        const file = `${path}${name}`
        const found = this.files.get(file) ?? {
          bytes: new Uint8Array(0),
          open: false,
          lastModified: this.#now(),
        }
        if (!create && !this.files.has(file)) {
          throw new DOMException('no such file', 'NotFoundError')
        }
        this.files.set(file, found)
        return {
          getFile: async () => {
            const bytes = found.bytes.slice()
            const { lastModified } = found
            return { size: bytes.length, lastModified, arrayBuffer: async () => bytes.buffer }
          },
          createSyncAccessHandle: async () => {
            if (this.files.get(file) !== found) {
              throw new DOMException('it was removed', 'NotFoundError')
            }
            return this.#open(found, context)
          },
        }
      },
      removeEntry: async (name) => {
        const inside = [...this.files].filter(([file]) => file.startsWith(`${path}${name}/`))
        if (inside.length === 0) throw new DOMException('nothing there', 'NotFoundError')
        if (inside.some(([, file]) => file.open)) throw noModification()
        for (const [file] of inside) this.files.delete(file)
      },
    }
  }

  #open(file: TestFile, context: TestContext): FileHandle {
    if (this.handleRefusal !== undefined) throw this.handleRefusal
    if (file.open) throw noModification()
    file.open = true
    let closed = false
    const close = (): void => {
      if (!closed) file.open = false
      closed = true
    }
    const checkOpen = (): void => {
      if (closed) throw new DOMException('the handle is closed', 'InvalidStateError')
    }
    context.onDeath(close)
    return {
      read: (buffer, { at }) => {
        checkOpen()
        const part = file.bytes.subarray(at, at + buffer.length)
        buffer.set(part)
        return part.length
      },
      write: (buffer, { at }) => {
        checkOpen()
        if (this.full) throw new DOMException('no space is left', 'QuotaExceededError')
        if (at + buffer.length > file.bytes.length) {
          const grown = new Uint8Array(at + buffer.length)
          grown.set(file.bytes)
          file.bytes = grown
        }
        file.bytes.set(buffer, at)
        file.lastModified = this.#now()
        return buffer.length
      },
      truncate: (size) => {
        checkOpen()
        const next = new Uint8Array(size)
        next.set(file.bytes.subarray(0, size))
        file.bytes = next
        file.lastModified = this.#now()
      },
      flush: checkOpen,
      getSize: () => {
        checkOpen()
        return file.bytes.length
      },
      close,
    }
  }
}

const noModification = (): DOMException =>
  new DOMException('another handle is open', 'NoModificationAllowedError')
