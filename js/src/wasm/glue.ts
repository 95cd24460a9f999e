/**
 * The Emscripten glue, under the name the rest of js/src/wasm uses. The file itself is a build output
 * (scripts/build.mjs); its types are wasm/types/module.d.ts.
 */

export { default } from '../../../build/wasm-release/wasm/livestore.mjs'
