/**
 * The adapter for pages: storage in OPFS, shared by all tabs of the origin.
 *
 * Starts the tab's part in the election and the loading of the engine at the same moment; if this
 * tab leads, its worker opens storage while the engine still compiles.
 */

import { nanoid } from 'nanoid'
import { type DirectoryLike, type LocksLike, systemClock } from '../env.js'
import { directoryName } from '../protocol/messages.js'
import type { Adapter, ConnectOptions, SessionLink } from '../store/adapter.js'
import { loadEngine } from '../wasm/load.js'
import { makeBroadcastWorker } from './broadcast-worker.js'
import { helpWithBlocks, helpWithData, LiveStoreData } from './help.js'
import { leaveSessionId, newSessionId, readIds, takeLeftSessionId } from './ids.js'
import { Journals } from './journals.js'
import { checkPersistedOptions, type PersistedAdapterOptions, storageDirectory } from './options.js'
import { watchPageLife } from './page-life.js'
import { readBootImage } from './read-boot-image.js'
import { requestPersistence } from './request-persistence.js'
import { checkRequirements } from './requirements.js'
import { type PageClaims, SessionClaim } from './session-claim.js'
import { spawnSharedWorker, spawnWorker } from './spawn.js'
import { Tab } from './tab.js'

const openBroadcast = (name: string): BroadcastChannel => new BroadcastChannel(name)

const claimsOfPage: PageClaims = new Map()

/** Long enough that two tabs never get the same. */
const nonceLength = 12

/**
 * Makes the adapter that keeps a store in OPFS and shares it between tabs.
 *
 * The store boots in every tab, whichever of them leads. Where the browser refuses storage it runs
 * in memory, says so by a boot status `warning`, and in `storageMode`.
 *
 * @throws LiveStoreError `InvalidArgument` naming the option. `connect` rejects with `Unsupported`
 * naming what the environment lacks.
 */
export const makePersistedAdapter = (options: PersistedAdapterOptions): Adapter => {
  checkPersistedOptions(options)
  let mayAsk = options.requestPersistentStorage === true
  return {
    connect: (connectOptions) => {
      if (mayAsk) void requestPersistence(globalThis.navigator?.storage, warn)
      mayAsk = false
      return connect(options, connectOptions)
    },
  }
}

const warn = (message: string): void => console.warn(`livestore-wasm: ${message}`)

const connect = async (
  options: PersistedAdapterOptions,
  { storeId, syncPayload, onError }: ConnectOptions,
): Promise<SessionLink> => {
  checkRequirements(globalThis)
  const clock = systemClock()
  const { locks, storage } = navigator as {
    readonly locks: LocksLike
    readonly storage?: { getDirectory?(): Promise<DirectoryLike> }
  }
  const sources = {
    localStorage: () => globalThis.localStorage,
    sessionStorage: () => globalThis.sessionStorage,
  }
  const ids = readIds(sources, storeId, options)
  const claim = new SessionClaim({ clock, locks }, claimsOfPage, storeId, ids.sessionId)
  const findSessionId = async (): Promise<string> => {
    if (options.sessionId !== undefined) return ids.sessionId
    if (takeLeftSessionId(sources, storeId, ids.sessionId)) claim.inherit()
    else if (!(await claim.take())) return changeSessionId()
    return ids.sessionId
  }
  const changeSessionId = async (): Promise<string> => {
    const id = newSessionId(sources, storeId)
    await claim.change(id)
    return id
  }
  const finding = findSessionId()
  let sessionId = ids.sessionId
  const onPageHide = (): void => leaveSessionId(sources, storeId, sessionId)
  addEventListener('pagehide', onPageHide)
  const journals = new Journals({ localStorage: () => globalThis.localStorage, onError }, storeId)
  const onStorage = ({ key }: StorageEvent): void => journals.changed(key)
  const { wasmUrl } = options
  const ownDirectory = storageDirectory(options.storage.directory)
  const getDirectory = storage?.getDirectory && (() => storage.getDirectory!())
  const liveStoreData = new LiveStoreData(
    { locks, getDirectory, option: options.liveStoreData },
    storeId,
    ownDirectory,
  )
  const directory = directoryName(storeId, ownDirectory)
  const reading =
    getDirectory !== undefined && mayStartFromBootImage(options, journals)
      ? readBootImage(getDirectory, directory)
      : undefined
  const loading = loadEngine(wasmUrl === undefined ? {} : { wasmUrl })
  const tab = new Tab(
    {
      clock,
      locks,
      createChannel: () => new MessageChannel(),
      spawnWorker: (name) => spawnWorker(options.worker, name),
      spawnSharedWorker: (name) =>
        'SharedWorker' in globalThis
          ? spawnSharedWorker(options.sharedWorker, name)
          : makeBroadcastWorker({ locks, openBroadcast }, name),
      help: (topic, port) =>
        topic === 'stored-blocks' ? helpWithBlocks(port) : helpWithData(liveStoreData, port),
      nonce: nanoid(nonceLength),
      warn,
    },
    {
      storeId,
      ...ids,
      syncPayload,
      directory,
      resetPersistence: options.resetPersistence ?? false,
      wasmModule: loading.then(({ wasmModule }) => wasmModule),
      hasLiveStoreData: liveStoreData.exists,
      journals,
    },
  )
  const stopWatching = watchPageLife({
    pause: () => {
      claim.release()
      tab.pause()
    },
    resume: () => {
      if (options.sessionId === undefined) void claim.take()
      tab.resume()
    },
  })
  const close = (): Promise<void> => {
    removeEventListener('pagehide', onPageHide)
    stopWatching()
    claim.release()
    return tab.close()
  }
  try {
    const engine = await loading
    let bootImage = await reading
    sessionId = await finding
    // What follows keeps the main thread busy; the worker of a tab that leads boots meanwhile.
    if (bootImage === undefined) await tab.workerUnderway
    addEventListener('storage', onStorage)
    return {
      engine,
      clientId: ids.clientId,
      sessionId,
      journal: journals,
      get storageMode() {
        return tab.storageMode
      },
      takeBootImage: () => {
        const taken = bootImage
        bootImage = undefined
        return taken
      },
      start: (handlers) => tab.start(handlers),
      close: () => {
        removeEventListener('storage', onStorage)
        return close()
      },
    }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

/** What a page left in its journal is in no image, and who left it would miss it. */
const mayStartFromBootImage = (options: PersistedAdapterOptions, journals: Journals): boolean =>
  options.resetPersistence !== true &&
  options.experimental?.disableFastPath !== true &&
  journals.isEmpty()
