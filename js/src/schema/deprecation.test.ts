/** Deprecated events and fields: who commits them reads so, once. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { endTest, openStore, startTest } from '../../test/open-store.js'
import { fields } from '../../test/todo-schema.js'
import { Schema } from '../effect/index.js'
import {
  deprecated,
  findDeprecatedFieldsWithValues,
  getDeprecatedReason,
  isDeprecated,
} from './annotations.js'
import { resetDeprecationWarnings } from './deprecation.js'
import { Events, makeSchema, State } from './index.js'

beforeEach(() => {
  startTest()
  resetDeprecationWarnings()
})
afterEach(endTest)

const payload = Schema.Struct({
  id: Schema.String,
  old: Schema.optional(Schema.String).pipe(deprecated('use id')),
  older: Schema.NullOr(deprecated(Schema.Number, 'use old')),
})

test('a field is deprecated by its annotation, in both forms', () => {
  expect(getDeprecatedReason(Schema.String.pipe(deprecated('why')))).toBe('why')
  expect(isDeprecated(deprecated(Schema.String, 'why'))).toBe(true)
  expect(isDeprecated(Schema.String)).toBe(false)
  expect(isDeprecated(fields({}))).toBe(false)
  expect(findDeprecatedFieldsWithValues(payload, { id: 'a', old: 'x', older: 1 })).toEqual([
    { field: 'old', reason: 'use id' },
    { field: 'older', reason: 'use old' },
  ])
  expect(findDeprecatedFieldsWithValues(payload, { id: 'a', old: undefined })).toEqual([])
  expect(findDeprecatedFieldsWithValues(payload, 'x')).toEqual([])
})

test('a commit warns of a deprecated event and of deprecated fields, once', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const events = {
    a: Events.synced({ name: 'a', schema: payload }),
    b: Events.synced({ name: 'b', schema: fields({}), deprecated: 'use a' }),
  }
  const store = await openStore({
    schema: makeSchema({
      events,
      state: State.SQLite.makeState({ tables: {}, materializers: { a: () => [], b: () => [] } }),
    }),
  })
  expect(events.b.options.deprecated).toBe('use a')
  store.commit(events.a({ id: 'a', older: null, old: 'x' }))
  store.commit(events.a({ id: 'b', older: null, old: 'y' }), events.b({}), events.b({}))
  const texts = warn.mock.calls.map(([text]) => String(text))
  expect(texts).toHaveLength(3)
  expect(texts[0]).toMatch(/'old'.*'a'.*use id/)
  expect(texts[1]).toMatch(/'older'.*'a'.*use old/)
  expect(texts[2]).toMatch(/'b'.*use a/)
})
