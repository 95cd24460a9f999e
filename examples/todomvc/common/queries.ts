/** What the app shows, as live queries: they run again when a commit changes what they read. */

import { computed, queryDb } from 'livestore-wasm'
import { tables } from './schema.js'

export const uiState$ = queryDb(tables.uiState.get(), { label: 'uiState' })

export const visibleTodos$ = queryDb(
  (get) => {
    const { filter } = get(uiState$)
    const inOrder = tables.todos.orderBy([
      { col: 'createdAt', direction: 'asc' },
      { col: 'id', direction: 'asc' },
    ])
    return filter === 'all' ? inOrder : inOrder.where({ completed: filter === 'completed' })
  },
  { label: 'visibleTodos' },
)

export const totalCount$ = queryDb(tables.todos.count(), { label: 'totalCount' })

export const activeCount$ = queryDb(tables.todos.count().where({ completed: false }), {
  label: 'activeCount',
})

export const completedCount$ = computed((get) => get(totalCount$) - get(activeCount$), {
  label: 'completedCount',
})
