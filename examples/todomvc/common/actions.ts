/** What the user does, as commits. */

import { nanoid, type Store } from 'livestore-wasm'
import { events, type schema, tables } from './schema.js'

export type TodoStore = Store<typeof schema, unknown>
export type Todo = (typeof tables.todos)['Type']

export const createTodo = (store: TodoStore, typed: string): void => {
  const text = typed.trim()
  if (text === '') return
  store.commit(
    events.todoCreated({ id: nanoid(), text, createdAt: Date.now() }),
    events.uiStateSet({ newTodoText: '' }),
  )
}

export const toggleTodo = (store: TodoStore, { id, completed }: Todo): void => {
  store.commit(completed ? events.todoReopened({ id }) : events.todoCompleted({ id }))
}

export const renameTodo = (store: TodoStore, { id, text }: Todo, typed: string): void => {
  const newText = typed.trim()
  if (newText === text) return
  store.commit(
    newText === '' ? events.todoDeleted({ id }) : events.todoRenamed({ id, text: newText }),
  )
}

export const deleteTodo = (store: TodoStore, { id }: Todo): void => {
  store.commit(events.todoDeleted({ id }))
}

/** One commit: every tab sees all of it or nothing of it. */
export const toggleAll = (store: TodoStore): void => {
  const areCompleted = store.query(tables.todos.count().where({ completed: false })) === 0
  const ids = store.query(tables.todos.select('id').where({ completed: areCompleted }))
  const change = areCompleted ? events.todoReopened : events.todoCompleted
  store.commit(...ids.map((id) => change({ id })))
}

export const clearCompleted = (store: TodoStore): void => {
  const ids = store.query(tables.todos.select('id').where({ completed: true }))
  store.commit(...ids.map((id) => events.todoDeleted({ id })))
}
