/** The members of `State`. */

export { QueryBuilderAstSymbol, QueryBuilderTypeId } from '../query/types.js'
export * as SQLite from './sqlite.js'
