/** How many are left, which are shown, and the way to get rid of the completed ones. */

import { useClientDocument, useQuery, useStore } from 'livestore-wasm/react'
import { activeCount$, completedCount$ } from '../queries.js'
import { events, type Filter, filters, tables } from '../schema.js'

const filterTexts: Record<Filter, string> = {
  all: 'All',
  active: 'Active',
  completed: 'Completed',
}

export const FilterBar = () => {
  const { store } = useStore()
  const [{ filter }, setUiState] = useClientDocument(tables.uiState)
  const active = useQuery(activeCount$)
  const completed = useQuery(completedCount$)

  const clearCompleted = () => {
    const ids = store.query(tables.todos.select('id').where({ completed: true }))
    store.commit(...ids.map((id) => events.todoDeleted({ id })))
  }

  return (
    <footer className="filter-bar">
      <p className="count" aria-live="polite">
        <strong>{active}</strong> {active === 1 ? 'item' : 'items'} left
      </p>
      <fieldset className="filters">
        <legend className="visually-hidden">Show</legend>
        {filters.map((name) => (
          <label key={name}>
            <input
              type="radio"
              name="filter"
              value={name}
              checked={filter === name}
              onChange={() => setUiState({ filter: name })}
            />
            <span>{filterTexts[name]}</span>
          </label>
        ))}
      </fieldset>
      <button
        type="button"
        className="clear-completed"
        disabled={completed === 0}
        onClick={clearCompleted}
      >
        Clear completed
      </button>
    </footer>
  )
}
