/** The field for a new todo. What is typed is part of the store: a reload keeps it. */

import { nanoid } from 'livestore-wasm'
import { useClientDocument, useStore } from 'livestore-wasm/react'
import type { FormEvent } from 'react'
import { events, tables } from '../schema.js'

export const NewTodo = () => {
  const { store } = useStore()
  const [{ newTodoText }, setUiState] = useClientDocument(tables.uiState)

  const create = (submit: FormEvent) => {
    submit.preventDefault()
    const text = newTodoText.trim()
    if (text === '') return
    store.commit(
      events.todoCreated({ id: nanoid(), text, createdAt: Date.now() }),
      events.uiStateSet({ newTodoText: '' }),
    )
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
