/** Joins the parts of a template as they are: nothing is quoted or escaped, so pass values as binds. */
export const sql = (parts: TemplateStringsArray, ...values: readonly unknown[]): string =>
  String.raw({ raw: parts }, ...values)
