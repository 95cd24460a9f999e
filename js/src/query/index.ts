/** What apps and the other parts of the package use of the query builder. */

export { isQueryBuilder } from './builder.js'
export { sql } from './sql.js'
export type {
  CompiledQuery,
  Query,
  QueryBind,
  QueryBuilder,
  QueryBuilderAst,
  QueryResult,
  TableQuery,
} from './types.js'
export { QueryBuilderAstSymbol, QueryBuilderTypeId } from './types.js'
