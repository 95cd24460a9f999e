/** The page once the store is there. */

import { useQuery } from 'livestore-wasm/react'
import { totalCount$ } from '../../common/queries.js'
import { hint } from '../../common/texts.js'
import { FilterBar } from './components/filter-bar.js'
import { NewTodo } from './components/new-todo.js'
import { StatusLine } from './components/status-line.js'
import { TodoList } from './components/todo-list.js'

export const App = () => {
  const total = useQuery(totalCount$)
  return (
    <div className="page">
      <main className="card">
        <h1>todos</h1>
        <NewTodo />
        {total > 0 && (
          <>
            <TodoList />
            <FilterBar />
          </>
        )}
      </main>
      <p className="hint">{hint}</p>
      <StatusLine />
    </div>
  )
}
