/** Looks up what a schema knows of an event, for who handles events by himself. */

import type { AnyEventDef } from '../schema/events.js'
import type { LiveStoreSchema } from '../schema/schema.js'

/** LiveStore logs events that it does not know with this number for their schema. */
export const UNKNOWN_EVENT_SCHEMA_HASH = -1

/** The definition and the materializer of an event, or that the schema does not know it. */
export type ResolvedEventDef =
  | { readonly _tag: 'known'; readonly eventDef: AnyEventDef; readonly materializer: unknown }
  | { readonly _tag: 'unknown'; readonly reason: 'event-definition-missing' }

/** What `schema` knows of `event`. At once, and not as an Effect. */
export const resolveEventDef = (
  schema: LiveStoreSchema,
  { event }: { readonly event: { readonly name: string }; readonly operation?: string },
): ResolvedEventDef => {
  const eventDef = schema.eventsDefsMap.get(event.name)
  if (eventDef === undefined) return { _tag: 'unknown', reason: 'event-definition-missing' }
  return { _tag: 'known', eventDef, materializer: schema.state.materializers.get(event.name) }
}

/** Returns what `facts` gives, for its types. Facts are accepted, and not evaluated. */
export const defineFacts = <Facts>(facts: Facts): Facts => facts
