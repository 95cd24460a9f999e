/**
 * The engine: one WebAssembly instance, which holds any number of sessions and leaders.
 *
 * The page fetches and compiles the wasm once (load.ts) and posts the compiled module to its leader
 * worker, which only instantiates it. Knows nothing of tabs or storage; host callbacks are
 * registered here by slot.
 */

import type { EngineModule, LivestoreHost, StorageHandle } from '../../../wasm/types/module.js'
import { errorNumbers, isLiveStoreError, LiveStoreError, messageOf } from '../errors.js'
import { writeError } from './codec.js'
import { createModule } from './glue.js'
import type { SeqNum } from './values.js'

/** Answers one `materialize` of the host: returns the bytes it wrote into the batch buffer. */
export type MaterializeCallback = (
  localIndex: number,
  seqNum: SeqNum,
  eventPointer: number,
  eventBytes: number,
) => number

/** One file of a leader's storage. */
export interface StorageFile {
  readonly name: string
  readonly handle: StorageHandle
}

/** A loaded engine. Sessions and leaders are opened on it; it lives as long as its realm. */
export interface Engine {
  /** The compiled module, to post to a worker. */
  readonly wasmModule: WebAssembly.Module
  /** @internal The Emscripten module; only js/src/wasm uses it. */
  readonly module: EngineModule
  /** @internal Materializers by slot. */
  readonly materializers: Map<number, MaterializeCallback>
  /** @internal Gives files a pool number; the pool is forgotten by `releaseStorage`. */
  registerStorage(files: readonly StorageFile[]): number
  /** @internal */
  releaseStorage(pool: number): void
}

/**
 * Starts an engine of a module that is compiled already.
 *
 * @throws LiveStoreError `EngineLoad` when the module does not start.
 */
export const startEngine = async (wasmModule: WebAssembly.Module): Promise<Engine> => {
  const materializers = new Map<number, MaterializeCallback>()
  const storage: (readonly StorageFile[])[] = []
  const host: LivestoreHost = {
    storage,
    materialize(slot, localIndex, global, client, generation, eventPointer, eventBytes) {
      const callback = materializers.get(slot)
      try {
        if (callback === undefined)
          throw new LiveStoreError('Closed', 'this engine object has been closed')
        return callback(localIndex, { global, client, generation }, eventPointer, eventBytes)
      } catch (thrown) {
        // Nothing may be thrown through C++ frames: the error crosses as bytes.
        const code = isLiveStoreError(thrown) ? thrown.code : 'MaterializerThrew'
        const target = { module, reserve: (bytes: number) => module._ls_batch(bytes) }
        return -1 - writeError(target, errorNumbers[code], messageOf(thrown))
      }
    },
  }
  const module: EngineModule = await instantiate(wasmModule, host)
  return {
    wasmModule,
    module,
    materializers,
    registerStorage(files) {
      const free = storage.findIndex((pool) => pool.length === 0)
      const pool = free < 0 ? storage.length : free
      storage[pool] = files
      return pool
    },
    releaseStorage(pool) {
      storage[pool] = []
    },
  }
}

const instantiate = (wasmModule: WebAssembly.Module, host: LivestoreHost): Promise<EngineModule> =>
  new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(
        new LiveStoreError('EngineLoad', `the engine did not start: ${messageOf(cause)}`, {
          cause,
        }),
      )
    createModule({
      livestoreHost: host,
      instantiateWasm(imports, done) {
        WebAssembly.instantiate(wasmModule, imports).then(
          (instance) => done(instance, wasmModule),
          fail,
        )
        return {}
      },
    }).then(resolve, fail)
  })
