/** The todos the filter lets through, and the switch for all of them. */

import { useQuery, useStore } from 'livestore-wasm/react'
import { activeCount$, visibleTodos$ } from '../queries.js'
import { events, tables } from '../schema.js'
import { TodoItem } from './todo-item.js'

export const TodoList = () => {
  const { store } = useStore()
  const visibleTodos = useQuery(visibleTodos$)
  const allCompleted = useQuery(activeCount$) === 0

  const toggleAll = () => {
    const ids = store.query(tables.todos.select('id').where({ completed: allCompleted }))
    const change = allCompleted ? events.todoReopened : events.todoCompleted
    // One commit: every tab sees all of it or nothing of it.
    store.commit(...ids.map((id) => change({ id })))
  }

  return (
    <section aria-label="Todos">
      <label className="toggle-all">
        <input type="checkbox" checked={allCompleted} onChange={toggleAll} />
        Mark all as completed
      </label>
      <ul className="todo-list">
        {visibleTodos.map((todo) => (
          <TodoItem key={todo.id} todo={todo} />
        ))}
      </ul>
      {visibleTodos.length === 0 && <p className="nothing">Nothing here.</p>}
    </section>
  )
}
