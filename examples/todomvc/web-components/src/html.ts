/** Elements without a framework: HTML for what never changes, and how to find what does. */

/** Elements of `html`, which must hold no text of users. */
export const fragment = (html: string): DocumentFragment => {
  const template = document.createElement('template')
  template.innerHTML = html
  return template.content
}

/** @throws Error if there is none */
export const find = <E extends Element>(root: ParentNode, selector: string): E => {
  const element = root.querySelector<E>(selector)
  if (element === null) throw new Error(`there is no ${selector}`)
  return element
}
