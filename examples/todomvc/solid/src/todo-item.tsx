/** @jsxImportSource solid-js */
/** One todo: complete it, rename it in place, delete it. */

import { createSignal, onMount, Show } from 'solid-js'
import { deleteTodo, renameTodo, toggleTodo } from '../../common/actions.js'
import { tables } from '../../common/schema.js'
import type { TodoStore } from './app.js'

export const TodoItem = (props: { store: TodoStore; id: string }) => {
  const store = () => props.store()!
  const rows = props.store.useQuery(() => tables.todos.where({ id: props.id }))
  const [editing, setEditing] = createSignal(false)
  return (
    <Show when={rows()?.[0]}>
      {(todo) => (
        <Show
          when={editing()}
          fallback={
            <li class="todo" classList={{ completed: todo().completed }}>
              <input
                type="checkbox"
                aria-label={`Complete ${todo().text}`}
                checked={todo().completed}
                onChange={() => toggleTodo(store(), todo())}
              />
              {/* biome-ignore lint/a11y/noStaticElementInteractions: a shortcut for a button */}
              <span class="todo-text" onDblClick={() => setEditing(true)}>
                {todo().text}
              </span>
              <button
                type="button"
                class="icon"
                aria-label={`Edit ${todo().text}`}
                onClick={() => setEditing(true)}
              >
                ✎
              </button>
              <button
                type="button"
                class="icon"
                aria-label={`Delete ${todo().text}`}
                onClick={() => deleteTodo(store(), todo())}
              >
                ×
              </button>
            </li>
          }
        >
          <li class="todo editing">
            <TodoEditor
              text={todo().text}
              onDone={(typed) => {
                // Taking the field away blurs it, which must not count as a second answer.
                if (!editing()) return
                setEditing(false)
                if (typed !== undefined) renameTodo(store(), todo(), typed)
              }}
            />
          </li>
        </Show>
      )}
    </Show>
  )
}

const TodoEditor = (props: { text: string; onDone: (typed?: string) => void }) => {
  let field!: HTMLInputElement
  onMount(() => field.select())
  return (
    <input
      ref={field}
      type="text"
      class="todo-editor"
      aria-label={`New text of ${props.text}`}
      value={props.text}
      onKeyDown={({ key }) => {
        if (key === 'Enter') props.onDone(field.value)
        if (key === 'Escape') props.onDone()
      }}
      onBlur={() => props.onDone(field.value)}
    />
  )
}
