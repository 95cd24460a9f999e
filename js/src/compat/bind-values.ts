/** Bind values in the form that SQLite wants; the store takes both forms by itself. */

/** Values for the parameters of a statement, by position, or by name with or without the sign. */
export type Bindable = readonly unknown[] | { readonly [name: string]: unknown }
/** The same, with the sign in the names. */
export type PreparedBindValues = readonly unknown[] | { readonly [name: string]: unknown }

/** Puts `$` before the names, and leaves out those that `statement` does not have. */
export const prepareBindValues = (values: Bindable, statement: string): PreparedBindValues =>
  Array.isArray(values)
    ? values
    : Object.fromEntries(
        Object.entries(values)
          .filter(([name]) => statement.includes(name))
          .map(([name, value]) => [`$${name}`, value]),
      )
