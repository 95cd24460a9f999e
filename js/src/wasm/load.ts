/**
 * Loads the engine where the wasm lies: in pages and in Node.
 *
 * Apart from module.ts, because a worker's code must hold no address of the wasm: bundlers would
 * ship the file a second time, and could not bundle the worker in the classic format.
 */

import { compileEngine } from './compile.js'
import { type Engine, startEngine } from './module.js'

/** Where the wasm comes from; by default the file that lies beside this module. */
export interface EngineSource {
  /** Already compiled, by another thread. */
  readonly wasmModule?: WebAssembly.Module
  readonly wasmUrl?: string | URL
}

/**
 * @throws LiveStoreError `EngineLoad` naming the address, when the wasm cannot be fetched, compiled
 *   or instantiated.
 */
export const loadEngine = async (source: EngineSource = {}): Promise<Engine> =>
  startEngine(source.wasmModule ?? (await compileEngine(source.wasmUrl)))
