/**
 * Registers effect 4 as `livestore-wasm/effect` does for an app that has it: this repository has
 * major 3 under the plain name.
 */

import { Schema } from 'effect4'
import { registerEffect } from './codec.js'

registerEffect({
  sample: Schema.String,
  encodeUnknownSync: Schema.encodeUnknownSync as (schema: never) => (value: unknown) => unknown,
  decodeUnknownSync: Schema.decodeUnknownSync as (schema: never) => (value: unknown) => unknown,
})

export { Schema as Schema4 }
