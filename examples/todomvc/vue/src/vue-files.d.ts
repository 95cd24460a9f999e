/** What TypeScript is to think of components; `vue-tsc` knows better. */

declare module '*.vue' {
  import type { DefineComponent } from 'vue'

  const component: DefineComponent
  // biome-ignore lint/style/noDefaultExport: the compiler of Vue makes one
  export default component
}
