/**
 * The data of the boot scenarios: written once, then booted from again and again.
 *
 * A prepared profile stays valid while this file, the schema and the package of the side stay the
 * same, which is why it is kept apart from the other scenarios.
 */

import type { BenchStore } from './main.js'
import { todoEvents, todos } from './schema.js'
import { expectRows, type Metrics, settle, untilPersisted } from './steps.js'

/** Fills the eventlog for the boot scenarios: 80 % new todos, 10 % renamed, 10 % completed ones. */
export const prepareTodos = async (
  store: BenchStore,
  options: { events: number },
): Promise<Metrics> => {
  const start = performance.now()
  const batchEvents = 500
  const created = options.events * 0.8
  const renamed = options.events * 0.9
  for (let first = 0; first < options.events; first += batchEvents) {
    const events = Array.from({ length: batchEvents }, (_, offset) => {
      const index = first + offset
      if (index < created) {
        return todoEvents.created({ id: `todo-${index}`, text: `Todo number ${index}` })
      }
      if (index < renamed) {
        return todoEvents.renamed({ id: `todo-${index - created}`, text: `Renamed ${index}` })
      }
      return todoEvents.completed({ id: `todo-${index - renamed}` })
    })
    store.commit(...events)
    await untilPersisted(store)
  }
  await settle(store)
  const elapsed = performance.now() - start
  checkTodos(store, options)
  await store.shutdownPromise()
  return { 'prepare ms': elapsed }
}

/** That a boot brought all of the prepared state: fast but half a state is not a result. */
export const checkTodos = (store: BenchStore, options: { events: number }): Metrics => {
  const start = performance.now()
  const rows = store.query(todos.count())
  const elapsed = performance.now() - start
  expectRows('todos', rows, options.events * 0.8)
  expectRows(
    'completed todos',
    store.query(todos.where({ completed: true }).count()),
    options.events * 0.1,
  )
  expectRows(
    'renamed todos',
    store.query(todos.where('text', 'LIKE', 'Renamed %').count()),
    options.events * 0.1,
  )
  return { 'first query ms': elapsed }
}
