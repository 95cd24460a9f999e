/** The page: a field for a new todo, the list, its filter and its state. */

import { withStore } from 'livestore-wasm/web-components'
import { clearCompleted, createTodo, type TodoStore, toggleAll } from '../../common/actions.js'
import {
  activeCount$,
  completedCount$,
  totalCount$,
  uiState$,
  visibleTodos$,
} from '../../common/queries.js'
import { events, filters } from '../../common/schema.js'
import { filterTexts, hint, leftText, statusText } from '../../common/texts.js'
import { find, fragment } from './html.js'
import { TodoItem } from './todo-item.js'

const filterHtml = filters
  .map(
    (name) =>
      `<label><input type="radio" name="filter" value="${name}" />
        <span>${filterTexts[name]}</span></label>`,
  )
  .join('')

const pageHtml = `
  <div class="page">
    <main class="card">
      <h1>todos</h1>
      <form class="new-todo">
        <label class="visually-hidden" for="new-todo">New todo</label>
        <input id="new-todo" type="text" autocomplete="off" placeholder="What needs to be done?" />
      </form>
      <div class="todos" hidden>
        <section aria-label="Todos">
          <label class="toggle-all"><input type="checkbox" /> Mark all as completed</label>
          <ul class="todo-list"></ul>
          <p class="nothing">Nothing here.</p>
        </section>
        <footer class="filter-bar">
          <p class="count" aria-live="polite"><strong></strong> <span></span></p>
          <fieldset class="filters">
            <legend class="visually-hidden">Show</legend>${filterHtml}
          </fieldset>
          <button type="button" class="clear-completed">Clear completed</button>
        </footer>
      </div>
    </main>
    <p class="hint">${hint}</p>
    <p class="status-line"></p>
  </div>`

class TodoPage extends withStore(HTMLElement) {
  override storeConnected(anyStore: unknown): void {
    const store = anyStore as TodoStore
    this.replaceChildren(fragment(pageHtml))
    this.#followField(store)
    this.#followList(store)
    this.#followFooter(store)
    this.watchSyncStatus(({ pendingCount }) => {
      find(this, '.status-line').textContent = statusText(store.storageMode, pendingCount)
    })
  }

  #followField(store: TodoStore): void {
    const field = find<HTMLInputElement>(this, '#new-todo')
    field.focus()
    field.addEventListener('input', () => {
      store.commit(events.uiStateSet({ newTodoText: field.value }))
    })
    find(this, 'form').addEventListener('submit', (submit) => {
      submit.preventDefault()
      createTodo(store, field.value)
    })
    this.watch(uiState$, ({ newTodoText, filter }) => {
      if (field.value !== newTodoText) field.value = newTodoText
      find<HTMLInputElement>(this, `[value=${filter}]`).checked = true
    })
  }

  #followList(store: TodoStore): void {
    const list = find(this, '.todo-list')
    const items = new Map<string, TodoItem>()
    this.watch(visibleTodos$, (todos) => {
      const ids = new Set(todos.map(({ id }) => id))
      for (const [id, item] of items) {
        if (ids.has(id)) continue
        item.remove()
        items.delete(id)
      }
      todos.forEach((todo, index) => {
        const item = items.get(todo.id) ?? new TodoItem()
        items.set(todo.id, item)
        item.todo = todo
        if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null)
      })
      find<HTMLElement>(this, '.nothing').hidden = todos.length > 0
    })
    find(this, '.toggle-all input').addEventListener('change', () => toggleAll(store))
  }

  #followFooter(store: TodoStore): void {
    this.watch(totalCount$, (total) => {
      find<HTMLElement>(this, '.todos').hidden = total === 0
    })
    this.watch(activeCount$, (active) => {
      find(this, '.count strong').textContent = String(active)
      find(this, '.count span').textContent = leftText(active)
      find<HTMLInputElement>(this, '.toggle-all input').checked = active === 0
    })
    const clear = find<HTMLButtonElement>(this, '.clear-completed')
    this.watch(completedCount$, (completed) => {
      clear.disabled = completed === 0
    })
    clear.addEventListener('click', () => clearCompleted(store))
    for (const radio of this.querySelectorAll<HTMLInputElement>('[name=filter]')) {
      radio.addEventListener('change', () => {
        const filter = filters.find((name) => name === radio.value) ?? 'all'
        store.commit(events.uiStateSet({ filter }))
      })
    }
  }
}

customElements.define('todo-page', TodoPage)
