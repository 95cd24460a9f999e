/** Joins the parts of a template as they are. Nothing is quoted or escaped: pass values as binds. */
export const sql = (parts: TemplateStringsArray, ...values: readonly unknown[]): string =>
  String.raw({ raw: parts }, ...values)
