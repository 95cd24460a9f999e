/** One todo: complete it, rename it in place, delete it. */

import { useStore } from 'livestore-wasm/react'
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { deleteTodo, renameTodo, type Todo, toggleTodo } from '../../../common/actions.js'

export const TodoItem = ({ todo }: { todo: Todo }) => {
  const { text, completed } = todo
  const { store } = useStore()
  const [editing, setEditing] = useState(false)

  const rename = (newText: string) => {
    setEditing(false)
    renameTodo(store, todo, newText)
  }

  if (editing) {
    return (
      <li className="todo editing">
        <TodoEditor text={text} onDone={rename} onCancel={() => setEditing(false)} />
      </li>
    )
  }
  return (
    <li className={completed ? 'todo completed' : 'todo'}>
      <input
        type="checkbox"
        aria-label={`Complete ${text}`}
        checked={completed}
        onChange={() => toggleTodo(store, todo)}
      />
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a shortcut for the next button */}
      <span className="todo-text" onDoubleClick={() => setEditing(true)}>
        {text}
      </span>
      <button
        type="button"
        className="icon"
        aria-label={`Edit ${text}`}
        onClick={() => setEditing(true)}
      >
        ✎
      </button>
      <button
        type="button"
        className="icon"
        aria-label={`Delete ${text}`}
        onClick={() => deleteTodo(store, todo)}
      >
        ×
      </button>
    </li>
  )
}

const TodoEditor = ({
  text,
  onDone,
  onCancel,
}: {
  text: string
  onDone: (text: string) => void
  onCancel: () => void
}) => {
  const field = useRef<HTMLInputElement>(null)
  const closed = useRef(false)

  useEffect(() => {
    field.current?.focus()
    field.current?.select()
  }, [])

  // Taking the field away blurs it, which must not count as a second answer.
  const close = (answer: () => void) => {
    if (closed.current) return
    closed.current = true
    answer()
  }
  const done = () => close(() => onDone(field.current?.value ?? text))

  const onKeyDown = ({ key }: KeyboardEvent) => {
    if (key === 'Enter') done()
    if (key === 'Escape') close(onCancel)
  }

  return (
    <input
      ref={field}
      type="text"
      className="todo-editor"
      aria-label={`New text of ${text}`}
      defaultValue={text}
      onKeyDown={onKeyDown}
      onBlur={done}
    />
  )
}
