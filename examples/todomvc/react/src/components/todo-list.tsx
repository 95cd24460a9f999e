/** The todos the filter lets through, and the switch for all of them. */

import { useQuery, useStore } from 'livestore-wasm/react'
import { toggleAll } from '../../../common/actions.js'
import { activeCount$, visibleTodos$ } from '../../../common/queries.js'
import { TodoItem } from './todo-item.js'

export const TodoList = () => {
  const { store } = useStore()
  const visibleTodos = useQuery(visibleTodos$)
  const allCompleted = useQuery(activeCount$) === 0

  return (
    <section aria-label="Todos">
      <label className="toggle-all">
        <input type="checkbox" checked={allCompleted} onChange={() => toggleAll(store)} />
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
