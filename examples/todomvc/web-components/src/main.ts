/** Starts the app: the store for all elements of the page, and then the elements. */

import { createStorePromise } from 'livestore-wasm'
import { provideStore } from 'livestore-wasm/web-components'
import { options } from '../../common/adapter.js'
import '../../common/app.css'
import { stageTexts } from '../../common/texts.js'

const root = document.getElementById('root')!
const boot = document.createElement('div')
boot.className = 'boot'
root.append(boot)

try {
  const store = await createStorePromise({
    ...options,
    onBootStatus: ({ stage }) => {
      boot.textContent = `${stageTexts[stage]} …`
    },
  })
  provideStore(root, store)
  await import('./todo-page.js')
  root.replaceChildren(document.createElement('todo-page'))
} catch (error) {
  boot.role = 'alert'
  boot.className = 'boot boot-error'
  boot.textContent = `The todos could not be opened: ${error}`
}
