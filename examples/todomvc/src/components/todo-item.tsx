/** One todo: complete it, rename it in place, delete it. */

import { useStore } from 'livestore-wasm/react'
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { events, type tables } from '../schema.js'

type Todo = (typeof tables.todos)['Type']

export const TodoItem = ({ todo: { id, text, completed } }: { todo: Todo }) => {
  const { store } = useStore()
  const [editing, setEditing] = useState(false)

  const toggle = () => {
    store.commit(completed ? events.todoReopened({ id }) : events.todoCompleted({ id }))
  }

  const rename = (newText: string) => {
    setEditing(false)
    if (newText === text) return
    store.commit(
      newText === '' ? events.todoDeleted({ id }) : events.todoRenamed({ id, text: newText }),
    )
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
        onChange={toggle}
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
        onClick={() => store.commit(events.todoDeleted({ id }))}
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
  const done = () => close(() => onDone(field.current?.value.trim() ?? text))

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
