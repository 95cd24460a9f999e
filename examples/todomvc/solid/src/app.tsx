/** @jsxImportSource solid-js */
/** The page: what is shown until the store is there, and then the todos. */

import { useStore } from 'livestore-wasm/solid'
import { createSignal, ErrorBoundary, For, onMount, Show, Suspense } from 'solid-js'
import { clearCompleted, createTodo, toggleAll } from '../../common/actions.js'
import { options } from '../../common/adapter.js'
import { activeCount$, completedCount$, totalCount$, visibleTodos$ } from '../../common/queries.js'
import { filters, tables } from '../../common/schema.js'
import { filterTexts, hint, leftText, stageTexts, statusText } from '../../common/texts.js'
import { TodoItem } from './todo-item.js'

export const App = () => {
  const [stage, setStage] = createSignal<keyof typeof stageTexts>('loading')
  const store = useStore(() => ({
    ...options,
    onBootStatus: (status) => {
      setStage(status.stage)
    },
  }))
  return (
    <ErrorBoundary fallback={(error) => <BootError error={error} />}>
      <Suspense
        fallback={
          <div class="boot" role="status">
            <p>{stageTexts[stage()]} …</p>
          </div>
        }
      >
        <Show when={store()}>
          <TodoPage store={store} />
        </Show>
      </Suspense>
    </ErrorBoundary>
  )
}

export type TodoStore = ReturnType<typeof useStore<(typeof options)['schema']>>

const TodoPage = (props: { store: TodoStore }) => {
  const store = () => props.store()!
  const [ui, setUi] = props.store.useClientDocument(tables.uiState)
  const todos = props.store.useQuery(visibleTodos$)
  const total = props.store.useQuery(totalCount$)
  const active = props.store.useQuery(activeCount$)
  const completed = props.store.useQuery(completedCount$)
  const status = props.store.useSyncStatus()

  let field!: HTMLInputElement
  onMount(() => field.focus())

  return (
    <div class="page">
      <main class="card">
        <h1>todos</h1>
        <form
          class="new-todo"
          onSubmit={(submit) => {
            submit.preventDefault()
            createTodo(store(), ui()!.newTodoText)
          }}
        >
          <label class="visually-hidden" for="new-todo">
            New todo
          </label>
          <input
            id="new-todo"
            ref={field}
            type="text"
            autocomplete="off"
            placeholder="What needs to be done?"
            value={ui()!.newTodoText}
            onInput={(input) => setUi({ newTodoText: input.currentTarget.value })}
          />
        </form>
        <Show when={total()! > 0}>
          <section aria-label="Todos">
            <label class="toggle-all">
              <input type="checkbox" checked={active() === 0} onChange={() => toggleAll(store())} />
              Mark all as completed
            </label>
            <ul class="todo-list">
              <For each={todos()!.map(({ id }) => id)}>
                {(id) => <TodoItem store={props.store} id={id} />}
              </For>
            </ul>
            <Show when={todos()!.length === 0}>
              <p class="nothing">Nothing here.</p>
            </Show>
          </section>
          <footer class="filter-bar">
            <p class="count" aria-live="polite">
              <strong>{active()}</strong> {leftText(active()!)}
            </p>
            <fieldset class="filters">
              <legend class="visually-hidden">Show</legend>
              <For each={filters}>
                {(name) => (
                  <label>
                    <input
                      type="radio"
                      name="filter"
                      value={name}
                      checked={ui()!.filter === name}
                      onChange={() => setUi({ filter: name })}
                    />
                    <span>{filterTexts[name]}</span>
                  </label>
                )}
              </For>
            </fieldset>
            <button
              type="button"
              class="clear-completed"
              disabled={completed() === 0}
              onClick={() => clearCompleted(store())}
            >
              Clear completed
            </button>
          </footer>
        </Show>
      </main>
      <p class="hint">{hint}</p>
      <p class="status-line">{statusText(store().storageMode, status()!.pendingCount)}</p>
    </div>
  )
}

const BootError = (props: { error: unknown }) => (
  <div class="boot boot-error" role="alert">
    <h1>The todos could not be opened</h1>
    <p>{String(props.error)}</p>
    <button type="button" onClick={() => location.reload()}>
      Try again
    </button>
  </div>
)
