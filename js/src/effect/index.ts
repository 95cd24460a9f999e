/**
 * effect's `Schema` for apps that describe their data with it. Importing it from here registers the
 * encoder and decoder of the app's own copy of effect, major 3 or 4; effect stays an optional peer
 * and nothing else in this package imports it.
 *
 * Only single functions of the modules are named below, so that a bundler can still drop the rest,
 * and all that is for sync backends where there is none.
 */

import * as Cause from 'effect/Cause'
import * as Effect from 'effect/Effect'
import * as Option from 'effect/Option'
import * as Schema from 'effect/Schema'
import type * as Scope from 'effect/Scope'
import * as Stream from 'effect/Stream'
import { registerEffect } from '../schema/codec.js'
import { type SchemaParts, schemaColumns } from '../schema/schema-columns.js'
import type { MakeSyncBackend } from '../sync/backend.js'
import { type EffectModules, syncBackendOf } from './sync-backend.js'

registerEffect({
  sample: Schema.String,
  encodeUnknownSync: Schema.encodeUnknownSync as (schema: never) => (value: unknown) => unknown,
  decodeUnknownSync: Schema.decodeUnknownSync as (schema: never) => (value: unknown) => unknown,
  tableOf: schemaColumns({ make: Schema.make, Union: Schema.Union } as unknown as SchemaParts),
})

export { Schema }

/**
 * Makes a sync backend that is written as effects, as LiveStore's are, into one for `sync.backend`.
 * What `make` returns has `pull`, a function to a `Stream`, and `push`, a function to an `Effect`;
 * `connect` and `ping` are effects. Its scope is closed when the store has ended.
 */
export const syncBackendFromEffect = (
  make: (args: Parameters<MakeSyncBackend>[0]) => Effect.Effect<unknown, unknown, Scope.Scope>,
): MakeSyncBackend => {
  const modules = {
    Effect: {
      flatMap: Effect.flatMap,
      promise: Effect.promise,
      scoped: Effect.scoped,
      runPromiseExit: Effect.runPromiseExit,
    },
    Stream: { runForEach: Stream.runForEach },
    Option: { none: Option.none, some: Option.some },
    Cause: { squash: Cause.squash },
  }
  return syncBackendOf(modules as unknown as EffectModules)(make)
}
