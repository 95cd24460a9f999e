/** Tells in the console, once, that a deprecated event or field is still committed. */

import { deprecatedFields, withValues } from './annotations.js'
import type { AnyEventDef } from './events.js'

const warned = new Set<string>()
/** By event definition: looking through a schema is too much for every commit. */
const known = new WeakMap<AnyEventDef, ReturnType<typeof deprecatedFields>>()

/** Warns of `eventDef` and of those of its fields that have a value in `args`, each once. */
export const logDeprecationWarnings = (eventDef: AnyEventDef, args: unknown): void => {
  const { name, options, schema } = eventDef
  if (options.deprecated !== undefined) {
    warnOnce(name, `the event '${name}' is deprecated: ${options.deprecated}`)
  }
  let fields = known.get(eventDef)
  if (fields === undefined) {
    fields = deprecatedFields(schema)
    known.set(eventDef, fields)
  }
  if (fields.length === 0) return
  for (const { field, reason } of withValues(fields, args)) {
    const text = `the field '${field}' of the event '${name}' is deprecated: ${reason}`
    warnOnce(`${name}\0${field}`, text)
  }
}

/** Lets every warning be given again, for tests. */
export const resetDeprecationWarnings = (): void => warned.clear()

const warnOnce = (what: string, text: string): void => {
  if (warned.has(what)) return
  warned.add(what)
  console.warn(`livestore: ${text}`)
}
