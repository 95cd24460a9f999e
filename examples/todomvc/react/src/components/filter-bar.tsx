/** How many are left, which are shown, and the way to get rid of the completed ones. */

import { useClientDocument, useQuery, useStore } from 'livestore-wasm/react'
import { clearCompleted } from '../../../common/actions.js'
import { activeCount$, completedCount$ } from '../../../common/queries.js'
import { filters, tables } from '../../../common/schema.js'
import { filterTexts, leftText } from '../../../common/texts.js'

export const FilterBar = () => {
  const { store } = useStore()
  const [{ filter }, setUiState] = useClientDocument(tables.uiState)
  const active = useQuery(activeCount$)
  const completed = useQuery(completedCount$)

  return (
    <footer className="filter-bar">
      <p className="count" aria-live="polite">
        <strong>{active}</strong> {leftText(active)}
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
        onClick={() => clearCompleted(store)}
      >
        Clear completed
      </button>
    </footer>
  )
}
