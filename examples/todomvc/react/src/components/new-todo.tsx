/** The field for a new todo. What is typed is part of the store: a reload keeps it. */

import { useClientDocument, useStore } from 'livestore-wasm/react'
import type { FormEvent } from 'react'
import { createTodo } from '../../../common/actions.js'
import { tables } from '../../../common/schema.js'

export const NewTodo = () => {
  const { store } = useStore()
  const [{ newTodoText }, setUiState] = useClientDocument(tables.uiState)

  const create = (submit: FormEvent) => {
    submit.preventDefault()
    createTodo(store, newTodoText)
  }

  return (
    <form className="new-todo" onSubmit={create}>
      <label className="visually-hidden" htmlFor="new-todo">
        New todo
      </label>
      <input
        id="new-todo"
        type="text"
        autoComplete="off"
        // biome-ignore lint/a11y/noAutofocus: typing is what one comes here for
        autoFocus
        placeholder="What needs to be done?"
        value={newTodoText}
        onChange={(change) => setUiState({ newTodoText: change.target.value })}
      />
    </form>
  )
}
