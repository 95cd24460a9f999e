/**
 * effect's `Schema` for apps that describe their data with it. Importing it from here registers the
 * encoder and decoder of the app's own copy of effect, major 3 or 4; effect stays an optional peer
 * and nothing else in this package imports it.
 *
 * Only a few functions of the module are named below, so that a bundler can still drop the rest.
 */

import * as Schema from 'effect/Schema'
import { registerEffect } from '../schema/codec.js'
import { type SchemaParts, schemaColumns } from '../schema/schema-columns.js'

registerEffect({
  sample: Schema.String,
  encodeUnknownSync: Schema.encodeUnknownSync as (schema: never) => (value: unknown) => unknown,
  decodeUnknownSync: Schema.decodeUnknownSync as (schema: never) => (value: unknown) => unknown,
  tableOf: schemaColumns({ make: Schema.make, Union: Schema.Union } as unknown as SchemaParts),
})

export { Schema }
