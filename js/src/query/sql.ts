/** Joins the parts of a template as they are. Nothing is escaped: pass values as binds. */
export const sql = (parts: TemplateStringsArray, ...values: readonly unknown[]): string =>
  String.raw({ raw: parts }, ...values)
