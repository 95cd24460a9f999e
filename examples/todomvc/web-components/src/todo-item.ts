/** One todo: complete it, rename it in place, delete it. */

import { withStore } from 'livestore-wasm/web-components'
import {
  deleteTodo,
  renameTodo,
  type Todo,
  type TodoStore,
  toggleTodo,
} from '../../common/actions.js'
import { find, fragment } from './html.js'

const itemHtml = `
  <li class="todo">
    <input type="checkbox" />
    <span class="todo-text"></span>
    <button type="button" class="icon edit">✎</button>
    <button type="button" class="icon delete">×</button>
  </li>`

const editorHtml = '<li class="todo editing"><input type="text" class="todo-editor" /></li>'

export class TodoItem extends withStore(HTMLElement) {
  #todo: Todo | undefined
  #isEditing = false

  set todo(todo: Todo) {
    this.#todo = todo
    if (this.store !== undefined && !this.#isEditing) this.#show(todo)
  }

  override storeConnected(): void {
    if (this.#todo !== undefined) this.#show(this.#todo)
  }

  get #todoStore(): TodoStore {
    return this.store as unknown as TodoStore
  }

  #show(todo: Todo): void {
    const { text, completed } = todo
    this.replaceChildren(fragment(itemHtml))
    find(this, 'li').classList.toggle('completed', completed)
    const box = find<HTMLInputElement>(this, 'input')
    box.checked = completed
    box.ariaLabel = `Complete ${text}`
    box.addEventListener('change', () => toggleTodo(this.#todoStore, todo))
    const shown = find(this, '.todo-text')
    shown.textContent = text
    shown.addEventListener('dblclick', () => this.#edit(todo))
    const edit = find(this, '.edit')
    edit.ariaLabel = `Edit ${text}`
    edit.addEventListener('click', () => this.#edit(todo))
    const remove = find(this, '.delete')
    remove.ariaLabel = `Delete ${text}`
    remove.addEventListener('click', () => deleteTodo(this.#todoStore, todo))
  }

  #edit(todo: Todo): void {
    this.#isEditing = true
    this.replaceChildren(fragment(editorHtml))
    const field = find<HTMLInputElement>(this, 'input')
    field.ariaLabel = `New text of ${todo.text}`
    field.value = todo.text
    field.select()
    // Taking the field away blurs it, which must not count as a second answer.
    const close = (typed?: string): void => {
      if (!this.#isEditing) return
      this.#isEditing = false
      this.#show(this.#todo ?? todo)
      if (typed !== undefined) renameTodo(this.#todoStore, todo, typed)
    }
    field.addEventListener('keydown', ({ key }) => {
      if (key === 'Enter') close(field.value)
      if (key === 'Escape') close()
    })
    field.addEventListener('blur', () => {
      if (this.isConnected) close(field.value)
    })
  }
}

customElements.define('todo-item', TodoItem)
