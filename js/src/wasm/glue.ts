/**
 * The Emscripten glue, under the name and type that the rest of js/src/wasm uses. The file itself
 * is a build output of wasm/CMakeLists.txt.
 */

// @ts-expect-error A build output: it has no types, and before the first build it is not there.
import createUntyped from '../../../build/wasm-release/wasm/livestore.mjs'
import type createLivestoreModule from '../../../wasm/types/module.js'

export const createModule: typeof createLivestoreModule = createUntyped
