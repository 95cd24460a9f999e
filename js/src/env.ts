/**
 * The slices of the browser that we use, as interfaces, and the functions that take them from the
 * real one.
 *
 * Everything in adapter-web, worker and shared-worker gets its slice passed in, so that two tabs, a
 * dying leader or a refused storage are unit tests over the doubles of js/test/doubles.ts. The real
 * `navigator.locks`, `MessagePort` and so on satisfy these interfaces as they are. Types only name
 * what we use: they hold on a page, in a worker and in Node.
 */

/** A MessagePort, a dedicated worker seen from its tab, or the scope of that worker. */
export interface PortLike {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(
    type: 'message' | 'messageerror',
    listener: (event: { readonly data?: unknown }) => void,
  ): void
  /**
   * Messages wait until the first call. Workers and their scopes have none and start by themselves.
   */
  start?(): void
  close?(): void
}

export interface ChannelLike {
  readonly port1: PortLike
  readonly port2: PortLike
}

/** A `BroadcastChannel`: what one posts comes to all others of the same name. */
export interface BroadcastLike {
  postMessage(message: unknown): void
  addEventListener(
    type: 'message' | 'messageerror',
    listener: (event: { readonly data?: unknown }) => void,
  ): void
  close(): void
}

export interface WorkerLike extends PortLike {
  addEventListener(
    type: 'message' | 'messageerror' | 'error',
    listener: (event: { readonly data?: unknown; readonly message?: string }) => void,
  ): void
  terminate(): void
}

export interface SharedWorkerLike {
  readonly port: PortLike
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void
}

/** The part of `LockManager` we use. Without `signal` or `ifAvailable` a request waits its turn. */
export interface LocksLike {
  request<T>(
    name: string,
    options: { mode?: 'exclusive' | 'shared'; ifAvailable?: boolean; signal?: AbortSignal },
    callback: (lock: { readonly name: string } | null) => Promise<T> | T,
  ): Promise<T>
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>
}

/** Exclusive, synchronous access to one file; only workers have it. */
export interface FileHandle {
  read(buffer: Uint8Array<ArrayBuffer>, options: { at: number }): number
  write(buffer: Uint8Array<ArrayBuffer>, options: { at: number }): number
  truncate(size: number): void
  flush(): void
  getSize(): number
  close(): void
}

/** A file as it was when it was asked for. */
export interface FileSnapshot {
  readonly size: number
  /** Milliseconds since 1970. */
  readonly lastModified: number
  arrayBuffer(): Promise<ArrayBuffer>
}

/** Browsers without sync access have files that lack `createSyncAccessHandle`. */
export interface FileLike {
  createSyncAccessHandle?(): Promise<FileHandle>
  getFile?(): Promise<FileSnapshot>
}

export interface DirectoryLike {
  getDirectoryHandle(name: string, options: { create: boolean }): Promise<DirectoryLike>
  getFileHandle(name: string, options: { create: boolean }): Promise<FileLike>
  removeEntry(name: string, options: { recursive: boolean }): Promise<void>
}

/** Timers and turns. */
export interface Clock {
  /** Milliseconds; only differences mean something. */
  now(): number
  /** Runs `task` after `delayMs`; the returned function prevents it. */
  after(delayMs: number, task: () => void): () => void
  /**
   * Runs `task` as soon as the tasks that already wait have run: messages that have arrived come
   * first.
   */
  nextTurn(task: () => void): void
}

/** Resolves after `delayMs`. */
export const sleep = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })

/** Resolves when the tasks that already wait have run. */
export const nextTurn = (clock: Clock): Promise<void> =>
  new Promise((resolve) => clock.nextTurn(resolve))

/**
 * The real clock. A turn is a message to oneself where timers are clamped to 4 ms, that is in
 * browsers; Node has `setImmediate`, which unlike an open port does not keep a process alive.
 */
export const systemClock = (): Clock => ({
  now: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
  nextTurn: turnsOfThisRealm(),
})

const turnsOfThisRealm = (): Clock['nextTurn'] => {
  const realm = globalThis as { setImmediate?: (task: () => void) => unknown }
  if (realm.setImmediate !== undefined) {
    const { setImmediate } = realm
    return (task) => void setImmediate(task)
  }
  const waiting: (() => void)[] = []
  const channel = new MessageChannel()
  channel.port1.onmessage = () => waiting.shift()?.()
  return (task) => {
    waiting.push(task)
    channel.port2.postMessage(undefined)
  }
}
